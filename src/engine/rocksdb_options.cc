#include "src/engine/rocksdb_options.h"

#include <stdarg.h>
#include <stdio.h>

#include <string>
#include <utility>

#include "rocksdb/cache.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"

namespace mooring::engine {
namespace {

using LogCallback = std::function<void(LogSeverity, std::string_view)>;

// Hands RocksDB's warnings and errors to the log callback, and keeps it from writing a file of its
// own.
class CallbackLogger : public rocksdb::Logger {
 public:
  explicit CallbackLogger(LogCallback log)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), log_(std::move(log)) {}

  using rocksdb::Logger::Logv;
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (!log_ || level < rocksdb::InfoLogLevel::WARN_LEVEL ||
        level > rocksdb::InfoLogLevel::FATAL_LEVEL) {
      return;
    }
    char text[2048];
    vsnprintf(text, sizeof(text), format, arguments);
    log_(level == rocksdb::InfoLogLevel::WARN_LEVEL ? LogSeverity::kWarning : LogSeverity::kError,
         text);
  }
  void Logv(const char*, va_list) override {}

 private:
  const LogCallback log_;
};

}  // namespace

rocksdb::DBOptions MakeDbOptions(const EngineOptions& options, rocksdb::Env* env,
                                 std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::DBOptions db;
  db.env = env;
  db.create_if_missing = options.create;
  db.listeners.push_back(std::move(listener));
  db.info_log = std::make_shared<CallbackLogger>(options.log);
  db.paranoid_checks = true;
  db.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  // All tables are flushed together and closed logs are synced before a flush commits; with a flush
  // of one table alone a log becomes obsolete with its tail unsynced.
  db.atomic_flush = true;
  db.avoid_flush_during_recovery = false;
  db.max_total_wal_size = static_cast<uint64_t>(options.max_wal_bytes);
  db.db_write_buffer_size = static_cast<size_t>(options.write_buffer_bytes);
  // In this mode damage that RocksDB meets makes open fail with the log intact, never open short.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.recycle_log_file_num = 0;
  // After a MANIFEST roll that failed the old one may be deleted: rolls are made rare.
  db.max_manifest_file_size = uint64_t{1} << 30;
  // Automatic recovery is vetoed (error_listener.h): a write error ends the incarnation.
  db.max_bgerror_resume_count = 0;
  db.max_background_jobs = 4;
  db.bytes_per_sync = 1 << 20;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  // One writer at a time reaches RocksDB: the commit queue merges in front of it.
  db.enable_write_thread_adaptive_yield = false;
  db.allow_concurrent_memtable_write = false;
  return db;
}

rocksdb::ColumnFamilyOptions MakeTableOptions(const EngineOptions& options) {
  rocksdb::BlockBasedTableOptions blocks;
  blocks.block_cache = rocksdb::NewLRUCache(static_cast<size_t>(options.cache_bytes));
  blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  blocks.format_version = 5;
  rocksdb::ColumnFamilyOptions table;
  table.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
  table.write_buffer_size = static_cast<size_t>(options.write_buffer_bytes);
  table.level_compaction_dynamic_level_bytes = true;
  table.compression = rocksdb::kLZ4Compression;
  return table;
}

}  // namespace mooring::engine
