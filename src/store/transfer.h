#pragma once

#include <string>

#include "absl/status/status.h"
#include "src/volume/volume.h"

// What snapshots leave on a volume when they are cut short.
namespace mooring::internal {

// FAILED_PRECONDITION where an import into the directory was cut short (V8).
[[nodiscard]] absl::Status CheckNoImport(const std::string& path);

// As CheckNoImport() for a store that is not complete; otherwise removes what killed exports and a
// finished import left.
[[nodiscard]] absl::Status ClearTransfers(const volume::Volume& volume);

// With all that is in it; OK where there is none.
[[nodiscard]] absl::Status RemoveTree(const std::string& path);

}  // namespace mooring::internal
