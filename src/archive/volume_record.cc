#include "src/archive/volume_record.h"

#include <cstdint>
#include <string_view>
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

namespace mooring::archive {
namespace {

constexpr std::string_view kMagic = "mooring history: do not change, move or remove this file\n";
constexpr uint32_t kFormat = 1;
constexpr size_t kChecksumLineBytes = 7 + 8 + 1;

absl::Status Damaged(std::string_view path, std::string_view what) {
  return absl::DataLossError(
      absl::StrCat(ToAbsl(path), " is damaged: ", ToAbsl(what),
                   ". It says who wrote what this volume holds: restore it from a copy of the "
                   "volume."));
}

std::string ChecksumLine(std::string_view body) {
  return absl::StrFormat("crc32c %08x\n", Crc32c(body));
}

std::string Encode(const std::string& store_id, const VolumeRecord& record) {
  std::string body =
      absl::StrCat(ToAbsl(kMagic), "format ", kFormat, "\nstore ", store_id, "\narchive ",
                   record.archive_id.empty() ? "none" : record.archive_id, "\narchive_state ",
                   record.archive_had_state ? "yes" : "no", "\nrestoring ",
                   record.restoring ? "yes" : "no", "\n");
  for (const HistoryEntry& entry : record.history.entries()) {
    absl::StrAppend(&body, "open ", entry.incarnation, " ", entry.epoch, " ", entry.first_sequence,
                    "\n");
  }
  return body + ChecksumLine(body);
}

// The lines between the magic and the checksum.
absl::StatusOr<std::vector<std::string>> Lines(std::string_view path, std::string_view data) {
  if (data.substr(0, kMagic.size()) != kMagic) {
    return Damaged(path, "the first line is not Mooring's");
  }
  if (data.size() < kMagic.size() + kChecksumLineBytes) return Damaged(path, "it ends too early");
  const size_t end = data.size() - kChecksumLineBytes;
  if (data.substr(end) != ChecksumLine(data.substr(0, end))) {
    return Damaged(path, absl::StrCat("the checksum is not that of the ", end, " bytes before it"));
  }
  return std::vector<std::string>(
      absl::StrSplit(ToAbsl(data.substr(kMagic.size(), end - kMagic.size())), '\n'));
}

struct Parsed {
  uint32_t format = 0;
  std::string store_id;
  VolumeRecord record;
  std::vector<HistoryEntry> entries;
};

bool ParseFlag(const std::string& text, bool* out) {
  *out = text == "yes";
  return text == "yes" || text == "no";
}

// Whether the line is well-formed; lines of an unknown kind are, too.
bool ParseLine(const std::vector<std::string>& words, Parsed* out) {
  const std::string& kind = words[0];
  if (kind == "open") {
    HistoryEntry entry;
    if (words.size() != 4 || !absl::SimpleAtoi(words[2], &entry.epoch) ||
        !absl::SimpleAtoi(words[3], &entry.first_sequence)) {
      return false;
    }
    entry.incarnation = words[1];
    out->entries.push_back(std::move(entry));
    return true;
  }
  if (words.size() < 2) return false;
  if (kind == "format") return absl::SimpleAtoi(words[1], &out->format);
  if (kind == "store") return IsId(out->store_id = words[1]);
  if (kind == "archive_state") return ParseFlag(words[1], &out->record.archive_had_state);
  if (kind == "restoring") return ParseFlag(words[1], &out->record.restoring);
  if (kind != "archive" || words[1] == "none") return true;
  return IsId(out->record.archive_id = words[1]);
}

absl::StatusOr<VolumeRecord> Decode(const std::string& path, std::string_view data,
                                    const std::string& store_id) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> lines, Lines(path, data));
  Parsed parsed;
  for (const std::string& line : lines) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (!line.empty() && !ParseLine(words, &parsed)) {
      return Damaged(path, absl::StrCat("the line '", line, "' makes no sense"));
    }
    if (parsed.format > kFormat) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is of Mooring history format ", parsed.format,
                       "; this version reads up to format ", kFormat,
                       ". Use the version of Mooring that wrote it, or a newer one."));
    }
    // The format stands first, so that nothing of a newer one is looked at.
    if (parsed.format == 0) return Damaged(path, "no line 'format'");
  }
  if (parsed.store_id != store_id) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is of store ", parsed.store_id,
                                                      ", but this volume holds store ", store_id,
                                                      ". Restore it from a copy of the volume."));
  }
  absl::StatusOr<History> history = History::FromEntries(std::move(parsed.entries));
  if (!history.ok()) return Damaged(path, ToStd(history.status().message()));
  parsed.record.history = *std::move(history);
  return std::move(parsed.record);
}

}  // namespace

absl::StatusOr<VolumeRecord> ReadVolumeRecord(const std::string& path,
                                              const std::string& store_id) {
  const absl::StatusOr<std::string> data = ReadFile(path);
  if (absl::IsNotFound(data.status())) return VolumeRecord();
  MOORING_RETURN_IF_ERROR(data.status());
  return Decode(path, *data, store_id);
}

absl::Status WriteVolumeRecord(const std::string& path, const std::string& store_id,
                               const VolumeRecord& record) {
  return WriteFileDurably(path, Encode(store_id, record));
}

}  // namespace mooring::archive
