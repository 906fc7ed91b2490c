#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mooring::archive {

// `data` compressed with zstd; empty where that would not make it smaller.
std::string Compress(std::string_view data);

// Exactly `raw_bytes`, or INVALID_ARGUMENT in words.
absl::StatusOr<std::string> Decompress(std::string_view data, uint64_t raw_bytes);

}  // namespace mooring::archive
