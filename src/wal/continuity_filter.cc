#include "src/wal/continuity_filter.h"

#include <rocksdb/write_batch.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace mooring::wal {
namespace {

// A batch begins with its sequence number, little-endian, in eight bytes.
uint64_t SequenceOf(const rocksdb::WriteBatch& batch) {
  const std::string& data = batch.Data();
  uint64_t sequence = 0;
  for (size_t i = 8; i-- > 0;) sequence = sequence << 8 | static_cast<uint8_t>(data[i]);
  return sequence;
}

}  // namespace

void ContinuityFilter::ColumnFamilyLogNumberMap(const std::map<uint32_t, uint64_t>&,
                                                const std::map<std::string, uint32_t>&) {
  absl::MutexLock lock(&mutex_);
  expected_.reset();
  gap_ = absl::OkStatus();
}

rocksdb::WalFilter::WalProcessingOption ContinuityFilter::LogRecordFound(
    unsigned long long, const std::string& log_name, const rocksdb::WriteBatch& batch,
    rocksdb::WriteBatch*, bool*) {
  absl::MutexLock lock(&mutex_);
  const uint64_t sequence = SequenceOf(batch);
  if (enabled_ && expected_.has_value() && *expected_ != sequence) {
    gap_ = absl::DataLossError(absl::StrCat(
        log_name, ": a record begins at sequence number ", sequence, ", and ", *expected_,
        " was due: records before it are gone. Restore from the archive "
        "or a backup; the logs were not changed"));
    return WalProcessingOption::kCorruptedRecord;
  }
  expected_ = sequence + static_cast<uint64_t>(batch.Count());
  return WalProcessingOption::kContinueProcessing;
}

absl::Status ContinuityFilter::status() const {
  absl::MutexLock lock(&mutex_);
  return gap_;
}

}  // namespace mooring::wal
