#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::volume {

// A small text file as FORMAT.md draws it: a first line that says what it is, a format version,
// fields, and a checksum of all before it. Replaced whole, durably.
struct CheckedFile {
  std::string kind;  // The first line, for example "mooring volume".
  int format = 1;
  std::map<std::string, std::string> fields;  // Names and values without spaces or line ends.
};

[[nodiscard]] absl::Status WriteCheckedFile(std::string_view path, const CheckedFile& file);

// NOT_FOUND            there is no such file.
// FAILED_PRECONDITION  it has a format newer than `newest_format`, which the message names.
// DATA_LOSS            it is damaged; the message names the file and the place.
absl::StatusOr<CheckedFile> ReadCheckedFile(std::string_view path, std::string_view kind,
                                            int newest_format);

}  // namespace mooring::volume
