#include "tests/testing/fault_file_system.h"

#include <errno.h>

#include <optional>
#include <utility>

#include "tests/testing/fault_file_handles.h"

namespace mooring::testing {
namespace {

using rocksdb::FileOptions;
using rocksdb::IOStatus;

// RocksDB's own log is of no use to a test, and its writes would be counted and fail.
class SilentLogger : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class PathLock : public rocksdb::FileLock {
 public:
  explicit PathLock(const std::string& path) : path_(path) {}
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace

std::shared_ptr<FaultFileSystem> FaultFileSystem::Create() {
  return std::shared_ptr<FaultFileSystem>(new FaultFileSystem(std::make_shared<FaultDisk>()));
}

std::shared_ptr<FaultFileSystem> FaultFileSystem::CrashClone(uint64_t seed,
                                                             DirectoryLoss loss) const {
  return std::shared_ptr<FaultFileSystem>(new FaultFileSystem(disk_->PowerCut(seed, loss)));
}

std::shared_ptr<FaultFileSystem> FaultFileSystem::KillClone() const {
  return std::shared_ptr<FaultFileSystem>(new FaultFileSystem(disk_->Clone()));
}

template <typename Call>
IOStatus FaultFileSystem::Do(FaultCall kind, const char* what, const std::string& path, Call call) {
  const std::optional<Fault> fault = faults_->Enter(kind, path);
  return FaultStatus(what, path, fault ? fault->error : call());
}

IOStatus FaultFileSystem::OpenFile(FaultCall kind, const std::string& path,
                                   FaultDisk::OpenMode mode, FaultDisk::FilePtr* file) {
  return Do(kind, "open", path, [&] { return disk_->Open(path, mode, file); });
}

IOStatus FaultFileSystem::NewSequentialFile(const std::string& path, const FileOptions& options,
                                            std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                            Debug*) {
  FaultDisk::FilePtr opened;
  const IOStatus status = OpenFile(kReadCall, path, {}, &opened);
  if (status.ok()) *file = NewFaultSequentialFile({faults_, opened}, options.use_direct_reads);
  return status;
}

IOStatus FaultFileSystem::NewRandomAccessFile(const std::string& path, const FileOptions& options,
                                              std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                              Debug*) {
  FaultDisk::FilePtr opened;
  const IOStatus status = OpenFile(kReadCall, path, {}, &opened);
  if (status.ok()) *file = NewFaultRandomAccessFile({faults_, opened}, options.use_direct_reads);
  return status;
}

IOStatus FaultFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file, Debug*) {
  FaultDisk::FilePtr opened;
  const IOStatus status = OpenFile(kCreateCall, path, {true, true}, &opened);
  if (status.ok()) *file = NewFaultWritableFile({faults_, opened}, options);
  return status;
}

IOStatus FaultFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                                             Debug*) {
  FaultDisk::FilePtr opened;
  const IOStatus status = OpenFile(kCreateCall, path, {true, false}, &opened);
  if (status.ok()) *file = NewFaultWritableFile({faults_, opened}, options);
  return status;
}

IOStatus FaultFileSystem::NewRandomRWFile(const std::string& path, const FileOptions&,
                                          std::unique_ptr<rocksdb::FSRandomRWFile>* file, Debug*) {
  FaultDisk::FilePtr opened;
  const IOStatus status = OpenFile(kCreateCall, path, {}, &opened);
  if (status.ok()) *file = NewFaultRandomRWFile({faults_, opened});
  return status;
}

IOStatus FaultFileSystem::NewDirectory(const std::string& path, const Options&,
                                       std::unique_ptr<rocksdb::FSDirectory>* directory, Debug*) {
  FaultDisk::FileInfo info;
  int error = disk_->Stat(path, &info);
  if (error == 0 && !info.is_directory) error = ENOTDIR;
  if (error == 0) *directory = NewFaultDirectory(faults_, disk_, path);
  return FaultStatus("open", path, error);
}

IOStatus FaultFileSystem::FileExists(const std::string& path, const Options&, Debug*) {
  FaultDisk::FileInfo info;
  return disk_->Stat(path, &info) == 0 ? IOStatus::OK() : IOStatus::NotFound();
}

IOStatus FaultFileSystem::GetChildren(const std::string& path, const Options&,
                                      std::vector<std::string>* names, Debug*) {
  names->clear();
  const int error = disk_->List(path, names);
  if (error == ENOENT || error == ENOTDIR) return IOStatus::NotFound();
  return FaultStatus("opendir", path, error);
}

IOStatus FaultFileSystem::DeleteFile(const std::string& path, const Options&, Debug*) {
  return Do(kDeleteCall, "unlink", path, [&] { return disk_->Unlink(path); });
}

IOStatus FaultFileSystem::Truncate(const std::string& path, size_t size, const Options&, Debug*) {
  return Do(kWriteCall, "truncate", path, [&] {
    FaultDisk::FilePtr file;
    const int error = disk_->Open(path, {}, &file);
    return error != 0 ? error : file->Truncate(size);
  });
}

IOStatus FaultFileSystem::CreateDir(const std::string& path, const Options&, Debug*) {
  return Do(kCreateCall, "mkdir", path, [&] { return disk_->MakeDirectory(path); });
}

IOStatus FaultFileSystem::CreateDirIfMissing(const std::string& path, const Options& options,
                                             Debug* debug) {
  bool is_directory = false;
  if (!IsDirectory(path, options, &is_directory, debug).ok()) {
    return CreateDir(path, options, debug);
  }
  return FaultStatus("mkdir", path, is_directory ? 0 : ENOTDIR);
}

IOStatus FaultFileSystem::DeleteDir(const std::string& path, const Options&, Debug*) {
  return Do(kDeleteCall, "rmdir", path, [&] { return disk_->RemoveDirectory(path); });
}

IOStatus FaultFileSystem::GetFileSize(const std::string& path, const Options&, uint64_t* size,
                                      Debug*) {
  FaultDisk::FileInfo info;
  const int error = disk_->Stat(path, &info);
  *size = info.size;
  return FaultStatus("stat", path, error);
}

IOStatus FaultFileSystem::GetFileModificationTime(const std::string& path, const Options&,
                                                  uint64_t* time, Debug*) {
  FaultDisk::FileInfo info;
  const int error = disk_->Stat(path, &info);
  *time = info.modified;
  return FaultStatus("stat", path, error);
}

IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to, const Options&,
                                     Debug*) {
  return Do(kRenameCall, "rename", from, [&] { return disk_->Rename(from, to); });
}

IOStatus FaultFileSystem::LinkFile(const std::string& from, const std::string& to, const Options&,
                                   Debug*) {
  return Do(kCreateCall, "link", from, [&] { return disk_->Link(from, to); });
}

IOStatus FaultFileSystem::NumFileLinks(const std::string& path, const Options&, uint64_t* count,
                                       Debug*) {
  FaultDisk::FileInfo info;
  const int error = disk_->Stat(path, &info);
  *count = info.links;
  return FaultStatus("stat", path, error);
}

IOStatus FaultFileSystem::AreFilesSame(const std::string& a, const std::string& b, const Options&,
                                       bool* same, Debug*) {
  *same = disk_->SameFile(a, b);
  return IOStatus::OK();
}

IOStatus FaultFileSystem::LockFile(const std::string& path, const Options&,
                                   rocksdb::FileLock** lock, Debug*) {
  const std::lock_guard<std::mutex> guard(locks_mutex_);
  if (locks_.count(path) > 0) return FaultStatus("lock", path, EAGAIN);
  FaultDisk::FilePtr file;
  const IOStatus status = OpenFile(kCreateCall, path, {true, false}, &file);
  if (!status.ok()) return status;
  locks_.insert(path);
  *lock = new PathLock(path);
  return IOStatus::OK();
}

IOStatus FaultFileSystem::UnlockFile(rocksdb::FileLock* lock, const Options&, Debug*) {
  const std::lock_guard<std::mutex> guard(locks_mutex_);
  const std::unique_ptr<PathLock> held(static_cast<PathLock*>(lock));
  locks_.erase(held->path());
  return IOStatus::OK();
}

IOStatus FaultFileSystem::GetTestDirectory(const Options&, std::string* path, Debug*) {
  *path = "/test";
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewLogger(const std::string&, const Options&,
                                    std::shared_ptr<rocksdb::Logger>* logger, Debug*) {
  *logger = std::make_shared<SilentLogger>();
  return IOStatus::OK();
}

IOStatus FaultFileSystem::GetAbsolutePath(const std::string& path, const Options&,
                                          std::string* absolute, Debug*) {
  *absolute = path;
  return IOStatus::OK();
}

IOStatus FaultFileSystem::GetFreeSpace(const std::string&, const Options&, uint64_t* bytes,
                                       Debug*) {
  *bytes = disk_->FreeBytes();
  return IOStatus::OK();
}

IOStatus FaultFileSystem::IsDirectory(const std::string& path, const Options&, bool* is_directory,
                                      Debug*) {
  FaultDisk::FileInfo info;
  const int error = disk_->Stat(path, &info);
  *is_directory = info.is_directory;
  return FaultStatus("stat", path, error);
}

}  // namespace mooring::testing
