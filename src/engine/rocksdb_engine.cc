#include "src/engine/rocksdb_engine.h"

#include <cstring>
#include <new>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/engine/batch_operations.h"
#include "src/engine/commit_marker.h"
#include "src/engine/error_listener.h"
#include "src/engine/manifest_witness.h"
#include "src/engine/no_options_file.h"
#include "src/engine/rocksdb_compat.h"
#include "src/engine/rocksdb_file_keeper.h"
#include "src/engine/rocksdb_options.h"
#include "src/engine/rocksdb_status.h"
#include "src/engine/space_gate_file_system.h"

namespace mooring::engine {
namespace {

// Tables are column families with this before their names, so that none is RocksDB's "default".
constexpr std::string_view kTablePrefix = "t.";

// A group batch that grew beyond this gives its memory back.
constexpr size_t kKeptGroupBytes = size_t{4} << 20;

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view FromSlice(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

absl::Status KeyNotFound() { return absl::Status(absl::StatusCode::kNotFound, ""); }

absl::Status ReadError(const rocksdb::Status& status, const EngineTable& table) {
  if (status.IsNotFound()) return KeyNotFound();
  return FromRocksDb(status, absl::StrCat("reading table ", table.name()));
}

// How a Value moves and destroys the pinned slice in its storage.
std::string_view ManagePinned(void* storage, void* to) {
  auto* pinned = std::launder(static_cast<rocksdb::PinnableSlice*>(storage));
  std::string_view data;
  if (to != nullptr) data = FromSlice(*new (to) rocksdb::PinnableSlice(std::move(*pinned)));
  pinned->~PinnableSlice();
  return data;
}

rocksdb::PinnableSlice* PinnedIn(Value* value) {
  static_assert(sizeof(rocksdb::PinnableSlice) <= Value::kStorageBytes);
  if (value->manage() == ManagePinned) {
    auto* pinned = std::launder(static_cast<rocksdb::PinnableSlice*>(value->storage()));
    pinned->Reset();
    return pinned;
  }
  value->Reset();
  auto* pinned = new (value->storage()) rocksdb::PinnableSlice();
  value->Adopt(ManagePinned, {});
  return pinned;
}

// RocksDB looks for a missing table under an older name as well, and complains of that one.
absl::Status NameTables(const absl::Status& status) {
  return absl::Status(status.code(), absl::StrReplaceAll(status.message(), {{".ldb", ".sst"}}));
}

// An engine that was finished once and is gone is a loss, never a reason to begin a new one.
absl::Status CheckPresence(const EngineOptions& options, rocksdb::FileSystem* files) {
  const std::string current = options.directory + "/CURRENT";
  if (options.create || !files->FileExists(current, {}, nullptr).IsNotFound()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat(current,
                   " is missing from a store that had it. Nothing was changed. Restore a "
                   "copy of the volume."));
}

class RocksDbSnapshot : public EngineSnapshot {
 public:
  explicit RocksDbSnapshot(rocksdb::DB* db) : db_(db), snapshot_(db->GetSnapshot()) {}
  ~RocksDbSnapshot() override { db_->ReleaseSnapshot(snapshot_); }
  uint64_t sequence() const override { return snapshot_->GetSequenceNumber(); }
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB* const db_;
  const rocksdb::Snapshot* const snapshot_;
};

rocksdb::ReadOptions MakeReadOptions(const EngineSnapshot* snapshot) {
  rocksdb::ReadOptions options;
  if (snapshot != nullptr) options.snapshot = static_cast<const RocksDbSnapshot*>(snapshot)->get();
  return options;
}

class RocksDbCursor : public Cursor {
 public:
  RocksDbCursor(rocksdb::DB* db, const EngineTable& table, rocksdb::ColumnFamilyHandle* handle,
                CursorOptions options)
      : options_(std::move(options)), name_(table.name()) {
    rocksdb::ReadOptions read = MakeReadOptions(options_.snapshot);
    lower_ = options_.lower;
    upper_ = options_.upper;
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
  rocksdb::Slice lower_;
  rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

// Knows every table that still has a column family handle, dropped ones with readers too, so that
// the engine can close under them.
class HandleRegistry {
 public:
  void Add(RocksDbTable* table) {
    absl::MutexLock lock(&mutex_);
    tables_.insert(table);
  }
  void Remove(RocksDbTable* table);
  void ReleaseAll();

 private:
  absl::Mutex mutex_;
  absl::flat_hash_set<RocksDbTable*> tables_ ABSL_GUARDED_BY(mutex_);
};

// A column family. Its handle is destroyed with the last reference to the table or when the engine
// closes, whichever is first.
class RocksDbTable : public EngineTable {
 public:
  RocksDbTable(std::string_view name, std::unique_ptr<rocksdb::ColumnFamilyHandle> handle,
               std::shared_ptr<HandleRegistry> registry)
      : EngineTable(std::string(name), handle->GetID()),
        handle_(std::move(handle)),
        registry_(std::move(registry)) {
    registry_->Add(this);
  }
  ~RocksDbTable() override { registry_->Remove(this); }

  rocksdb::ColumnFamilyHandle* handle() const { return handle_.get(); }

 private:
  friend class HandleRegistry;

  std::unique_ptr<rocksdb::ColumnFamilyHandle> handle_;
  const std::shared_ptr<HandleRegistry> registry_;
};

void HandleRegistry::Remove(RocksDbTable* table) {
  absl::MutexLock lock(&mutex_);
  tables_.erase(table);
  table->handle_.reset();
}

void HandleRegistry::ReleaseAll() {
  absl::MutexLock lock(&mutex_);
  for (RocksDbTable* table : tables_) table->handle_.reset();
}

namespace {

rocksdb::ColumnFamilyHandle* HandleOf(const EngineTable& table) {
  return static_cast<const RocksDbTable&>(table).handle();
}

// Whether something of the table may be in no file yet.
bool InMemory(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* handle) {
  for (const std::string& property : {rocksdb::DB::Properties::kNumEntriesActiveMemTable,
                                      rocksdb::DB::Properties::kNumEntriesImmMemTables}) {
    uint64_t entries = 0;
    if (!db->GetIntProperty(handle, property, &entries) || entries > 0) return true;
  }
  return false;
}

}  // namespace

RocksDbEngine::RocksDbEngine(const EngineOptions& options,
                             std::shared_ptr<wal::LogFileSystem> file_system)
    : options_(options),
      file_system_(std::move(file_system)),
      env_(rocksdb::NewCompositeEnv(file_system_)),
      cache_(MakeCache(options)),
      table_options_(MakeTableOptions(options, cache_)),
      handles_(std::make_shared<HandleRegistry>()) {}

RocksDbEngine::~RocksDbEngine() { Close().IgnoreError(); }

absl::StatusOr<std::unique_ptr<Engine>> RocksDbEngine::Open(
    const EngineOptions& options, std::shared_ptr<rocksdb::FileSystem> base) {
  if (base == nullptr) base = rocksdb::FileSystem::Default();
  MOORING_RETURN_IF_ERROR(CheckPresence(options, base.get()));
  wal::LogOptions log;
  log.directory = options.directory;
  log.store_id = options.store_id;
  MOORING_ASSIGN_OR_RETURN(log.base, NewManifestFileSystem(std::move(base), options.directory));
  log.base = WithoutOptionsFile(std::move(log.base), options.directory);
  log.file_bytes = static_cast<uint64_t>(options.wal_file_bytes);
  log.stop_at_unknown_tables = options.stop_at_unknown_tables;
  log.progress = [&](int64_t done, int64_t total) {
    if (options.progress) options.progress({Progress::Phase::kReadingLog, done, total});
  };
  log.replay_progress = [progress = options.progress](int64_t done, int64_t total) {
    if (progress) progress({Progress::Phase::kReplayingLog, done, total});
  };
  MOORING_ASSIGN_OR_RETURN(std::shared_ptr<wal::LogFileSystem> file_system,
                           wal::LogFileSystem::Open(log));
  std::unique_ptr<RocksDbEngine> engine(new RocksDbEngine(options, std::move(file_system)));
  const int64_t keep_bytes = options.keep_logs ? options.max_wal_bytes : 0;
  engine->log_source_ = std::make_unique<RocksDbLogSource>(
      log.base, options.directory, static_cast<uint64_t>(keep_bytes), options.durable);
  engine->file_system_->SetObserver(engine->log_source_.get());
  MOORING_RETURN_IF_ERROR(engine->OpenDatabase());
  engine->BeginLogSource();
  engine->file_keeper_ = NewFileKeeper(log.base, options.directory, engine->db_.get());
  engine->file_system_->DatabaseOpened();
  return std::unique_ptr<Engine>(std::move(engine));
}

absl::Status RocksDbEngine::OpenDatabase() {
  rocksdb::DBOptions db_options = MakeDbOptions(
      options_, env_.get(),
      std::make_shared<ErrorListener>([this](const absl::Status& reason) { Fail(reason); }),
      cache_);
  db_options.listeners.push_back(NewSpaceGateListener());
  db_options.wal_filter = file_system_->wal_filter();
  if (options_.progress) {
    options_.progress({Progress::Phase::kReplayingLog, 0, file_system_->recovery().logical_bytes});
  }
  std::vector<std::string> names;
  if (options_.create) {
    names.push_back(rocksdb::kDefaultColumnFamilyName);
  } else {
    MOORING_RETURN_IF_ERROR(
        FromRocksDb(rocksdb::DB::ListColumnFamilies(db_options, options_.directory, &names),
                    "listing the tables in " + options_.directory));
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, table_options_);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status opened =
      compat::OpenDatabase(db_options, options_.directory, descriptors, &handles, &db_, 0);
  // Where the log has a gap, the log knows it better than RocksDB.
  MOORING_RETURN_IF_ERROR(file_system_->replay_status());
  MOORING_RETURN_IF_ERROR(
      NameTables(FromRocksDb(opened, "opening the data in " + options_.directory)));
  for (size_t i = 0; i < handles.size(); ++i) {
    std::unique_ptr<rocksdb::ColumnFamilyHandle> handle(handles[i]);
    std::string_view name = names[i];
    if (name.substr(0, kTablePrefix.size()) != kTablePrefix) continue;
    Adopt(name.substr(kTablePrefix.size()), std::move(handle));
  }
  return absl::OkStatus();
}

// Logs that an earlier process kept are in files by now, as all that was replayed.
void RocksDbEngine::BeginLogSource() {
  for (const std::string& path : file_system_->recovery().held) {
    file_system_->ReleaseHeld(path).IgnoreError();  // It is found again at the next opening.
  }
  log_source_->Begin(db_.get(), file_system_.get(), [this](const rocksdb::FlushOptions& options) {
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    const std::vector<TablePtr> tables = Tables();
    for (const TablePtr& table : tables) handles.push_back(HandleOf(*table));
    if (handles.empty()) return rocksdb::Status::OK();
    return db_->Flush(options, handles);
  });
}

void RocksDbEngine::WritesFailed() {
  failed_ = true;
  log_source_->OnFailed();
}

std::shared_ptr<RocksDbTable> RocksDbEngine::Adopt(
    std::string_view name, std::unique_ptr<rocksdb::ColumnFamilyHandle> handle) {
  auto table = std::make_shared<RocksDbTable>(name, std::move(handle), handles_);
  writable_[table->id()] = table;
  absl::MutexLock lock(&tables_mutex_);
  tables_[table->name()] = table;
  return table;
}

// The MANIFEST may hold what failed: a commit to a table that it has dropped would be gone after
// reopening. RocksDB takes this for no error of its own.
absl::Status RocksDbEngine::AfterTableWork(const rocksdb::Status& status, std::string_view what) {
  if (status.ok() || status.IsInvalidArgument() || status.IsNotSupported()) {
    return FromRocksDb(status, what);  // Nothing was written.
  }
  const absl::Status failure =
      absl::DataLossError(absl::StrCat(FromRocksDb(status, what).message(),
                                       "; it is unknown whether it happened. Reopen the store"));
  Fail(failure);
  return failure;
}

absl::StatusOr<TablePtr> RocksDbEngine::CreateTable(std::string_view name) {
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  const std::string column_family = absl::StrCat(ToAbsl(kTablePrefix), ToAbsl(name));
  MOORING_RETURN_IF_ERROR(
      AfterTableWork(db_->CreateColumnFamily(table_options_, column_family, &handle),
                     absl::StrCat("making table ", ToAbsl(name))));
  std::shared_ptr<RocksDbTable> table =
      Adopt(name, std::unique_ptr<rocksdb::ColumnFamilyHandle>(handle));
  log_source_->OnTablesChanged();
  return table;
}

// All of it is in files before: RocksDB finds its last sequence in files and logs, and of commits
// to a dropped table no file is made any more. Without them the sequence would go back, to below
// what an archive, also one that comes later, or a snapshot says of the state.
absl::Status RocksDbEngine::DropTable(EngineTable& table) {
  if (InMemory(db_.get(), HandleOf(table))) {
    MOORING_RETURN_IF_ERROR(log_source_->FlushAll());
  }
  MOORING_RETURN_IF_ERROR(AfterTableWork(db_->DropColumnFamily(HandleOf(table)),
                                         absl::StrCat("dropping table ", table.name())));
  table.MarkDropped();
  writable_.erase(table.id());
  log_source_->OnTablesChanged();
  absl::MutexLock lock(&tables_mutex_);
  tables_.erase(table.name());
  return absl::OkStatus();
}

std::vector<TablePtr> RocksDbEngine::Tables() const {
  absl::MutexLock lock(&tables_mutex_);
  std::vector<TablePtr> tables;
  for (const auto& entry : tables_) tables.push_back(entry.second);
  return tables;
}

void RocksDbEngine::BeginGroup() {
  if (group_.GetDataSize() > kKeptGroupBytes) group_ = rocksdb::WriteBatch();
  group_.Clear();
}

absl::Status RocksDbEngine::AddToGroup(const Commit& commit) {
  Operation operation;
  for (OperationReader reader(commit.operations); reader.Next(&operation);) {
    if (writable_.find(operation.table) == writable_.end()) {
      return absl::NotFoundError(
          absl::StrCat("table number ", operation.table, " of the batch was dropped"));
    }
  }
  group_time_us_ = commit.time_us;
  char marker[kCommitMarkerBytes];
  EncodeCommitMarker({commit.count, commit.time_us}, marker);
  rocksdb::Status added = group_.PutLogData(rocksdb::Slice(marker, sizeof(marker)));
  for (OperationReader reader(commit.operations); added.ok() && reader.Next(&operation);) {
    rocksdb::ColumnFamilyHandle* handle = writable_[operation.table]->handle();
    switch (operation.kind) {
      case OperationKind::kPut:
        added = group_.Put(handle, ToSlice(operation.key), ToSlice(operation.value));
        break;
      case OperationKind::kDelete:
        added = group_.Delete(handle, ToSlice(operation.key));
        break;
      case OperationKind::kDeleteRange:
        added = group_.DeleteRange(handle, ToSlice(operation.key), ToSlice(operation.value));
        break;
    }
  }
  return FromRocksDb(added, "adding a commit to its group");
}

void RocksDbEngine::Fail(const absl::Status& reason) {
  WritesFailed();
  if (!told_.exchange(true) && options_.failed) options_.failed(reason);
}

absl::StatusOr<uint64_t> RocksDbEngine::WriteGroup(bool sync) {
  if (failed_) {
    return absl::UnavailableError("writing a group of commits: earlier work on the volume failed");
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status written = db_->Write(options, &group_);
  if (!written.ok()) WritesFailed();
  MOORING_RETURN_IF_ERROR(FromRocksDb(written, "writing a group of commits"));
  log_source_->OnWritten(group_time_us_);
  if (sync) log_source_->OnDurable(LastSequence());
  uint64_t first_sequence;  // RocksDB leaves it in the batch's first eight bytes, little-endian.
  std::memcpy(&first_sequence, group_.Data().data(), sizeof(first_sequence));
  return first_sequence;
}

// RocksDB aborts the process where it is asked to sync a log that a write has failed on.
absl::Status RocksDbEngine::Sync() {
  if (failed_) {
    return absl::UnavailableError("syncing the log: an earlier write on the volume failed");
  }
  const absl::Status synced = FromRocksDb(db_->SyncWAL(), "syncing the log");
  if (!synced.ok()) WritesFailed();
  if (synced.ok()) log_source_->OnDurable(LastSequence());
  return synced;
}

absl::Status RocksDbEngine::Get(const EngineTable& table, std::string_view key,
                                const EngineSnapshot* snapshot, Value* value) const {
  rocksdb::PinnableSlice* pinned = PinnedIn(value);
  const rocksdb::Status status =
      db_->Get(MakeReadOptions(snapshot), HandleOf(table), ToSlice(key), pinned);
  if (!status.ok()) {
    value->Adopt(ManagePinned, {});
    return ReadError(status, table);
  }
  value->Adopt(ManagePinned, FromSlice(*pinned));
  return absl::OkStatus();
}

std::vector<absl::StatusOr<Value>> RocksDbEngine::MultiGet(
    const EngineTable& table, const std::vector<std::string_view>& keys,
    const EngineSnapshot* snapshot) const {
  std::vector<rocksdb::Slice> slices;
  slices.reserve(keys.size());
  for (const std::string_view key : keys) slices.push_back(ToSlice(key));
  std::vector<rocksdb::PinnableSlice> pinned(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  db_->MultiGet(MakeReadOptions(snapshot), HandleOf(table), keys.size(), slices.data(),
                pinned.data(), statuses.data());
  std::vector<absl::StatusOr<Value>> results;
  results.reserve(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!statuses[i].ok()) {
      results.emplace_back(ReadError(statuses[i], table));
      continue;
    }
    Value& value = *results.emplace_back(Value());
    rocksdb::PinnableSlice* own = PinnedIn(&value);
    *own = std::move(pinned[i]);
    value.Adopt(ManagePinned, FromSlice(*own));
  }
  return results;
}

std::unique_ptr<Cursor> RocksDbEngine::NewCursor(const EngineTable& table,
                                                 CursorOptions options) const {
  return std::make_unique<RocksDbCursor>(db_.get(), table, HandleOf(table), std::move(options));
}

MemoryUse RocksDbEngine::memory_use() const {
  MemoryUse use;
  use.cache_bytes = static_cast<int64_t>(cache_->GetUsage());
  use.pinned_bytes = static_cast<int64_t>(cache_->GetPinnedUsage());
  uint64_t buffers = 0;
  db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kSizeAllMemTables, &buffers);
  use.write_buffer_bytes = static_cast<int64_t>(buffers);
  uint64_t files = 0;
  db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kEstimateTableReadersMem, &files);
  use.open_file_bytes = static_cast<int64_t>(files);
  return use;
}

std::unique_ptr<EngineSnapshot> RocksDbEngine::TakeSnapshot() const {
  return std::make_unique<RocksDbSnapshot>(db_.get());
}

uint64_t RocksDbEngine::LastSequence() const { return db_->GetLatestSequenceNumber(); }

absl::Status RocksDbEngine::Close() {
  if (db_ == nullptr) return absl::OkStatus();
  {
    absl::MutexLock lock(&tables_mutex_);
    tables_.clear();
  }
  writable_.clear();
  handles_->ReleaseAll();
  const rocksdb::Status status = db_->Close();
  db_.reset();
  file_system_->SetObserver(nullptr);
  return FromRocksDb(status, "closing the data in " + options_.directory);
}

}  // namespace mooring::engine
