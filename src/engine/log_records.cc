#include "src/engine/log_records.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/engine/commit_marker.h"

namespace mooring::engine {
namespace {

constexpr uint64_t kBlockBytes = 32 << 10;
constexpr uint64_t kFragmentHeaderBytes = 7;
constexpr size_t kBatchHeaderBytes = 12;
// The tag of what rides in the log only, and the length of the marker as a varint.
constexpr char kMarkerHead[] = {0x3, static_cast<char>(kCommitMarkerBytes)};
constexpr size_t kHeadBytes = kBatchHeaderBytes + sizeof(kMarkerHead) + kCommitMarkerBytes;

enum class FragmentType : uint8_t { kWhole = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

uint64_t Integer(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

class Reader {
 public:
  Reader(std::string_view what, uint64_t begin, std::string_view bytes,
         std::vector<LogRecord>* records)
      : what_(what), begin_(begin), bytes_(bytes), records_(records) {}

  absl::Status Run() {
    while (true) {
      const uint64_t left = kBlockBytes - (begin_ + at_) % kBlockBytes;
      if (left < kFragmentHeaderBytes) at_ += left;
      if (at_ + kFragmentHeaderBytes > bytes_.size()) return absl::OkStatus();
      const uint64_t length = Integer(bytes_.substr(at_ + 4, 2));
      const auto type = static_cast<FragmentType>(bytes_[at_ + 6]);
      if (at_ + kFragmentHeaderBytes + length > bytes_.size()) return absl::OkStatus();
      MOORING_RETURN_IF_ERROR(Take(type, bytes_.substr(at_ + kFragmentHeaderBytes, length)));
    }
  }

 private:
  absl::Status Take(FragmentType type, std::string_view fragment) {
    const bool begins = type == FragmentType::kWhole || type == FragmentType::kFirst;
    const bool known = begins || type == FragmentType::kMiddle || type == FragmentType::kLast;
    if (!known || begins == inside_) return Damaged("no fragment of a record");
    if (begins) head_.clear();
    head_.append(fragment.substr(0, kHeadBytes - std::min(kHeadBytes, head_.size())));
    at_ += kFragmentHeaderBytes + fragment.size();
    inside_ = type == FragmentType::kFirst || type == FragmentType::kMiddle;
    return inside_ ? absl::OkStatus() : Finish();
  }

  absl::Status Finish() {
    if (head_.size() < kBatchHeaderBytes) return Damaged("a record without a batch");
    const std::string_view head = head_;
    LogRecord record;
    record.end = begin_ + at_;
    record.first_sequence = Integer(head.substr(0, 8));
    const uint64_t count = Integer(head.substr(8, 4));
    if (count == 0) return absl::OkStatus();  // Takes no sequence; the next record covers it.
    record.last_sequence = record.first_sequence + count - 1;
    CommitMarker marker;
    const std::string_view rest = head.substr(kBatchHeaderBytes);
    if (rest.size() >= sizeof(kMarkerHead) + kCommitMarkerBytes && rest[0] == kMarkerHead[0] &&
        rest[1] == kMarkerHead[1] &&
        DecodeCommitMarker(rest.substr(sizeof(kMarkerHead), kCommitMarkerBytes), &marker)) {
      record.time_us = marker.time_us;
    }
    records_->push_back(record);
    return absl::OkStatus();
  }

  absl::Status Damaged(std::string_view why) const {
    return absl::DataLossError(absl::StrCat(ToAbsl(what_), ": at byte ", begin_ + at_,
                                            " of the log stands ", ToAbsl(why)));
  }

  const std::string_view what_;
  const uint64_t begin_;
  const std::string_view bytes_;
  std::vector<LogRecord>* const records_;
  uint64_t at_ = 0;
  bool inside_ = false;
  std::string head_;  // The first bytes of the record under way.
};

}  // namespace

absl::Status ReadLogRecords(std::string_view what, uint64_t begin, std::string_view bytes,
                            std::vector<LogRecord>* records) {
  return Reader(what, begin, bytes, records).Run();
}

}  // namespace mooring::engine
