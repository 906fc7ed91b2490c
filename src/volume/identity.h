#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::volume {

// The newest format of a volume that this code reads and the one it writes; see FORMAT.md.
inline constexpr uint32_t kVolumeFormat = 1;

// What the file MOORING says of a volume. FORMAT.md has its bytes.
struct Identity {
  std::string store_id;   // 32 lower-case hexadecimal digits.
  bool complete = false;  // The data directory was filled once, so that it must not be empty.
};

// `text` in lower case. INVALID_ARGUMENT where it is not 32 hexadecimal digits.
absl::StatusOr<std::string> ParseStoreId(std::string_view text);

std::string EncodeIdentity(const Identity& identity);

// `path` is only named in errors.
//
// FAILED_PRECONDITION  a newer format; the message has both numbers.
// DATA_LOSS            damaged; the message names `path` and the offset.
absl::StatusOr<Identity> DecodeIdentity(std::string_view path, std::string_view data);

// NOT_FOUND where there is no such file, else as DecodeIdentity().
absl::StatusOr<Identity> ReadIdentity(const std::string& path);

// Replaces the file, whole or not at all; durable when OK.
[[nodiscard]] absl::Status WriteIdentity(const std::string& path, const Identity& identity);

// FAILED_PRECONDITION, naming both ids, where `expected` is neither empty nor `identity`'s.
[[nodiscard]] absl::Status CheckStoreId(std::string_view path, const Identity& identity,
                                        std::string_view expected);

}  // namespace mooring::volume
