#include "tests/servers/archive_place.h"

#include <stdlib.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status.h"
#include "src/objectstore/open.h"
#include "tests/testing/status_matchers.h"
#ifdef MOORING_TEST_WITH_S3
#include "tests/servers/gateway.h"
#endif

namespace mooring::testing {

ArchivePlace::ArchivePlace() {
  const char* kind = ::getenv("MOORING_TEST_ARCHIVE");
  if (kind == nullptr || std::string_view(kind) != "s3") {
    before_ = absl::StrCat("file://", directory_.path(), "/");
    return;
  }
#ifdef MOORING_TEST_WITH_S3
  const Gateway gateway = FindGateway();
  missing_ = gateway.missing;
  servers_are_required_ = ServersAreRequired();
  if (!missing_.empty()) return;
  const std::string url = MakeGatewayUrl(gateway, "place");
  const size_t query = url.find('?');
  before_ = url.substr(0, query) + "/";
  after_ = url.substr(query);
#else
  missing_ = "built without S3 (MOORING_WITH_S3)";
#endif
}

std::string ArchivePlace::Url(std::string_view name) const {
  return absl::StrCat(before_, ToAbsl(name), after_);
}

std::unique_ptr<objectstore::ObjectStore> ArchivePlace::Open(std::string_view name) const {
  absl::StatusOr<std::unique_ptr<objectstore::ObjectStore>> store =
      objectstore::OpenObjectStore(Url(name));
  EXPECT_OK(store);
  return store.ok() ? *std::move(store) : nullptr;
}

}  // namespace mooring::testing
