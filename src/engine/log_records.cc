#include "src/engine/log_records.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/engine/commit_marker.h"

namespace mooring::engine {
namespace {

// The tag of what rides in the log only, and the length of the marker as a varint.
constexpr char kMarkerHead[] = {0x3, static_cast<char>(kCommitMarkerBytes)};
constexpr size_t kHeadBytes = kBatchHeaderBytes + sizeof(kMarkerHead) + kCommitMarkerBytes;

uint64_t Integer(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

class Reader {
 public:
  Reader(std::string_view what, uint64_t begin, std::string_view bytes, size_t most,
         const std::function<absl::Status(const RawLogRecord&)>& take)
      : what_(what), begin_(begin), bytes_(bytes), most_(most), take_(take) {}

  absl::Status Run() {
    while (true) {
      const uint64_t left = kLogBlockBytes - (begin_ + at_) % kLogBlockBytes;
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
    if (begins) {
      record_.begin = begin_ + at_;
      head_.clear();
    }
    head_.append(fragment.substr(0, most_ - std::min(most_, head_.size())));
    at_ += kFragmentHeaderBytes + fragment.size();
    inside_ = type == FragmentType::kFirst || type == FragmentType::kMiddle;
    return inside_ ? absl::OkStatus() : Finish();
  }

  absl::Status Finish() {
    if (head_.size() < kBatchHeaderBytes) return Damaged("a record without a batch");
    record_.end = begin_ + at_;
    record_.bytes = head_;
    record_.first_sequence = Integer(record_.bytes.substr(0, 8));
    record_.count = Integer(record_.bytes.substr(8, 4));
    if (record_.count == 0) return absl::OkStatus();  // Takes no sequence; the next covers it.
    return take_(record_);
  }

  absl::Status Damaged(std::string_view why) const {
    return absl::DataLossError(absl::StrCat(ToAbsl(what_), ": at byte ", begin_ + at_,
                                            " of the log stands ", ToAbsl(why)));
  }

  const std::string_view what_;
  const uint64_t begin_;
  const std::string_view bytes_;
  const size_t most_;
  const std::function<absl::Status(const RawLogRecord&)>& take_;
  uint64_t at_ = 0;
  bool inside_ = false;
  RawLogRecord record_;  // Under way,
  std::string head_;     // with its first bytes.
};

}  // namespace

absl::Status ForEachLogRecord(std::string_view what, uint64_t begin, std::string_view bytes,
                              size_t most,
                              const std::function<absl::Status(const RawLogRecord&)>& take) {
  return Reader(what, begin, bytes, std::max(most, kBatchHeaderBytes), take).Run();
}

absl::Status ReadLogRecords(std::string_view what, uint64_t begin, std::string_view bytes,
                            std::vector<LogRecord>* records) {
  return ForEachLogRecord(what, begin, bytes, kHeadBytes, [&](const RawLogRecord& raw) {
    LogRecord record;
    record.end = raw.end;
    record.first_sequence = raw.first_sequence;
    record.last_sequence = raw.first_sequence + raw.count - 1;
    CommitMarker marker;
    const std::string_view rest = raw.bytes.substr(kBatchHeaderBytes);
    if (rest.size() >= sizeof(kMarkerHead) + kCommitMarkerBytes && rest[0] == kMarkerHead[0] &&
        rest[1] == kMarkerHead[1] &&
        DecodeCommitMarker(rest.substr(sizeof(kMarkerHead), kCommitMarkerBytes), &marker)) {
      record.time_us = marker.time_us;
    }
    records->push_back(record);
    return absl::OkStatus();
  });
}

}  // namespace mooring::engine
