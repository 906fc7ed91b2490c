#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "src/wal/format.h"
#include "src/wal/inventory_file.h"
#include "src/wal/options.h"
#include "src/wal/spare_pool.h"

namespace mooring::wal {

// One log in its present use.
struct Log {
  uint64_t number = 0;
  uint64_t generation = 0;
  uint64_t capacity = 0;
  uint64_t incarnation = 0;

  std::atomic<uint64_t> length{0};  // logical; handed to the kernel
  std::atomic<uint64_t> synced{0};  // logical; on the disk

  // The rest is LogSet's, under its mutex.
  bool listed = false;               // in the inventory, or was
  bool unused = false;               // closed without a frame: it need not exist
  bool open = false;                 // has a writer
  bool complete = false;             // closed, and all of it synced
  uint64_t published = 0;            // so much may be claimed
  uint64_t reach = 0;                // as its entry in the inventory says
  std::shared_ptr<Log> predecessor;  // while it may have unsynced bytes
  std::string dropped_as;            // deleted while open: the file's name since then
};

// The logs of a directory, how far they are on the disk, and the poison. Thread-safe.
class LogSet {
 public:
  LogSet(const LogOptions& options, const Inventory& inventory, std::unique_ptr<InventoryFile> file,
         std::shared_ptr<SparePool> pool);
  ~LogSet();

  uint64_t incarnation() const { return incarnation_; }
  const TestSwitches& test() const { return test_; }
  SparePool* pool() const { return pool_.get(); }

  // W7. Keeps the first failure, and returns the error for RocksDB.
  rocksdb::IOStatus Poison(const absl::Status& failure);
  bool poisoned() const { return poisoned_.load(std::memory_order_acquire); }
  absl::Status status() const;
  // The error for a call after the failure.
  rocksdb::IOStatus PoisonedError() const;

  void SetObserver(LogObserver* observer);
  LogObserver* observer() const { return observer_.load(std::memory_order_acquire); }

  // W3. The place up to which everything is on the disk.
  Position durable() const;

  // W3. `length` bytes of `log` are on the disk.
  void Publish(Log* log, uint64_t length);

  // A log found at the opening.
  void AddRecovered(std::shared_ptr<Log> log);
  // W3(a). A log whose header and name are durable; listed durably when OK is returned.
  absl::Status AddNew(std::shared_ptr<Log> log);
  // W9. Lets frames of `log` end at `end`, a physical offset, and some way beyond; how far,
  // durably, is returned.
  absl::StatusOr<uint64_t> Extend(Log* log, uint64_t end);
  // W3(b). Forgets a log, durably when OK is returned. Null where there is none of that number.
  absl::StatusOr<std::shared_ptr<Log>> Remove(uint64_t number);
  // W3(c). Its writer is done. A file that was deleted meanwhile goes to the pool.
  absl::Status Close(const std::shared_ptr<Log>& log);
  // The log's file was renamed for the pool; true where its writer still has it.
  bool DropWhileOpen(const std::string& path, Log* log);
  // An observer holds the log's file under this path; the log is found by it until it is released.
  void Hold(const std::string& path, std::shared_ptr<Log> log);
  std::shared_ptr<Log> Release(const std::string& path);

  std::shared_ptr<Log> Find(uint64_t number) const;
  // The newest log of this incarnation, or null.
  std::shared_ptr<Log> newest() const;

  // Writes the inventory as things stand now.
  absl::Status WriteInventory();
  // True where the inventory knows of all that is durable.
  bool witnessed() const;

 private:
  Inventory Snapshot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WitnessWhenIdle();

  const TestSwitches test_;
  const absl::Duration witness_delay_;
  const StoreId store_id_;
  const uint64_t incarnation_;
  const std::shared_ptr<SparePool> pool_;

  std::atomic<bool> poisoned_{false};
  std::atomic<LogObserver*> observer_{nullptr};

  absl::Mutex inventory_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  const std::unique_ptr<InventoryFile> inventory_file_ ABSL_PT_GUARDED_BY(inventory_mutex_);

  mutable absl::Mutex mutex_;
  absl::CondVar wake_ ABSL_GUARDED_BY(mutex_);
  absl::Status poison_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Log>> logs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Log>> held_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Log> newest_ ABSL_GUARDED_BY(mutex_);
  Position durable_ ABSL_GUARDED_BY(mutex_);
  Position witnessed_ ABSL_GUARDED_BY(mutex_);
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread witness_thread_;
};

}  // namespace mooring::wal
