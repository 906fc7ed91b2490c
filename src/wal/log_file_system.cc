#include "src/wal/log_file_system.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/wal/inventory_file.h"
#include "src/wal/io.h"
#include "src/wal/log_file.h"
#include "src/wal/log_scan.h"

namespace mooring::wal {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

bool BeginsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

absl::Status CheckOptions(const LogOptions& options) {
  if (options.directory.empty()) return absl::InvalidArgumentError("the log needs a directory");
  if (options.file_bytes < 64 << 10 || options.file_bytes > 1 << 30) {
    return absl::InvalidArgumentError(absl::StrCat("log files of ", options.file_bytes,
                                                   " bytes: from 64 KiB to 1 GiB are possible"));
  }
  if (options.spares < 0 || options.spares > 16) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.spares, " spare log files: from 0 to 16 are possible"));
  }
  return absl::OkStatus();
}

// Known to have no frame, and nothing says that it had one.
bool IsEmpty(const RecoveredLog& log) {
  return log.scan.header_valid && !log.scan.has_frames() && log.witnessed == 0;
}

// The last log that was cut as tail, or 0. Before it an empty log may be what shows that (W4), at
// the next opening too.
uint64_t LastCut(const RecoveredLogs& recovered) {
  uint64_t last = 0;
  for (const auto& [number, log] : recovered.logs) {
    if (log.length < log.scan.length) last = number;
  }
  return last;
}

IOStatus NoLogOperation(std::string_view what, const std::string& path) {
  return IOStatus::NotSupported(std::string(what), path);
}

}  // namespace

absl::StatusOr<std::shared_ptr<LogFileSystem>> LogFileSystem::Open(const LogOptions& given) {
  MOORING_RETURN_IF_ERROR(CheckOptions(given));
  LogOptions options = given;
  options.directory = NormalizePath(given.directory);
  if (options.base == nullptr) options.base = rocksdb::FileSystem::Default();
  MOORING_ASSIGN_OR_RETURN(const StoreId store_id, ParseStoreId(options.store_id));
  MOORING_RETURN_IF_ERROR(
      ToStatus(options.base->CreateDirIfMissing(options.directory, IOOptions(), nullptr),
               "create directory", options.directory));
  MOORING_ASSIGN_OR_RETURN(RecoveredLogs recovered, RecoverLogs(options.base.get(), options));
  std::shared_ptr<LogFileSystem> fs(new LogFileSystem(options.base, options, store_id));
  MOORING_RETURN_IF_ERROR(fs->Start(std::move(recovered)));
  return fs;
}

LogFileSystem::LogFileSystem(std::shared_ptr<rocksdb::FileSystem> base, const LogOptions& options,
                             const StoreId& store_id)
    : FileSystemWrapper(std::move(base)),
      options_(options),
      store_id_(store_id),
      filter_(!options.test.no_continuity_check, options.stop_at_unknown_tables) {}

absl::Status LogFileSystem::Start(RecoveredLogs recovered) {
  const std::string& directory = options_.directory;
  MOORING_RETURN_IF_ERROR(ToStatus(
      target_->NewDirectory(directory, IOOptions(), &directory_, nullptr), "open", directory));
  if (!recovered.has_inventory) {
    recovered.inventory.sequence = 1;
    MOORING_RETURN_IF_ERROR(InventoryFile::Create(target_.get(), directory, recovered.inventory));
    MOORING_RETURN_IF_ERROR(SyncDirectory(target_.get(), DirectoryOf(directory)));
  }
  MOORING_RETURN_IF_ERROR(SyncNames());
  MOORING_ASSIGN_OR_RETURN(
      auto file, InventoryFile::Open(target_.get(), directory, recovered.inventory.sequence));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           ListNames(target_.get(), directory));
  for (const std::string& name : names) {
    if (BeginsWith(name, kHeldPrefix)) recovery_.held.push_back(directory + "/" + name);
  }
  auto pool = std::make_shared<SparePool>(target_, options_, names);
  logs_ = std::make_shared<LogSet>(options_, recovered.inventory, std::move(file), std::move(pool));
  const uint64_t last_cut = LastCut(recovered);
  std::vector<RecoveredLog> empty;
  for (auto& [number, log] : recovered.logs) {
    NoteRecovered(log);
    if (IsEmpty(log) && (log.obsolete || number > last_cut)) {
      empty.push_back(std::move(log));
    } else {
      TakeOver(std::move(log), recovered.inventory);
    }
  }
  return DropEmpty(empty, recovered.inventory);
}

// RocksDB keeps a log that nothing was written to until one that follows it is flushed: a service
// that is opened again and again and writes nothing would fill the volume.
absl::Status LogFileSystem::DropEmpty(const std::vector<RecoveredLog>& logs,
                                      const Inventory& inventory) {
  const auto listed = [&](const RecoveredLog& log) { return inventory.Find(log.scan.log); };
  if (std::any_of(logs.begin(), logs.end(), listed)) {
    MOORING_RETURN_IF_ERROR(logs_->WriteInventory());  // W3(b)
  }
  for (const RecoveredLog& log : logs) {
    MOORING_RETURN_IF_ERROR(RecycleOrDelete(nullptr, log.scan.path));
  }
  return absl::OkStatus();
}

void LogFileSystem::TakeOver(RecoveredLog recovered, const Inventory& inventory) {
  auto log = std::make_shared<Log>();
  log->number = recovered.scan.log;
  log->generation = recovered.scan.header.generation;
  log->capacity = recovered.scan.header.capacity;
  log->incarnation = recovered.scan.header.incarnation;
  log->length = recovered.length;
  log->synced = recovered.length;
  log->published = recovered.witnessed;
  if (const InventoryEntry* entry = inventory.Find(log->number); entry != nullptr) {
    log->listed = true;
    log->complete = entry->complete;
    log->reach = entry->reach;
  } else {
    // The slot that listed it is lost. What is not listed counts as empty (W9).
    log->listed = recovered.scan.header_valid && !recovered.obsolete;
  }
  if (recovered.scan.data.size() == recovered.length) {
    absl::MutexLock lock(&mutex_);
    contents_[log->number] = std::make_shared<const std::string>(std::move(recovered.scan.data));
  }
  logs_->AddRecovered(std::move(log));
}

void LogFileSystem::NoteRecovered(const RecoveredLog& log) {
  ++recovery_.logs;
  recovery_.logical_bytes += static_cast<int64_t>(log.length);
  recovery_.bytes_read += static_cast<int64_t>(log.scan.bytes_read);
  if (log.length < log.scan.length) ++recovery_.tail_logs_cut;
  if (log.scan.frames_past_end > 0) ++recovery_.torn_logs;
  if (!log.obsolete && log.length > log.witnessed) {
    recovery_.unwitnessed_bytes += static_cast<int64_t>(log.length - log.witnessed);
  }
}

uint64_t LogFileSystem::LogNumber(const std::string& path) const {
  const std::string normal = NormalizePath(path);
  const std::string& directory = options_.directory;
  if (normal.size() <= directory.size() + 1 || !BeginsWith(normal, directory)) return 0;
  if (normal[directory.size()] != '/') return 0;
  return LogNumberOfName(std::string_view(normal).substr(directory.size() + 1));
}

absl::Status LogFileSystem::SyncNames() {
  if (options_.test.no_directory_sync) return absl::OkStatus();
  return ToStatus(directory_->Fsync(IOOptions(), nullptr), "sync directory", options_.directory);
}

IOStatus LogFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* result,
                                        IODebugContext* debug) {
  const uint64_t number = LogNumber(path);
  if (number == 0) return FileSystemWrapper::NewWritableFile(path, options, result, debug);
  if (logs_->poisoned()) return logs_->PoisonedError();
  auto created = CreateLog(number, path);
  if (!created.ok()) return logs_->Poison(created.status());
  *result = *std::move(created);
  return IOStatus::OK();
}

LogHeader LogFileSystem::HeaderFor(uint64_t number, uint64_t capacity) const {
  LogHeader header;
  header.log = number;
  header.generation = RandomUint64();
  header.capacity = capacity;
  header.incarnation = logs_->incarnation();
  header.store_id = store_id_;
  const std::shared_ptr<Log> before = logs_->newest();
  header.first = before == nullptr;
  if (before != nullptr) {
    header.predecessor = {before->number, before->generation, before->length.load()};
  }
  return header;
}

// A log gets its name only when its header is durable, and is used only when its name is.
absl::StatusOr<std::unique_ptr<rocksdb::FSWritableFile>> LogFileSystem::CreateLog(
    uint64_t number, const std::string& path) {
  std::optional<Spare> spare = logs_->pool()->Take();
  if (!spare.has_value()) {
    MOORING_ASSIGN_OR_RETURN(spare, logs_->pool()->MakeSmall());
  }
  const LogHeader header = HeaderFor(number, spare->bytes);
  std::string block(kHeaderBytes, '\0');
  EncodeLogHeader(header, block.data());
  MOORING_ASSIGN_OR_RETURN(auto file, OpenForWriting(target_.get(), spare->path));
  MOORING_RETURN_IF_ERROR(ToStatus(file->Write(0, rocksdb::Slice(block), IOOptions(), nullptr),
                                   "write the header of log", path));
  if (!options_.test.no_header_sync) {
    MOORING_RETURN_IF_ERROR(
        ToStatus(file->Sync(IOOptions(), nullptr), "sync the header of log", path));
  }
  MOORING_RETURN_IF_ERROR(
      ToStatus(target_->RenameFile(spare->path, path, IOOptions(), nullptr), "name log", path));
  MOORING_RETURN_IF_ERROR(SyncNames());
  // Opened by the name it has now, so that whatever is told of it below names the log.
  MOORING_ASSIGN_OR_RETURN(file, OpenForWriting(target_.get(), path));
  auto log = std::make_shared<Log>();
  log->number = number;
  log->generation = header.generation;
  log->capacity = header.capacity;
  log->incarnation = header.incarnation;
  MOORING_RETURN_IF_ERROR(logs_->AddNew(log));
  if (LogObserver* observer = logs_->observer()) {
    observer->OnLogCreated({number, header.generation, 0}, header.predecessor, path);
  }
  return std::make_unique<LogFile>(logs_, std::move(log), path, std::move(file), spare->bytes);
}

IOStatus LogFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                                           IODebugContext* debug) {
  const uint64_t number = LogNumber(path);
  if (number == 0) return FileSystemWrapper::ReopenWritableFile(path, options, result, debug);
  const std::shared_ptr<Log> log = logs_->Find(number);
  if (log == nullptr) return IOStatus::PathNotFound(path);
  *result = std::make_unique<UnwritableLogFile>(log->length.load());
  return IOStatus::OK();
}

IOStatus LogFileSystem::ReuseWritableFile(const std::string& path, const std::string& old_path,
                                          const FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                                          IODebugContext* debug) {
  if (LogNumber(path) != 0 || LogNumber(old_path) != 0) {
    return NoLogOperation("logs are recycled here, not by RocksDB", old_path);
  }
  return FileSystemWrapper::ReuseWritableFile(path, old_path, options, result, debug);
}

IOStatus LogFileSystem::NewSequentialFile(const std::string& path, const FileOptions& options,
                                          std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                          IODebugContext* debug) {
  const uint64_t number = LogNumber(path);
  if (number == 0) return FileSystemWrapper::NewSequentialFile(path, options, result, debug);
  const std::shared_ptr<Log> log = logs_->Find(number);
  if (log == nullptr) return IOStatus::PathNotFound(path);
  auto content = ContentOf(*log, path);
  if (!content.ok()) {
    // Deleted meanwhile, by another thread.
    if (logs_->Find(number) != log) return IOStatus::PathNotFound(path);
    return PlainError(content.status());
  }
  *result = std::make_unique<LogContent>(*std::move(content),
                                         [this](size_t bytes) { ReportReplay(bytes); });
  return IOStatus::OK();
}

void LogFileSystem::DatabaseOpened() {
  replaying_ = false;
  logs_->pool()->Begin();
}

// Once a MiB, for RocksDB reads in small pieces.
void LogFileSystem::ReportReplay(size_t bytes) {
  constexpr uint64_t kStep = uint64_t{1} << 20;
  if (!replaying_ || !options_.replay_progress) return;
  const uint64_t before = replayed_bytes_.fetch_add(bytes);
  if (before / kStep == (before + bytes) / kStep) return;
  options_.replay_progress(static_cast<int64_t>(before + bytes), recovery_.logical_bytes);
}

// What the scan kept, given away once; or the file, up to the log's present length.
absl::StatusOr<std::shared_ptr<const std::string>> LogFileSystem::ContentOf(
    const Log& log, const std::string& path) {
  {
    absl::MutexLock lock(&mutex_);
    if (auto found = contents_.find(log.number); found != contents_.end()) {
      std::shared_ptr<const std::string> kept = std::move(found->second);
      contents_.erase(found);
      return kept;
    }
  }
  ScanOptions scan;
  scan.store_id = store_id_;
  scan.source = WindowReader::Source::kPageCache;
  scan.limit = log.length.load(std::memory_order_acquire);
  if (scan.limit == 0) return std::make_shared<const std::string>();
  MOORING_ASSIGN_OR_RETURN(LogScan read, ScanLog(target_.get(), path, log.number, scan));
  if (read.header_valid && read.header.generation == log.generation && read.length >= scan.limit) {
    read.data.resize(scan.limit);
    return std::make_shared<const std::string>(std::move(read.data));
  }
  return absl::DataLossError(absl::StrCat(path, ": damaged at offset ", read.physical_end,
                                          ": log bytes ", read.length, " to ", scan.limit,
                                          " cannot be read back"));
}

IOStatus LogFileSystem::NewRandomAccessFile(const std::string& path, const FileOptions& options,
                                            std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                            IODebugContext* debug) {
  if (LogNumber(path) != 0) return NoLogOperation("random reads of a log", path);
  return FileSystemWrapper::NewRandomAccessFile(path, options, result, debug);
}

IOStatus LogFileSystem::NewRandomRWFile(const std::string& path, const FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                        IODebugContext* debug) {
  if (LogNumber(path) != 0) return NoLogOperation("random writes to a log", path);
  return FileSystemWrapper::NewRandomRWFile(path, options, result, debug);
}

IOStatus LogFileSystem::GetChildren(const std::string& directory, const IOOptions& options,
                                    std::vector<std::string>* result, IODebugContext* debug) {
  IOStatus status = FileSystemWrapper::GetChildren(directory, options, result, debug);
  if (!status.ok() || NormalizePath(directory) != options_.directory) return status;
  const auto ours = [](const std::string& name) { return BeginsWith(name, "MOORING-"); };
  result->erase(std::remove_if(result->begin(), result->end(), ours), result->end());
  return status;
}

IOStatus LogFileSystem::GetChildrenFileAttributes(const std::string& directory,
                                                  const IOOptions& options,
                                                  std::vector<rocksdb::FileAttributes>* result,
                                                  IODebugContext* debug) {
  // The generic one asks GetChildren() and GetFileSize() of this object.
  return rocksdb::FileSystem::GetChildrenFileAttributes(directory, options, result, debug);
}

IOStatus LogFileSystem::GetFileSize(const std::string& path, const IOOptions& options,
                                    uint64_t* size, IODebugContext* debug) {
  const uint64_t number = LogNumber(path);
  if (number == 0) return FileSystemWrapper::GetFileSize(path, options, size, debug);
  const std::shared_ptr<Log> log = logs_->Find(number);
  if (log == nullptr) return IOStatus::PathNotFound(path);
  *size = log->length.load();
  return IOStatus::OK();
}

IOStatus LogFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                   IODebugContext* debug) {
  const uint64_t number = LogNumber(path);
  if (number == 0) return FileSystemWrapper::DeleteFile(path, options, debug);
  // W3(b), W7. The inventory on the disk may still list a log that it could not be made to forget.
  if (logs_->poisoned()) return logs_->PoisonedError();
  {
    absl::MutexLock lock(&mutex_);
    contents_.erase(number);
  }
  absl::StatusOr<std::shared_ptr<Log>> log = logs_->Remove(number);
  if (!log.ok()) return PlainError(log.status());
  if (*log == nullptr) return FileSystemWrapper::DeleteFile(path, options, debug);
  if (absl::Status s = RetireFile(*log, path); !s.ok()) return PlainError(s);
  if (!options_.test.delete_before_inventory || !(*log)->listed) return IOStatus::OK();
  const absl::Status listed = logs_->WriteInventory();
  return listed.ok() ? IOStatus::OK() : PlainError(listed);
}

absl::Status LogFileSystem::RetireFile(const std::shared_ptr<Log>& log, const std::string& path) {
  LogObserver* observer = logs_->observer();
  if (observer == nullptr || log->length.load() == 0) return RecycleOrDelete(log.get(), path);
  const std::string held = absl::StrCat(options_.directory, "/", kHeldPrefix, log->number, "-",
                                        absl::Hex(log->generation, absl::kZeroPad16));
  if (!observer->HoldDeleted({log->number, log->generation, log->length.load()}, held)) {
    return RecycleOrDelete(log.get(), path);
  }
  logs_->Hold(held, log);
  return ToStatus(target_->RenameFile(path, held, IOOptions(), nullptr), "hold log", path);
}

// W6: the writer may still have the file.
absl::Status LogFileSystem::RecycleOrDelete(Log* log, const std::string& path) {
  if (!logs_->pool()->WantsMore()) {
    return ToStatus(target_->DeleteFile(path, IOOptions(), nullptr), "delete log", path);
  }
  const std::string spare = logs_->pool()->NewPath();
  MOORING_RETURN_IF_ERROR(
      ToStatus(target_->RenameFile(path, spare, IOOptions(), nullptr), "retire log", path));
  if (log == nullptr || !logs_->DropWhileOpen(spare, log)) logs_->pool()->Offer(spare);
  return absl::OkStatus();
}

absl::Status LogFileSystem::ReleaseHeld(const std::string& held_path) {
  const std::shared_ptr<Log> log = logs_->Release(held_path);
  return RecycleOrDelete(log.get(), held_path);
}

IOStatus LogFileSystem::Truncate(const std::string& path, size_t size, const IOOptions& options,
                                 IODebugContext* debug) {
  if (LogNumber(path) != 0) return NoLogOperation("truncating a log", path);
  return FileSystemWrapper::Truncate(path, size, options, debug);
}

IOStatus LogFileSystem::RenameFile(const std::string& from, const std::string& to,
                                   const IOOptions& options, IODebugContext* debug) {
  if (LogNumber(from) != 0 || LogNumber(to) != 0) return NoLogOperation("renaming a log", from);
  return FileSystemWrapper::RenameFile(from, to, options, debug);
}

IOStatus LogFileSystem::LinkFile(const std::string& from, const std::string& to,
                                 const IOOptions& options, IODebugContext* debug) {
  if (LogNumber(from) != 0 || LogNumber(to) != 0) return NoLogOperation("linking a log", from);
  return FileSystemWrapper::LinkFile(from, to, options, debug);
}

}  // namespace mooring::wal
