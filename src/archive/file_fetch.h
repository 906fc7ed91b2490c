#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/archive/entry.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

// Whether the file at `path` has the size and checksum of `file`; false where there is none.
absl::StatusOr<bool> FileMatches(const std::string& path, const ArchivedFile& file);

// Makes or replaces the file `path` with one of the archive. OK: it is the right one, and synced;
// its name is not. A store that is busy is tried a few times.
//
// DATA_LOSS  the object is missing or damaged; the message names it.
[[nodiscard]] absl::Status FetchFile(objectstore::ObjectStore& store, const ArchivedFile& file,
                                     const std::string& path);

}  // namespace mooring::archive
