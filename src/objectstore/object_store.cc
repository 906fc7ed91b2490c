#include "src/objectstore/object_store.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/base/status.h"

namespace mooring::objectstore {
namespace {

constexpr size_t kMaxKeyBytes = 512;
constexpr size_t kMaxSegmentBytes = 200;

absl::Status BadKey(std::string_view key, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("object key \"", ToAbsl(key.substr(0, kMaxKeyBytes)), "\": ", ToAbsl(why)));
}

}  // namespace

bool IsKeySegment(std::string_view segment) {
  if (segment.empty() || segment.size() > kMaxSegmentBytes || segment.front() == '.') return false;
  for (const char c : segment) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

absl::Status ValidateKey(std::string_view key) {
  if (key.empty()) return BadKey(key, "it is empty");
  if (key.size() > kMaxKeyBytes) {
    return BadKey(key, absl::StrCat("it has ", key.size(), " bytes, more than ", kMaxKeyBytes));
  }
  for (std::string_view rest = key;;) {
    const size_t slash = rest.find('/');
    if (!IsKeySegment(rest.substr(0, slash))) {
      return BadKey(key,
                    "between its '/' must stand 1 to 200 of A-Z a-z 0-9 - _ . and no '.' first");
    }
    if (slash == std::string_view::npos) return absl::OkStatus();
    rest.remove_prefix(slash + 1);
  }
}

absl::Status ValidateInlineBytes(std::string_view key, int64_t bytes) {
  if (bytes <= kMaxInlineBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("object ", ToAbsl(key), " has ", bytes,
                                                 " bytes, more than ", kMaxInlineBytes,
                                                 ". Use PutFile() and GetToFile()."));
}

absl::Status ValidateRange(std::string_view key, int64_t offset, int64_t size) {
  if (offset >= 0 && size > 0 && size <= kMaxInlineBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("object ", ToAbsl(key), ": ", size,
                                                 " bytes from offset ", offset,
                                                 " is no range of 1 to ", kMaxInlineBytes));
}

absl::Status EndsBefore(std::string_view key, int64_t offset) {
  return absl::OutOfRangeError(
      absl::StrCat("object ", ToAbsl(key), " ends at or before offset ", offset));
}

}  // namespace mooring::objectstore
