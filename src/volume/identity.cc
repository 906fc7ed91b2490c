#include "src/volume/identity.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"

namespace mooring::volume {
namespace {

constexpr std::string_view kMagic = "mooring store: do not change, move or remove this file\n";
constexpr std::string_view kChecksum = "crc32c ";
constexpr size_t kChecksumLineBytes = kChecksum.size() + 8 + 1;
constexpr size_t kMaxBytes = 4096;
constexpr size_t kStoreIdDigits = 32;

absl::Status Damaged(std::string_view path, size_t offset, std::string_view what) {
  return absl::DataLossError(absl::StrCat(
      ToAbsl(path), " is damaged at offset ", offset, ": ", ToAbsl(what),
      ". It says which store this volume holds: restore it from a copy of the volume."));
}

std::string ChecksumLine(std::string_view data) {
  return absl::StrFormat("crc32c %08x\n", Crc32c(data));
}

// Reads "key value\n" pieces of a text, and remembers where the next one begins.
class LineReader {
 public:
  LineReader(std::string_view path, std::string_view text, size_t offset)
      : path_(path), text_(text), offset_(offset) {}

  absl::StatusOr<std::string_view> Value(std::string_view key) {
    const std::string_view rest = text_.substr(offset_);
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos || end <= key.size() || rest.substr(0, key.size()) != key ||
        rest[key.size()] != ' ') {
      return Damaged(path_, offset_, absl::StrCat("no line '", ToAbsl(key), "'"));
    }
    line_offset_ = offset_;
    offset_ += end + 1;
    return rest.substr(key.size() + 1, end - key.size() - 1);
  }
  // Where the line of the last value begins.
  size_t line_offset() const { return line_offset_; }

 private:
  const std::string_view path_;
  const std::string_view text_;
  size_t offset_;
  size_t line_offset_ = 0;
};

// V3: the first line and the checksum line mean the same in every format.
absl::Status CheckFrame(std::string_view path, std::string_view data) {
  const auto differs = std::mismatch(kMagic.begin(), kMagic.end(), data.begin(), data.end());
  if (differs.first != kMagic.end()) {
    return Damaged(path, differs.first - kMagic.begin(), "the first line is not Mooring's");
  }
  if (data.size() > kMaxBytes) return Damaged(path, kMaxBytes, "it is longer than 4096 bytes");
  if (data.size() < kMagic.size() + kChecksumLineBytes) {
    return Damaged(path, data.size(), "it ends too early");
  }
  const size_t end = data.size() - kChecksumLineBytes;
  if (data.substr(end) != ChecksumLine(data.substr(0, end))) {
    return Damaged(path, end,
                   absl::StrCat("the checksum is not that of the ", end, " bytes before it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ParseStoreId(std::string_view text) {
  const bool digits = std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
  if (text.size() != kStoreIdDigits || !digits) {
    return absl::InvalidArgumentError(absl::StrCat("store id '", ToAbsl(text),
                                                   "' is not 32 hexadecimal digits (", text.size(),
                                                   " characters)"));
  }
  return absl::AsciiStrToLower(ToAbsl(text));
}

std::string EncodeIdentity(const Identity& identity) {
  const std::string body =
      absl::StrCat(ToAbsl(kMagic), "format ", kVolumeFormat, "\nstore ", identity.store_id,
                   "\ndata ", identity.complete ? "complete" : "new", "\n");
  return body + ChecksumLine(body);
}

absl::StatusOr<Identity> DecodeIdentity(std::string_view path, std::string_view data) {
  MOORING_RETURN_IF_ERROR(CheckFrame(path, data));
  LineReader lines(path, data, kMagic.size());
  uint32_t format = 0;
  MOORING_ASSIGN_OR_RETURN(const std::string_view format_text, lines.Value("format"));
  if (!absl::SimpleAtoi(ToAbsl(format_text), &format) || format == 0) {
    return Damaged(path, lines.line_offset(), "the format is not a number");
  }
  if (format > kVolumeFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        ToAbsl(path), " is of Mooring volume format ", format, "; this version reads up to format ",
        kVolumeFormat, ". Use the version of Mooring that wrote it, or a newer one."));
  }
  Identity identity;
  MOORING_ASSIGN_OR_RETURN(const std::string_view id, lines.Value("store"));
  absl::StatusOr<std::string> parsed = ParseStoreId(id);
  if (!parsed.ok() || *parsed != id) {
    return Damaged(path, lines.line_offset(), "the store id is not 32 hexadecimal digits");
  }
  identity.store_id = *std::move(parsed);
  MOORING_ASSIGN_OR_RETURN(const std::string_view state, lines.Value("data"));
  if (state != "new" && state != "complete") {
    return Damaged(path, lines.line_offset(), "the data line is neither 'new' nor 'complete'");
  }
  identity.complete = state == "complete";
  return identity;
}

absl::StatusOr<Identity> ReadIdentity(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const std::string data, ReadFile(path));
  return DecodeIdentity(path, data);
}

absl::Status WriteIdentity(const std::string& path, const Identity& identity) {
  return WriteFileDurably(path, EncodeIdentity(identity));
}

absl::Status CheckStoreId(std::string_view path, const Identity& identity,
                          std::string_view expected) {
  if (expected.empty() || expected == identity.store_id) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      ToAbsl(path), " says that this volume holds store ", identity.store_id, ", but store ",
      ToAbsl(expected), " is expected. Mount the right volume, or correct the expected id."));
}

}  // namespace mooring::volume
