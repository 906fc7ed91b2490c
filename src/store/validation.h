#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "mooring/options.h"
#include "mooring/write_batch.h"

namespace mooring::internal {

inline constexpr size_t kMaxTables = 256;
inline constexpr size_t kMaxTableNameBytes = 128;

// Each answers INVALID_ARGUMENT naming what is out of which limit.
absl::Status ValidateOptions(const Options& options);
absl::Status ValidateTableName(std::string_view name);
// One bad operation in a group would poison the engine for good, so every batch is checked before
// it is queued. `tag` is that of the store that shall take it.
absl::Status ValidateBatch(const WriteBatch& batch, uint64_t tag);

}  // namespace mooring::internal
