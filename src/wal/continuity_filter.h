#pragma once

#include <rocksdb/wal_filter.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace mooring::wal {

// W5: each record that RocksDB replays begins at the sequence number where the one before it ended.
// A gap makes the open fail, with the logs as they were. A replay can also be told to end before
// the first record that writes to a table which RocksDB does not know and would pass over in
// silence.
class ContinuityFilter : public rocksdb::WalFilter {
 public:
  ContinuityFilter(bool enabled, bool stop_at_unknown_tables)
      : enabled_(enabled), stop_at_unknown_tables_(stop_at_unknown_tables) {}

  const char* Name() const override { return "MooringContinuityFilter"; }

  // RocksDB calls this once before a replay.
  void ColumnFamilyLogNumberMap(const std::map<uint32_t, uint64_t>& log_numbers,
                                const std::map<std::string, uint32_t>& names) override;
  WalProcessingOption LogRecordFound(unsigned long long log_number, const std::string& log_name,
                                     const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch* new_batch, bool* batch_changed) override;

  // DATA_LOSS naming the log and the sequence numbers, where the last replay found a gap.
  absl::Status status() const;

 private:
  const bool enabled_;
  const bool stop_at_unknown_tables_;
  mutable absl::Mutex mutex_;
  std::set<uint32_t> tables_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> expected_ ABSL_GUARDED_BY(mutex_);
  absl::Status gap_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::wal
