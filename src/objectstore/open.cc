#include "src/objectstore/open.h"

#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/objectstore/directory_store.h"

namespace mooring::objectstore {
namespace {

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenDirectory(const Url& url) {
  if (!url.authority.empty() || url.path.empty() || !url.parameters.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "archive url ", ToString(url),
        ": a directory is given as file:///path, with three '/' and without parameters."));
  }
  return DirectoryStore::Open(url.path);
}

class Registry {
 public:
  static Registry& Get() {
    static Registry* const registry = new Registry;
    return *registry;
  }
  void Add(std::string_view scheme, StoreFactory factory) {
    absl::MutexLock lock(&mutex_);
    factories_[std::string(scheme)] = std::move(factory);
  }
  StoreFactory Find(const std::string& scheme) {
    absl::MutexLock lock(&mutex_);
    const auto found = factories_.find(scheme);
    return found == factories_.end() ? nullptr : found->second;
  }

 private:
  Registry() { factories_["file"] = OpenDirectory; }
  absl::Mutex mutex_;
  std::map<std::string, StoreFactory> factories_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void RegisterScheme(std::string_view scheme, StoreFactory factory) {
  Registry::Get().Add(scheme, std::move(factory));
}

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(std::string_view text) {
  MOORING_ASSIGN_OR_RETURN(const Url url, ParseUrl(text));
  if (const StoreFactory factory = Registry::Get().Find(url.scheme)) return factory(url);
  if (url.scheme == "s3") {
    return absl::FailedPreconditionError(
        absl::StrCat("archive url ", ToString(url),
                     " needs the S3 component: link mooring::s3 and call mooring::EnableS3() of "
                     "mooring/s3.h before opening the store."));
  }
  return absl::InvalidArgumentError(absl::StrCat("archive url ", ToString(url), ": the scheme ",
                                                 url.scheme,
                                                 " is not known; known are file and s3."));
}

}  // namespace mooring::objectstore
