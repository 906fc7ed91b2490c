#pragma once

#include <rocksdb/file_system.h>
#include <rocksdb/wal_filter.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "src/wal/continuity_filter.h"
#include "src/wal/log_set.h"
#include "src/wal/options.h"
#include "src/wal/recovery.h"

namespace mooring::wal {

// The file system that RocksDB is opened on. The files NNNNNN.log of one directory are stored as
// preallocated, recycled files of checked frames (FORMAT.md); everything else goes straight to the
// file system below.
//
// Open() proves the logs before RocksDB reads them: what RocksDB then sees is exactly what was
// written, from the beginning and without a hole, and at least up to the last synced byte that
// anything bears witness of.
//
// RocksDB must be opened with wal_filter() and with: kTolerateCorruptedTailRecords, atomic_flush,
// avoid_flush_during_recovery off, recycle_log_file_num 0, no separate wal_dir, no WAL compression,
// TTL or size limit, no manual_wal_flush.
//
// Thread-safe. Outlives the database.
class LogFileSystem : public rocksdb::FileSystemWrapper {
 public:
  static constexpr char kHeldPrefix[] = "MOORING-HELD-";

  struct Recovery {
    int64_t logs = 0;
    int64_t logical_bytes = 0;      // that RocksDB may replay
    int64_t tail_logs_cut = 0;      // W4
    int64_t torn_logs = 0;          // with frames past the end of what is valid
    int64_t unwitnessed_bytes = 0;  // kept, beyond what is proven to have been synced
    int64_t bytes_read = 0;
    std::vector<std::string> held;  // files that an observer held when the process ended
  };

  // Scans and proves every log.
  //
  // INVALID_ARGUMENT      an option is out of its limits.
  // FAILED_PRECONDITION   the logs are another store's or of a newer format.
  // DATA_LOSS             synced bytes are gone; the message names file, offset and range. Nothing
  //                       was changed.
  // UNAVAILABLE, RESOURCE_EXHAUSTED   the volume failed or is full.
  static absl::StatusOr<std::shared_ptr<LogFileSystem>> Open(const LogOptions& options);

  // To be called when the database is open: the replay is over, and spare log files are made from
  // now on. Before, the opening would compete with them for the disk.
  void DatabaseOpened();

  // For DBOptions::wal_filter (W5). Lives as long as this.
  rocksdb::WalFilter* wal_filter() { return &filter_; }
  // DATA_LOSS where the last replay found a gap: better than what RocksDB says then.
  absl::Status replay_status() const { return filter_.status(); }

  // W7: OK, or the first failure. After it every write is refused until the store is reopened.
  absl::Status status() const { return logs_->status(); }

  const Recovery& recovery() const { return recovery_; }

  // Everything up to here is on the disk. Zero until this incarnation synced something.
  Position durable() const { return logs_->durable(); }
  // True where the inventory on the disk bears witness of durable().
  bool witnessed() const { return logs_->witnessed(); }

  // Set while no database is open; null takes it away.
  void SetObserver(LogObserver* observer) { logs_->SetObserver(observer); }
  // Lets a held file go: it becomes a spare or is deleted.
  absl::Status ReleaseHeld(const std::string& held_path);

  const char* Name() const override { return "MooringLogFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetChildren(const std::string& directory, const rocksdb::IOOptions& options,
                                std::vector<std::string>* result,
                                rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetChildrenFileAttributes(const std::string& directory,
                                              const rocksdb::IOOptions& options,
                                              std::vector<rocksdb::FileAttributes>* result,
                                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const rocksdb::IOOptions& options,
                                uint64_t* size, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& path, size_t size,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;

 private:
  LogFileSystem(std::shared_ptr<rocksdb::FileSystem> base, const LogOptions& options,
                const StoreId& store_id);

  absl::Status Start(RecoveredLogs recovered);
  absl::Status DropEmpty(const std::vector<RecoveredLog>& logs, const Inventory& inventory);
  void TakeOver(RecoveredLog recovered, const Inventory& inventory);
  void NoteRecovered(const RecoveredLog& recovered);

  // The log's number, or 0 where `path` is no log of the directory.
  uint64_t LogNumber(const std::string& path) const;
  absl::StatusOr<std::unique_ptr<rocksdb::FSWritableFile>> CreateLog(uint64_t number,
                                                                     const std::string& path);
  LogHeader HeaderFor(uint64_t number, uint64_t capacity) const;
  absl::Status SyncNames();
  absl::StatusOr<std::shared_ptr<const std::string>> ContentOf(const Log& log,
                                                               const std::string& path);
  absl::Status RetireFile(const std::shared_ptr<Log>& log, const std::string& path);
  absl::Status RecycleOrDelete(Log* log, const std::string& path);
  void ReportReplay(size_t bytes);

  const LogOptions options_;
  const StoreId store_id_;
  ContinuityFilter filter_;
  Recovery recovery_;
  std::unique_ptr<rocksdb::FSDirectory> directory_;
  std::shared_ptr<LogSet> logs_;
  std::atomic<bool> replaying_{true};
  std::atomic<uint64_t> replayed_bytes_{0};

  absl::Mutex mutex_;
  // Kept from the scan until RocksDB has replayed it.
  std::map<uint64_t, std::shared_ptr<const std::string>> contents_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::wal
