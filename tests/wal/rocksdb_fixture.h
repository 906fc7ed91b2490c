#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "src/base/posix_file.h"
#include "src/wal/inventory_file.h"
#include "src/wal/io.h"
#include "src/wal/log_file_system.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::wal {

inline constexpr char kTestStoreId[] = "00112233445566778899aabbccddeeff";

inline LogOptions TestLogOptions(const std::string& directory) {
  LogOptions options;
  options.directory = directory;
  options.store_id = kTestStoreId;
  options.file_bytes = 256 << 10;
  return options;
}

inline rocksdb::DBOptions TestDbOptions(LogFileSystem* fs, rocksdb::Env* env) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.atomic_flush = true;
  options.avoid_flush_during_recovery = false;
  options.recycle_log_file_num = 0;
  options.env = env;
  options.wal_filter = fs->wal_filter();
  return options;
}

// RocksDB on the log file system, as the engine opens it.
class LogDb {
 public:
  static absl::StatusOr<std::unique_ptr<LogDb>> Open(const LogOptions& options,
                                                     size_t write_buffer_size = 8 << 20) {
    std::unique_ptr<LogDb> db(new LogDb);
    absl::StatusOr<std::shared_ptr<LogFileSystem>> fs = LogFileSystem::Open(options);
    if (!fs.ok()) return fs.status();
    db->fs_ = *std::move(fs);
    db->env_ = rocksdb::NewCompositeEnv(db->fs_);
    rocksdb::ColumnFamilyOptions tables;
    tables.write_buffer_size = write_buffer_size;
    tables.max_write_buffer_number = 32;
    tables.disable_auto_compactions = true;
    const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
        {rocksdb::kDefaultColumnFamilyName, tables}, {"other", tables}};
    rocksdb::DB* raw = nullptr;
    const rocksdb::Status opened =
        rocksdb::DB::Open(TestDbOptions(db->fs_.get(), db->env_.get()), options.directory, families,
                          &db->families_, &raw);
    db->db_.reset(raw);
    if (opened.ok()) {
      db->fs_->DatabaseOpened();
      return db;
    }
    if (absl::Status gap = db->fs_->replay_status(); !gap.ok()) return gap;
    return absl::UnavailableError(opened.ToString());
  }

  ~LogDb() { Close(); }

  void Close() {
    if (db_ == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
    families_.clear();
    db_.reset();
  }

  rocksdb::Status Put(const std::string& key, const std::string& value, bool sync = true) {
    rocksdb::WriteBatch batch;
    batch.Put(families_[0], key, value).PermitUncheckedError();
    batch.Put(families_[1], key, value).PermitUncheckedError();
    rocksdb::WriteOptions options;
    options.sync = sync;
    return db_->Write(options, &batch);
  }

  rocksdb::Status Flush() { return db_->Flush(rocksdb::FlushOptions(), families_); }

  std::map<std::string, std::string> Contents(size_t family = 0) {
    std::map<std::string, std::string> contents;
    std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(rocksdb::ReadOptions(), families_[family]));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      contents[it->key().ToString()] = it->value().ToString();
    }
    return contents;
  }

  // Until the inventory bears witness of all that is synced.
  [[nodiscard]] bool AwaitWitness() {
    for (int i = 0; i < 60000 && !fs_->witnessed(); ++i) absl::SleepFor(absl::Milliseconds(1));
    return fs_->witnessed();
  }

  LogFileSystem* fs() { return fs_.get(); }
  rocksdb::DB* db() { return db_.get(); }

 private:
  LogDb() = default;

  std::shared_ptr<LogFileSystem> fs_;
  std::unique_ptr<rocksdb::Env> env_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::unique_ptr<rocksdb::DB> db_;
};

inline std::string NumberedKey(int i) {
  std::string key = std::to_string(i);
  return "key" + std::string(8 - key.size(), '0') + key;
}

// A value that tells its key and cannot be compressed away.
inline std::string NumberedValue(int i, size_t size = 100) {
  std::string value(size, '\0');
  uint64_t x = static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u + 1;
  for (char& c : value) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    c = static_cast<char>(x);
  }
  return value;
}

// Copies a store as a kill of the process leaves it. The inventory goes last, for files that it
// does not list may vanish meanwhile.
inline void CopyStore(const std::string& from, const std::string& to) {
  std::filesystem::create_directory(to);
  std::vector<std::string> names = ListDirectory(from).value();
  std::stable_partition(names.begin(), names.end(),
                        [](const std::string& name) { return name != InventoryFile::kName; });
  for (const std::string& name : names) {
    std::error_code vanished;
    std::filesystem::copy_file(from + "/" + name, to + "/" + name, vanished);
  }
}

inline std::vector<std::string> LogNamesIn(const std::string& directory) {
  std::vector<std::string> names = ListDirectory(directory).value();
  const auto is_other = [](const std::string& name) { return LogNumberOfName(name) == 0; };
  names.erase(std::remove_if(names.begin(), names.end(), is_other), names.end());
  return names;
}

}  // namespace mooring::wal
