#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "mooring/options.h"
#include "src/engine/memory_plan.h"

namespace mooring::internal {

// How the store divides its memory: what `options` name is taken as it is, the rest is chosen from
// memory_budget_bytes, and that where it is not named from `container_limit` (0: none).
// INVALID_ARGUMENT, with the numbers, where it does not fit.
absl::StatusOr<engine::MemoryPlan> DivideMemory(const Options& options, int64_t container_limit);
// The same, with the limit of the container that this process runs in.
absl::StatusOr<engine::MemoryPlan> DivideMemory(const Options& options);

}  // namespace mooring::internal
