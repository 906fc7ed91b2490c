#include "src/engine/rocksdb_options.h"

#include <stdarg.h>
#include <stdio.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "rocksdb/cache.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"
#include "rocksdb/write_buffer_manager.h"
#include "src/engine/memory_plan.h"
#include "src/engine/no_options_file.h"
#include "src/engine/table_format.h"

namespace mooring::engine {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

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
    if (WarnsOfOptionsFile(text)) return;
    log_(level == rocksdb::InfoLogLevel::WARN_LEVEL ? LogSeverity::kWarning : LogSeverity::kError,
         text);
  }
  void Logv(const char*, va_list) override {}

 private:
  const LogCallback log_;
};

// The plan for the memory that the options name; it has its other figures from there.
MemoryPlan PlanOf(const EngineOptions& options) {
  const int64_t counted = options.cache_bytes + options.write_buffer_bytes;
  return PlanMemory(counted + counted / 7, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

// A quarter of the container: the store is a part of a service that needs memory of its own;
// glibc's allocator was seen to hold twice what the cache counts; and the page cache, which is
// charged to the container as well, serves the volume's writes from the rest. More than 4 GiB is
// for those who ask. Without a limit, what a service of any size can spare.
int64_t DefaultMemoryBudget(int64_t container_limit) {
  if (container_limit <= 0) return 512 * kMiB;
  return std::clamp(container_limit / 4, 32 * kMiB, 4096 * kMiB);
}

MemoryPlan PlanMemory(int64_t budget_bytes, int processors) {
  MemoryPlan plan;
  // The allocator's losses, an eighth and more where blocks come and go; and the queue's copies and
  // groups, buffers of the log, of flushes and of compactions, about 16 MiB whatever the budget.
  plan.beside_bytes = budget_bytes / 8 + std::min(budget_bytes / 4, 16 * kMiB);
  // Past 256 MiB the log's bound (max_wal_bytes) makes flushes first.
  plan.write_buffer_bytes = std::clamp(budget_bytes / 8, kMiB, 256 * kMiB);
  plan.cache_bytes = budget_bytes - plan.beside_bytes - plan.write_buffer_bytes;
  // An open file takes some 10 KiB besides its index and filter: 4 % of the budget at most, and at
  // 64 MiB each the files of 128 GiB for 512 MiB. A bound also makes an opening read no more than
  // 16 of them, however many there are.
  plan.max_open_files =
      static_cast<int>(std::clamp(budget_bytes / (kMiB / 4), int64_t{64}, int64_t{100000}));
  // Compactions use what commits leave of the processors, and one waits for the volume while
  // another computes; each holds some MiB while it builds a file.
  plan.background_jobs = static_cast<int>(std::clamp(
      std::min<int64_t>(processors + 2, budget_bytes / (16 * kMiB)), int64_t{2}, int64_t{8}));
  return plan;
}

std::shared_ptr<rocksdb::Cache> MakeCache(const EngineOptions& options) {
  // One bound for all: recent writes take their part of the cache's capacity as they grow, and
  // blocks may have what they leave.
  const int64_t capacity = options.cache_bytes + options.write_buffer_bytes;
  rocksdb::LRUCacheOptions cache;
  cache.capacity = static_cast<size_t>(capacity);
  // A strict cache makes reads fail while it is full of what is in use. This one exceeds its
  // capacity by that instead: blocks under iterators and values that the caller holds.
  cache.strict_capacity_limit = false;
  // Indexes and filters, each of which serves many reads, are evicted after data blocks.
  cache.high_pri_pool_ratio = 0.5;
  // More shards, less contention; but a filter of a whole file must fit well into one.
  cache.num_shard_bits = 0;
  while (cache.num_shard_bits < 6 && (capacity >> (cache.num_shard_bits + 1)) >= 4 * kMiB) {
    ++cache.num_shard_bits;
  }
  return rocksdb::NewLRUCache(cache);
}

rocksdb::DBOptions MakeDbOptions(const EngineOptions& options, rocksdb::Env* env,
                                 std::shared_ptr<rocksdb::EventListener> listener,
                                 const std::shared_ptr<rocksdb::Cache>& cache) {
  const MemoryPlan plan = PlanOf(options);
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
  // Of all tables together, charged to the cache: where a flush is slow and they grow beyond their
  // part, blocks go. Nothing stalls for it, so that no commit waits for a volume that is full.
  db.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(
      static_cast<size_t>(options.write_buffer_bytes), cache, /*allow_stall=*/false);
  db.max_open_files = plan.max_open_files;
  // An opening starts so many threads for each table, to open at most 16 files.
  db.max_file_opening_threads = 4;
  // In this mode damage that RocksDB meets makes open fail with the log intact, never open short.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.recycle_log_file_num = 0;
  // There is none (no_options_file.h).
  db.fail_if_options_file_error = false;
  // After a MANIFEST roll that failed the old one may be deleted: rolls are made rare.
  db.max_manifest_file_size = uint64_t{1} << 30;
  // Automatic recovery is vetoed (error_listener.h): a write error ends the incarnation.
  db.max_bgerror_resume_count = 0;
  db.max_background_jobs = plan.background_jobs;
  // Written pages go to the device as they come: the sync at a file's end is short, commits beside
  // it are steady, and few dirty pages are charged to the container.
  db.bytes_per_sync = 1 << 20;
  // Nobody reads them, and they take a thread and memory.
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  // One writer at a time reaches RocksDB: the commit queue merges in front of it.
  db.enable_write_thread_adaptive_yield = false;
  db.allow_concurrent_memtable_write = false;
  return db;
}

rocksdb::ColumnFamilyOptions MakeTableOptions(const EngineOptions& options,
                                              const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions table;
  table.table_factory = NewTableFormat(cache, static_cast<size_t>(options.cache_bytes / 2));
  table.write_buffer_size = static_cast<size_t>(options.write_buffer_bytes);
  // Every table that is written has at least one of these: small ones let many tables share little.
  table.arena_block_size =
      static_cast<size_t>(std::clamp(options.write_buffer_bytes / 64, int64_t{8} << 10, kMiB));
  // Levels keep reads and space steady: a tenth of the data at most is there twice, and dynamic
  // sizes hold that for small stores too. The first level is as large as the flushes that are
  // merged into it at once, so that neither is rewritten for the other's sake.
  table.compaction_style = rocksdb::kCompactionStyleLevel;
  table.level_compaction_dynamic_level_bytes = true;
  table.max_bytes_for_level_base =
      static_cast<uint64_t>(std::clamp(4 * options.write_buffer_bytes, 64 * kMiB, 1024 * kMiB));
  // Costs a fraction of what a read of the volume does, and gives up on what does not shrink.
  table.compression = rocksdb::kLZ4Compression;
  return table;
}

}  // namespace mooring::engine
