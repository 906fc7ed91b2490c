#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "src/archive/entry.h"

namespace mooring::archive {

// The outside of the archive's objects: magic, format version, checksum, a header and a payload.
// FORMAT.md has the diagram.

inline constexpr std::string_view kEntryMagic = "MOORENT\n";
inline constexpr std::string_view kIdentityMagic = "MOORARC\n";

struct Frame {
  std::string_view header;
  std::string_view payload;
};

std::string EncodeFrame(std::string_view magic, std::string_view header, std::string_view payload,
                        uint32_t version = kArchiveFormat);

// Views into `object`, which `name` names in errors: DATA_LOSS with the offset where it is damaged,
// FAILED_PRECONDITION with both numbers where its format is newer.
absl::StatusOr<Frame> DecodeFrame(std::string_view name, std::string_view magic,
                                  std::string_view object);

// DATA_LOSS: "archive object <name> is damaged: <what>", and what to do.
absl::Status DamagedObject(std::string_view name, std::string_view what);

}  // namespace mooring::archive
