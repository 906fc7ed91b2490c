#include "src/volume/checked_file.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"

namespace mooring::volume {
namespace {

constexpr std::string_view kChecksumName = "crc32c ";
constexpr size_t kChecksumLineBytes = 7 + 8 + 1;

std::string ChecksumLine(std::string_view body) {
  return absl::StrFormat("crc32c %08x\n", Crc32c(body));
}

absl::Status Damaged(std::string_view path, size_t offset, std::string_view what) {
  return absl::DataLossError(absl::StrCat(ToAbsl(path), " is damaged at offset ", offset, ": ",
                                          ToAbsl(what), ". Restore this file from a copy."));
}

}  // namespace

absl::Status WriteCheckedFile(std::string_view path, const CheckedFile& file) {
  std::string body = absl::StrCat(file.kind, "\nformat ", file.format, "\n");
  for (const auto& [name, value] : file.fields) absl::StrAppend(&body, name, " ", value, "\n");
  return WriteFileDurably(path, body + ChecksumLine(body));
}

absl::StatusOr<CheckedFile> ReadCheckedFile(std::string_view path, std::string_view kind,
                                            int newest_format) {
  MOORING_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  if (text.size() < kChecksumLineBytes) return Damaged(path, text.size(), "it ends too early");
  const size_t body_bytes = text.size() - kChecksumLineBytes;
  const std::string_view body = std::string_view(text).substr(0, body_bytes);
  if (std::string_view(text).substr(body_bytes, kChecksumName.size()) != kChecksumName ||
      text.substr(body_bytes) != ChecksumLine(body)) {
    return Damaged(path, body_bytes, "the checksum does not match what is before it");
  }
  const std::vector<std::string> lines = absl::StrSplit(ToAbsl(body), '\n', absl::SkipEmpty());
  if (lines.empty() || lines[0] != kind) {
    return Damaged(path, 0, absl::StrCat("the first line is not \"", ToAbsl(kind), "\""));
  }
  CheckedFile file;
  file.kind = lines[0];
  for (size_t i = 1; i < lines.size(); ++i) {
    std::pair<std::string, std::string> field = absl::StrSplit(lines[i], absl::MaxSplits(' ', 1));
    file.fields.insert(std::move(field));
  }
  if (!absl::SimpleAtoi(file.fields["format"], &file.format)) {
    return Damaged(path, lines[0].size() + 1, "there is no format version");
  }
  file.fields.erase("format");
  if (file.format > newest_format) {
    return absl::FailedPreconditionError(
        absl::StrCat(ToAbsl(path), " has format ", file.format,
                     ", newer than this library, which knows formats up to ", newest_format,
                     ". Open it with the version that wrote it."));
  }
  return file;
}

}  // namespace mooring::volume
