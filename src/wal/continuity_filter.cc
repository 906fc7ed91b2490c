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

// Whether a record writes to these tables only.
class KnownTables : public rocksdb::WriteBatch::Handler {
 public:
  using Slice = rocksdb::Slice;
  explicit KnownTables(const std::set<uint32_t>& tables) : tables_(tables) {}

  rocksdb::Status PutCF(uint32_t table, const Slice&, const Slice&) override { return See(table); }
  rocksdb::Status DeleteCF(uint32_t table, const Slice&) override { return See(table); }
  rocksdb::Status DeleteRangeCF(uint32_t table, const Slice&, const Slice&) override {
    return See(table);
  }
  void LogData(const Slice&) override {}
  bool Continue() override { return known_; }
  bool known() const { return known_; }

 private:
  rocksdb::Status See(uint32_t table) {
    known_ = known_ && tables_.count(table) != 0;
    return rocksdb::Status::OK();
  }

  const std::set<uint32_t>& tables_;
  bool known_ = true;
};

}  // namespace

void ContinuityFilter::ColumnFamilyLogNumberMap(const std::map<uint32_t, uint64_t>&,
                                                const std::map<std::string, uint32_t>& names) {
  absl::MutexLock lock(&mutex_);
  tables_.clear();
  for (const auto& [name, id] : names) tables_.insert(id);
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
  if (stop_at_unknown_tables_) {
    KnownTables known(tables_);
    if (!batch.Iterate(&known).ok() || !known.known()) return WalProcessingOption::kStopReplay;
  }
  expected_ = sequence + static_cast<uint64_t>(batch.Count());
  return WalProcessingOption::kContinueProcessing;
}

absl::Status ContinuityFilter::status() const {
  absl::MutexLock lock(&mutex_);
  return gap_;
}

}  // namespace mooring::wal
