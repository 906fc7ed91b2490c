#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/write_batch.h"
#include "src/engine/engine.h"
#include "src/engine/rocksdb_log_source.h"
#include "src/wal/log_file_system.h"

namespace mooring::engine {

class RocksDbTable;
class HandleRegistry;

// The engine on RocksDB: a table is a column family, a group one WriteBatch.
class RocksDbEngine : public Engine {
 public:
  // `base` replaces the operating system's file system below the log; null for that one.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(
      const EngineOptions& options, std::shared_ptr<rocksdb::FileSystem> base = nullptr);
  ~RocksDbEngine() override;

  absl::StatusOr<TablePtr> CreateTable(std::string_view name) override;
  absl::Status DropTable(EngineTable& table) override;
  std::vector<TablePtr> Tables() const override;

  void BeginGroup() override;
  absl::Status AddToGroup(const Commit& commit) override;
  absl::StatusOr<uint64_t> WriteGroup(bool sync) override;
  absl::Status Sync() override;

  absl::Status Get(const EngineTable& table, std::string_view key, const EngineSnapshot* snapshot,
                   Value* value) const override;
  std::vector<absl::StatusOr<Value>> MultiGet(const EngineTable& table,
                                              const std::vector<std::string_view>& keys,
                                              const EngineSnapshot* snapshot) const override;
  std::unique_ptr<Cursor> NewCursor(const EngineTable& table, CursorOptions options) const override;
  std::unique_ptr<EngineSnapshot> TakeSnapshot() const override;
  uint64_t LastSequence() const override;
  MemoryUse memory_use() const override;
  LogSource* log_source() override { return log_source_.get(); }
  FileKeeper* file_keeper() override { return file_keeper_.get(); }
  absl::Status Close() override;

 private:
  RocksDbEngine(const EngineOptions& options, std::shared_ptr<wal::LogFileSystem> file_system);
  absl::Status OpenDatabase();
  void BeginLogSource();
  void WritesFailed();
  absl::Status AfterTableWork(const rocksdb::Status& status, std::string_view what);
  void Fail(const absl::Status& reason);
  std::shared_ptr<RocksDbTable> Adopt(std::string_view name,
                                      std::unique_ptr<rocksdb::ColumnFamilyHandle> handle);

  const EngineOptions options_;
  const std::shared_ptr<wal::LogFileSystem> file_system_;
  const std::unique_ptr<rocksdb::Env> env_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const rocksdb::ColumnFamilyOptions table_options_;
  const std::shared_ptr<HandleRegistry> handles_;
  std::unique_ptr<RocksDbLogSource> log_source_;
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<FileKeeper> file_keeper_;

  mutable absl::Mutex tables_mutex_;
  std::map<std::string, std::shared_ptr<RocksDbTable>> tables_ ABSL_GUARDED_BY(tables_mutex_);

  // A write or background work has failed: RocksDB must not be asked to sync any more.
  std::atomic<bool> failed_{false};
  std::atomic<bool> told_{false};

  // The group under way; of the one thread that makes it.
  rocksdb::WriteBatch group_;
  int64_t group_time_us_ = 0;
  absl::flat_hash_map<uint32_t, std::shared_ptr<RocksDbTable>> writable_;
};

}  // namespace mooring::engine
