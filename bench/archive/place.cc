#include "bench/archive/place.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/objectstore/open.h"
#include "src/objectstore/url.h"
#ifdef MOORING_BENCH_S3
#include "mooring/s3.h"
#endif

namespace mooring::bench {
namespace {

constexpr int kListObjects = 1000;

absl::StatusOr<std::string> AbsolutePath(const std::string& path) {
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) return ErrnoError("cannot resolve", path, error.value());
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  return absolute;
}

absl::Status RemoveAll(const std::string& url) {
  MOORING_ASSIGN_OR_RETURN(const auto store, objectstore::OpenObjectStore(url));
  MOORING_ASSIGN_OR_RETURN(const std::vector<objectstore::ObjectInfo> objects, ListAll(*store));
  for (const objectstore::ObjectInfo& object : objects) {
    MOORING_RETURN_IF_ERROR(store->Delete(object.key));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ArchivePlace> ArchivePlace::Make(const std::string& url, const std::string& volume) {
#ifdef MOORING_BENCH_S3
  EnableS3();
#endif
  ArchivePlace place;
  std::string directory = volume;
  if (!url.empty()) {
    MOORING_ASSIGN_OR_RETURN(const objectstore::Url parsed, objectstore::ParseUrl(url));
    if (parsed.scheme != "file") {
      place.url_ = url;
      return place;
    }
    directory = parsed.path;
  }
  MOORING_ASSIGN_OR_RETURN(const std::string absolute, AbsolutePath(directory));
  MOORING_ASSIGN_OR_RETURN(Scratch scratch, Scratch::Make(absolute));
  place.scratch_.emplace(std::move(scratch));
  return place;
}

ArchivePlace::~ArchivePlace() {
  if (!prefix_.empty()) RemoveAll(prefix_).IgnoreError();
}

absl::StatusOr<std::string> ArchivePlace::Fresh() {
  if (!scratch_) return FreshPrefix();
  MOORING_ASSIGN_OR_RETURN(directory_, scratch_->FreshDirectory("archive"));
  return "file://" + directory_;
}

absl::StatusOr<std::string> ArchivePlace::FreshPrefix() {
  if (!prefix_.empty()) MOORING_RETURN_IF_ERROR(RemoveAll(prefix_));
  const size_t parameters = std::min(url_.find('?'), url_.size());
  prefix_ = absl::StrCat(url_.substr(0, parameters), "/mooring-bench-", RandomId(), "-", ++count_,
                         url_.substr(parameters));
  return prefix_;
}

std::string ArchivePlace::Name() const {
  return scratch_ ? "a directory on " + scratch_->FileSystemName() : "s3";
}

absl::StatusOr<std::vector<objectstore::ObjectInfo>> ListAll(objectstore::ObjectStore& store) {
  std::vector<objectstore::ObjectInfo> all;
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(const std::vector<objectstore::ObjectInfo> page,
                             store.List("", all.empty() ? "" : all.back().key, kListObjects));
    all.insert(all.end(), page.begin(), page.end());
    if (page.size() < kListObjects) return all;
  }
}

}  // namespace mooring::bench
