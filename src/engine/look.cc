#include "src/engine/look.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "src/base/status.h"
#include "src/engine/base_file_system.h"
#include "src/engine/frozen_file_system.h"
#include "src/engine/manifest_witness.h"
#include "src/engine/rocksdb_compat.h"
#include "src/engine/rocksdb_options.h"
#include "src/engine/rocksdb_status.h"
#include "src/wal/format.h"
#include "src/wal/inventory_file.h"
#include "src/wal/io.h"
#include "src/wal/recovery.h"

namespace mooring::engine {
namespace {

constexpr std::string_view kTablePrefix = "t.";
// How often the files are read anew while a living owner changes them.
constexpr int kAttempts = 8;

std::string_view FromSlice(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

struct LogsRead {
  FrozenFileSystem::Logs bytes;
  std::vector<LogFigures> figures;
};

absl::StatusOr<LogsRead> ReadClosedLogs(rocksdb::FileSystem* files, const LookOptions& options,
                                        bool keep) {
  wal::LogOptions log;
  log.directory = options.directory;
  log.store_id = options.store_id;
  log.only_look = true;
  log.progress = options.progress;
  MOORING_ASSIGN_OR_RETURN(wal::RecoveredLogs recovered, wal::RecoverLogs(files, log));
  LogsRead read;
  for (auto& [number, found] : recovered.logs) {
    if (!found.scan.header_valid) continue;
    read.figures.push_back(
        {found.scan.path, number, found.scan.file_bytes, found.length, found.obsolete});
    if (!keep || found.obsolete || found.length == 0) continue;
    std::string& bytes = read.bytes[number];
    bytes = std::move(found.scan.data);
    if (bytes.size() < found.length) {
      wal::ScanOptions scan;
      scan.check_store_id = false;
      scan.limit = found.length;
      MOORING_ASSIGN_OR_RETURN(wal::LogScan again,
                               wal::ScanLog(files, found.scan.path, number, scan));
      bytes = std::move(again.data);
    }
    bytes.resize(found.length);
  }
  return read;
}

// The logs of a living owner, read from the first to the last, each as far as it is written. One
// that goes meanwhile is in files by then, and the MANIFEST, which is read later, says so.
class LiveLogs {
 public:
  LiveLogs(rocksdb::FileSystem* files, const LookOptions& options)
      : files_(files), options_(options) {}

  absl::StatusOr<LogsRead> Read() {
    MOORING_ASSIGN_OR_RETURN(store_id_, wal::ParseStoreId(options_.store_id));
    MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                             wal::ListNames(files_, options_.directory));
    for (const std::string& name : names) {
      if (const uint64_t log = wal::LogNumberOfName(name); log != 0) {
        MOORING_RETURN_IF_ERROR(Scan(log));
      }
    }
    for (const auto& [number, scan] : scans_) {
      if (scan.has_frames()) newest_ = std::max(newest_, scan.header.incarnation);
    }
    MOORING_RETURN_IF_ERROR(CheckChain());
    LogsRead read;
    for (auto& [number, scan] : scans_) {
      const bool obsolete = scan.header.incarnation < newest_;
      read.figures.push_back({scan.path, number, scan.file_bytes, scan.length, obsolete});
      if (!obsolete && scan.length > 0) read.bytes[number] = std::move(scan.data);
    }
    return read;
  }

 private:
  absl::Status Scan(uint64_t log) {
    wal::ScanOptions options;
    options.store_id = store_id_;
    options.source = wal::WindowReader::Source::kPageCache;
    auto scan = wal::ScanLog(files_, absl::StrCat(options_.directory, "/", wal::LogName(log)), log,
                             options);
    if (absl::IsNotFound(scan.status())) return absl::OkStatus();
    MOORING_RETURN_IF_ERROR(scan.status());
    if (scan->header_valid) scans_[log] = *std::move(scan);
    return absl::OkStatus();
  }

  // A log that was read before its successor was made may have grown since.
  absl::Status CheckChain() {
    std::vector<uint64_t> numbers;
    for (const auto& [number, scan] : scans_) numbers.push_back(number);
    for (const uint64_t number : numbers) {
      const wal::LogHeader header = scans_[number].header;
      const auto before = scans_.find(header.predecessor.log);
      if (header.first || header.incarnation < newest_ || before == scans_.end()) continue;
      if (IsWhole(before->second, header.predecessor)) continue;
      scans_.erase(before);
      MOORING_RETURN_IF_ERROR(Scan(header.predecessor.log));
      const auto again = scans_.find(header.predecessor.log);
      if (again == scans_.end() || IsWhole(again->second, header.predecessor)) continue;
      return absl::DataLossError(absl::StrCat(
          again->second.path, ": damaged at offset ", again->second.physical_end, ": log bytes ",
          again->second.length, " to ", header.predecessor.offset, " are not there"));
    }
    return absl::OkStatus();
  }

  static bool IsWhole(const wal::LogScan& scan, const wal::Position& end) {
    return scan.header.generation != end.generation || scan.length >= end.offset;
  }

  rocksdb::FileSystem* const files_;
  const LookOptions& options_;
  wal::StoreId store_id_{};
  std::map<uint64_t, wal::LogScan> scans_;
  uint64_t newest_ = 0;  // Of the incarnations.
};

class LookCursor : public Cursor {
 public:
  LookCursor(rocksdb::DB* db, std::string_view table, rocksdb::ColumnFamilyHandle* handle,
             CursorOptions options)
      : options_(std::move(options)), name_(table), lower_(options_.lower), upper_(options_.upper) {
    rocksdb::ReadOptions read;
    read.readahead_size = size_t{2} << 20;
    if (!options_.lower.empty()) read.iterate_lower_bound = &lower_;
    if (!options_.upper.empty()) read.iterate_upper_bound = &upper_;
    iterator_.reset(db->NewIterator(read, handle));
    options_.reverse ? iterator_->SeekToLast() : iterator_->SeekToFirst();
  }

  bool Valid() const override { return iterator_->Valid(); }
  void Next() override { options_.reverse ? iterator_->Prev() : iterator_->Next(); }
  std::string_view key() const override { return FromSlice(iterator_->key()); }
  std::string_view value() const override { return FromSlice(iterator_->value()); }
  absl::Status status() const override {
    return FromRocksDb(iterator_->status(), absl::StrCat("scanning table ", name_));
  }

 private:
  const CursorOptions options_;
  const std::string name_;
  const rocksdb::Slice lower_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksDbLook : public Look {
 public:
  ~RocksDbLook() override {
    for (auto& [name, handle] : tables_) Release(handle);
  }

  absl::Status Begin(const LookOptions& options) {
    EngineOptions engine;
    engine.directory = options.directory;
    engine.store_id = options.store_id;
    engine.cache_bytes = options.cache_bytes;
    engine.write_buffer_bytes = int64_t{64} << 20;
    const std::shared_ptr<rocksdb::FileSystem> base = NewBaseFileSystem(engine);
    absl::StatusOr<LogsRead> logs = options.live ? LiveLogs(base.get(), options).Read()
                                                 : ReadClosedLogs(base.get(), options, true);
    MOORING_RETURN_IF_ERROR(logs.status());
    logs_ = std::move(logs->figures);
    // After the logs: see LiveLogs.
    MOORING_ASSIGN_OR_RETURN(const auto proved, NewManifestFileSystem(base, options.directory));
    env_ = rocksdb::NewCompositeEnv(
        std::make_shared<FrozenFileSystem>(proved, std::move(logs->bytes)));
    const std::shared_ptr<rocksdb::Cache> cache = MakeCache(engine);
    rocksdb::DBOptions db_options = MakeDbOptions(engine, env_.get(), nullptr, cache);
    db_options.listeners.clear();
    std::vector<std::string> names;
    MOORING_RETURN_IF_ERROR(
        FromRocksDb(rocksdb::DB::ListColumnFamilies(db_options, options.directory, &names),
                    "listing the tables in " + options.directory));
    const rocksdb::ColumnFamilyOptions table = MakeTableOptions(engine, cache);
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& name : names) descriptors.emplace_back(name, table);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    MOORING_RETURN_IF_ERROR(FromRocksDb(
        compat::OpenForReading(db_options, options.directory, descriptors, &handles, &db_, 0),
        "reading the data in " + options.directory));
    for (size_t i = 0; i < handles.size(); ++i) {
      const std::string_view name = names[i];
      if (name.substr(0, kTablePrefix.size()) == kTablePrefix) {
        tables_.emplace(name.substr(kTablePrefix.size()), handles[i]);
      } else {
        Release(handles[i]);
      }
    }
    return absl::OkStatus();
  }

  uint64_t LastSequence() const override { return db_->GetLatestSequenceNumber(); }
  const std::vector<LogFigures>& Logs() const override { return logs_; }

  std::vector<TableFigures> Tables() const override {
    std::map<std::string, TableFigures> figures;
    for (const auto& [name, handle] : tables_) {
      TableFigures& table = figures[name];
      table.name = name;
      db_->GetIntProperty(handle, rocksdb::DB::Properties::kEstimateNumKeys, &table.keys);
    }
    std::vector<rocksdb::LiveFileMetaData> files;
    db_->GetLiveFilesMetaData(&files);
    for (const rocksdb::LiveFileMetaData& file : files) {
      if (file.column_family_name.compare(0, kTablePrefix.size(), kTablePrefix) != 0) continue;
      TableFigures& table = figures[file.column_family_name.substr(kTablePrefix.size())];
      ++table.files;
      table.bytes += static_cast<int64_t>(file.size);
    }
    std::vector<TableFigures> sorted;
    for (auto& [name, table] : figures) sorted.push_back(std::move(table));
    return sorted;
  }

  absl::StatusOr<std::string> Get(std::string_view table, std::string_view key) const override {
    MOORING_ASSIGN_OR_RETURN(rocksdb::ColumnFamilyHandle* const handle, Find(table));
    std::string value;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), handle, ToSlice(key), &value);
    if (status.IsNotFound()) return absl::NotFoundError("");
    MOORING_RETURN_IF_ERROR(FromRocksDb(status, absl::StrCat("reading table ", ToAbsl(table))));
    return value;
  }

  absl::StatusOr<std::unique_ptr<Cursor>> Scan(std::string_view table,
                                               CursorOptions options) const override {
    MOORING_ASSIGN_OR_RETURN(rocksdb::ColumnFamilyHandle* const handle, Find(table));
    return std::make_unique<LookCursor>(db_.get(), table, handle, std::move(options));
  }

 private:
  absl::StatusOr<rocksdb::ColumnFamilyHandle*> Find(std::string_view table) const {
    const auto found = tables_.find(table);
    if (found != tables_.end()) return found->second;
    return absl::NotFoundError(absl::StrCat("there is no table \"", ToAbsl(table), "\""));
  }
  void Release(rocksdb::ColumnFamilyHandle* handle) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }

  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*, std::less<>> tables_;
  std::vector<LogFigures> logs_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Look>> Look::Open(const LookOptions& options) {
  absl::Status status;
  for (int attempt = 0; attempt < (options.live ? kAttempts : 1); ++attempt) {
    auto look = std::make_unique<RocksDbLook>();
    status = look->Begin(options);
    if (status.ok()) return std::unique_ptr<Look>(std::move(look));
  }
  if (!options.live) return status;
  return absl::UnavailableError(absl::StrCat("the living owner of ", options.directory,
                                             " changes it, or it is damaged: ", status.message(),
                                             ". Try again, or look when the owner is gone."));
}

absl::StatusOr<std::vector<LogFigures>> ProveLogs(const LookOptions& options) {
  EngineOptions engine;
  engine.directory = options.directory;
  const std::shared_ptr<rocksdb::FileSystem> base = NewBaseFileSystem(engine);
  MOORING_ASSIGN_OR_RETURN(LogsRead logs, ReadClosedLogs(base.get(), options, false));
  return std::move(logs.figures);
}

std::vector<absl::Status> CheckCopies(const std::string& directory) {
  EngineOptions engine;
  engine.directory = directory;
  const std::shared_ptr<rocksdb::FileSystem> base = NewBaseFileSystem(engine);
  std::vector<absl::Status> found;
  for (absl::Status status : {wal::InventoryFile::CheckSlots(base.get(), directory),
                              ManifestWitness::CheckSlots(base.get(), directory)}) {
    if (absl::IsDataLoss(status)) found.push_back(std::move(status));
  }
  return found;
}

}  // namespace mooring::engine
