#include "src/engine/log_cut.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"
#include "src/engine/commit_marker.h"
#include "src/engine/log_records.h"

namespace mooring::engine {
namespace {

// RocksDB's tags of what an operation is.
enum class Tag : uint8_t {
  kDelete = 0x0,
  kPut = 0x1,
  kLogData = 0x3,
  kTableDelete = 0x4,
  kTablePut = 0x5,
  kNothing = 0xd,
  kTableDeleteRange = 0xe,
  kDeleteRange = 0xf,
};

void AppendInteger(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// Walks through a batch.
class BatchReader {
 public:
  explicit BatchReader(std::string_view batch) : batch_(batch) {}

  // What Next() found.
  bool counts() const { return counts_; }                 // It takes a sequence.
  const CommitMarker& marker() const { return marker_; }  // Of no commit, where it is none.
  size_t at() const { return at_; }                       // Where it ends.

  bool AtEnd() const { return at_ == batch_.size(); }

  // False where the batch makes no sense.
  bool Next() {
    const auto tag = static_cast<Tag>(batch_[at_++]);
    marker_ = {};
    counts_ = tag != Tag::kLogData && tag != Tag::kNothing;
    std::string_view text;
    uint32_t table = 0;
    switch (tag) {
      case Tag::kNothing:
        return true;
      case Tag::kLogData:
        if (!Text(&text)) return false;
        if (!DecodeCommitMarker(text, &marker_)) marker_ = {};
        return true;
      case Tag::kDelete:
        return Text(&text);
      case Tag::kTableDelete:
        return Varint(&table) && Text(&text);
      case Tag::kPut:
      case Tag::kDeleteRange:
        return Text(&text) && Text(&text);
      case Tag::kTablePut:
      case Tag::kTableDeleteRange:
        return Varint(&table) && Text(&text) && Text(&text);
    }
    return false;
  }

 private:
  bool Varint(uint32_t* value) {
    *value = 0;
    for (int shift = 0; shift < 35 && at_ < batch_.size(); shift += 7) {
      const auto byte = static_cast<uint8_t>(batch_[at_++]);
      *value |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Text(std::string_view* text) {
    uint32_t length = 0;
    if (!Varint(&length) || length > batch_.size() - at_) return false;
    *text = batch_.substr(at_, length);
    at_ += length;
    return true;
  }

  const std::string_view batch_;
  size_t at_ = kBatchHeaderBytes;
  bool counts_ = false;
  CommitMarker marker_;
};

struct CommitInRecord {
  LoggedCommit commit;
  size_t end = 0;  // In the record's bytes.
};

// A record in which nothing marks the commits is one commit.
absl::StatusOr<std::vector<CommitInRecord>> CommitsOf(std::string_view what,
                                                      const RawLogRecord& record) {
  const auto damaged = [&] {
    return absl::DataLossError(absl::StrCat(ToAbsl(what), ": the record from byte ", record.begin,
                                            " to ", record.end,
                                            " of the log does not hold the commits that it says"));
  };
  std::vector<CommitInRecord> commits;
  uint64_t operations = 0, promised = 0;
  for (BatchReader batch(record.bytes); !batch.AtEnd();) {
    if (!batch.Next()) return damaged();
    if (batch.marker().count > 0) {
      if (operations != promised) return damaged();
      promised += batch.marker().count;
      commits.push_back({{0, batch.marker().time_us}, 0});
    }
    if (commits.empty() && batch.counts()) {
      promised = record.count;
      commits.emplace_back();
    }
    operations += batch.counts() ? 1 : 0;
    if (commits.empty()) continue;
    commits.back().commit.last_sequence = record.first_sequence + operations - 1;
    commits.back().end = batch.at();
  }
  if (operations != promised || operations != record.count) return damaged();
  return commits;
}

// The record as RocksDB writes it from `at` of a log on, where a fragment may begin.
std::string Fragments(uint64_t at, std::string_view record) {
  std::string out;
  bool first = true;
  while (first || !record.empty()) {
    const uint64_t left = kLogBlockBytes - (at + out.size()) % kLogBlockBytes;
    if (left < kFragmentHeaderBytes) {
      out.append(left, '\0');
      continue;
    }
    const size_t length = std::min<uint64_t>(record.size(), left - kFragmentHeaderBytes);
    const bool last = length == record.size();
    FragmentType type = first ? FragmentType::kFirst : FragmentType::kMiddle;
    if (last) type = first ? FragmentType::kWhole : FragmentType::kLast;
    const char tag = static_cast<char>(type);
    const uint32_t crc = ExtendCrc32c(Crc32c({&tag, 1}), record.substr(0, length));
    // RocksDB keeps checksums masked, so that one of bytes with checksums in them is a good one.
    AppendInteger(((crc >> 15) | (crc << 17)) + 0xa282ead8U, 4, &out);
    AppendInteger(length, 2, &out);
    out.push_back(tag);
    out.append(record.substr(0, length));
    record.remove_prefix(length);
    first = false;
  }
  return out;
}

// The record with its commits up to `last_sequence`.
absl::StatusOr<std::string> CutRecord(std::string_view what, const RawLogRecord& record,
                                      uint64_t last_sequence) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<CommitInRecord> commits, CommitsOf(what, record));
  const auto it = std::find_if(commits.begin(), commits.end(), [&](const CommitInRecord& commit) {
    return commit.commit.last_sequence >= last_sequence;
  });
  if (it->commit.last_sequence != last_sequence) {
    const uint64_t before =
        it == commits.begin() ? record.first_sequence - 1 : std::prev(it)->commit.last_sequence;
    return absl::InvalidArgumentError(
        absl::StrCat("sequence ", last_sequence, " is inside a commit; the ones around it end at ",
                     before, " and ", it->commit.last_sequence));
  }
  std::string batch;
  AppendInteger(record.first_sequence, 8, &batch);
  AppendInteger(last_sequence - record.first_sequence + 1, 4, &batch);
  batch.append(record.bytes.substr(kBatchHeaderBytes, it->end - kBatchHeaderBytes));
  return batch;
}

}  // namespace

absl::Status ReadLoggedCommits(std::string_view what, uint64_t begin, std::string_view bytes,
                               std::vector<LoggedCommit>* commits) {
  return ForEachLogRecord(
      what, begin, bytes, bytes.size(), [&](const RawLogRecord& record) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const std::vector<CommitInRecord> in, CommitsOf(what, record));
        for (const CommitInRecord& commit : in) commits->push_back(commit.commit);
        return absl::OkStatus();
      });
}

absl::StatusOr<std::string> CutLog(std::string_view what, uint64_t begin, std::string_view bytes,
                                   uint64_t last_sequence) {
  std::optional<std::string> cut;
  MOORING_RETURN_IF_ERROR(ForEachLogRecord(
      what, begin, bytes, bytes.size(), [&](const RawLogRecord& record) -> absl::Status {
        const uint64_t last = record.first_sequence + record.count - 1;
        if (cut || last_sequence < record.first_sequence || last_sequence > last) {
          return absl::OkStatus();
        }
        MOORING_ASSIGN_OR_RETURN(const std::string batch, CutRecord(what, record, last_sequence));
        cut = std::string(bytes.substr(0, record.begin - begin)) + Fragments(record.begin, batch);
        return absl::OkStatus();
      }));
  if (cut) return *std::move(cut);
  return absl::OutOfRangeError(absl::StrCat(ToAbsl(what), ": no record from byte ", begin,
                                            " of the log on holds sequence ", last_sequence));
}

}  // namespace mooring::engine
