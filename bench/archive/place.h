#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/scratch.h"
#include "src/objectstore/object_store.h"

namespace mooring::bench {

// Where the archives of a run are made: one at a time, below one url. What is there at the end is
// removed.
class ArchivePlace {
 public:
  // `url` may be empty: a directory beside `volume`. An s3 url needs the component for it.
  static absl::StatusOr<ArchivePlace> Make(const std::string& url, const std::string& volume);
  ~ArchivePlace();
  ArchivePlace(ArchivePlace&&) = default;
  ArchivePlace& operator=(ArchivePlace&&) = delete;

  // The url of a new place, empty; the one before is removed.
  absl::StatusOr<std::string> Fresh();

  // Empty where the place is no directory.
  const std::string& directory() const { return directory_; }
  // "a directory on ext4" or "s3".
  std::string Name() const;

 private:
  ArchivePlace() = default;
  absl::StatusOr<std::string> FreshPrefix();

  std::optional<Scratch> scratch_;  // Of a directory.
  std::string directory_;
  std::string url_;     // Of s3, and all that follows are for it alone.
  std::string prefix_;  // The url of the place in use; empty for none.
  int count_ = 0;
};

// All objects of a store.
absl::StatusOr<std::vector<objectstore::ObjectInfo>> ListAll(objectstore::ObjectStore& store);

}  // namespace mooring::bench
