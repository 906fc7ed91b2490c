#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "examples/catalog/options.h"
#include "mooring/rewind.h"

// What an operator does while no pod serves the volume.
namespace catalog {

// Takes the state back to `options.rewind_to` and closes it. Answers the last sequence that was
// kept.
absl::StatusOr<uint64_t> Rewind(const ServiceOptions& options);

// Puts the archive's state of `options.copy_of` into the volume, which is empty.
absl::StatusOr<mooring::RestoreCopyReport> Copy(const ServiceOptions& options);

}  // namespace catalog
