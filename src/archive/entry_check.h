#pragma once

#include "absl/status/status.h"
#include "src/archive/entry.h"

namespace mooring::archive {

// INVALID_ARGUMENT, in words, where a field of `entry` breaks its rules. Asked before an entry is
// written and after it was read.
[[nodiscard]] absl::Status CheckEntry(const Entry& entry);

}  // namespace mooring::archive
