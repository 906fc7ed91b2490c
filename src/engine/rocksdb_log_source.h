#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/db.h"
#include "rocksdb/file_system.h"
#include "src/engine/log_records.h"
#include "src/engine/log_source.h"
#include "src/wal/log_file_system.h"
#include "src/wal/log_tail.h"

namespace mooring::engine {

// What an archive reads of the RocksDB engine: an index of the logs that were made since the
// opening, each with the sequence at which it began, and the position up to which they are on the
// disk.
class RocksDbLogSource : public LogSource, public wal::LogObserver {
 public:
  // Logs are kept until they hold `keep_bytes`; at 0 there is nothing to read, and states can be
  // captured all the same. `durable` may be empty.
  RocksDbLogSource(std::shared_ptr<rocksdb::FileSystem> files, std::string directory,
                   uint64_t keep_bytes, std::function<void()> durable);

  // Flushes all tables.
  using FlushFunction = std::function<rocksdb::Status(const rocksdb::FlushOptions&)>;
  // The database is open, and all that it replayed is in files. Both outlive the reading.
  void Begin(rocksdb::DB* db, wal::LogFileSystem* logs, FlushFunction flush);

  // What the engine does, as it does it.
  void OnFailed() { failed_ = true; }
  void OnWritten(int64_t time_us) { last_time_us_.store(time_us, std::memory_order_relaxed); }
  void OnDurable(uint64_t sequence);
  void OnTablesChanged();
  // Returns when all that was written is in files. While no commit is under way.
  absl::Status FlushAll();

  uint64_t DurableSequence() const override { return durable_.load(std::memory_order_acquire); }
  int64_t UnreleasedBytes() const override;
  uint64_t TableChanges() const override;
  absl::StatusOr<std::vector<LogPiece>> ReadLog(uint64_t after, uint64_t table_changes,
                                                size_t max_bytes) override;
  void Release(uint64_t sequence) override;
  absl::StatusOr<CapturedState> Capture(const std::string& directory,
                                        const Exclusively& exclusively) override;

  void OnLogCreated(const wal::Position& position, const wal::Position& predecessor,
                    const std::string& path) override;
  void OnSynced(const wal::Position& position) override;
  bool HoldDeleted(const wal::Position& end, const std::string& held_path) override;

 private:
  struct Log {
    uint64_t number = 0;
    uint64_t generation = 0;
    uint64_t base = 0;         // The sequence after which it began,
    int64_t base_time_us = 0;  // and its commit time.
    uint64_t length = 0;       // Of one that is complete: all but the newest.
    bool deleted = false;      // RocksDB needs it no more.
    std::string held_path;     // Where it is kept since then.
    std::shared_ptr<wal::LogTail> tail;
  };
  // What ReadLog() goes through, as it was at one moment.
  struct View {
    std::deque<Log> logs;
    wal::Position synced;
    uint64_t last = 0;  // No record beyond this sequence is given (E2).
  };

  absl::StatusOr<View> Look(uint64_t after, uint64_t table_changes) const;
  struct Range {
    uint64_t limit = 0;  // In the log's bytes.
    uint64_t after = 0;  // Sequences.
    uint64_t last = 0;
    size_t max_bytes = 0;
  };
  absl::StatusOr<bool> ReadFrom(const Log& log, const Range& range, LogPiece* piece);
  static absl::Status Take(const std::string& name, const LogRecord& record, uint64_t begin,
                           uint64_t after, LogPiece* piece);
  void RaiseDurable(uint64_t sequence);
  void Prune() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t EndOf(size_t index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Status Flush(const Exclusively& exclusively);
  bool FlushesAreQuiet() const;
  bool FlushHasBegun() const;
  absl::StatusOr<CapturedState> CaptureOnce(const std::string& directory,
                                            const Exclusively& exclusively);
  absl::StatusOr<CapturedState> CaptureFiles(const std::string& directory);
  absl::Status FindPlace(uint64_t min_log, CapturedState* state) const;

  const std::shared_ptr<rocksdb::FileSystem> files_;
  const std::string directory_;
  const uint64_t keep_bytes_;
  const std::function<void()> tell_durable_;
  std::atomic<uint64_t> durable_{0};
  std::atomic<int64_t> last_time_us_{0};
  std::atomic<rocksdb::DB*> db_{nullptr};
  std::atomic<bool> failed_{false};
  FlushFunction flush_;
  wal::LogFileSystem* log_files_ = nullptr;

  mutable absl::Mutex mutex_;
  std::deque<Log> logs_ ABSL_GUARDED_BY(mutex_);  // Ascending; the newest is never pruned.
  wal::Position synced_ ABSL_GUARDED_BY(mutex_);
  uint64_t held_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t released_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t released_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the log in which `released_` is.
  std::vector<uint64_t> table_changes_ ABSL_GUARDED_BY(mutex_);  // The sequences they came after.

  // The reader's: where the last piece ended.
  uint64_t read_log_ = 0;
  uint64_t read_end_ = 0;
  uint64_t read_sequence_ = 0;
  std::string unread_;  // What its log's tail has read beyond that.
};

}  // namespace mooring::engine
