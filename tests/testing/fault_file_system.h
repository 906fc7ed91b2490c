#pragma once

#include <errno.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "rocksdb/file_system.h"
#include "tests/testing/fault_disk.h"
#include "tests/testing/fault_injector.h"

namespace mooring::testing {

// RocksDB's file system over a FaultDisk: power cuts, failing and stalling calls, a full volume,
// and damage, all of them decided by the test.
//
//   auto files = FaultFileSystem::Create();
//   ... open a database over it, write ...
//   std::shared_ptr<FaultFileSystem> after = files->CrashClone(seed);   // the power goes now
//   ... close the first database, open another over `after` ...
//
// Errors look as RocksDB's own POSIX file system makes them: ENOSPC is a retryable NoSpace, ENOENT
// PathNotFound, all else IOError. Thread-safe; a clone may be taken while other threads write.
class FaultFileSystem : public rocksdb::FileSystem {
 public:
  // Empty but for the root directory.
  static std::shared_ptr<FaultFileSystem> Create();

  // What a power cut now may leave, independent of this file system. Nothing is injected there.
  std::shared_ptr<FaultFileSystem> CrashClone(uint64_t seed,
                                              DirectoryLoss loss = DirectoryLoss::kSuffix) const;
  // What killing the process now leaves.
  std::shared_ptr<FaultFileSystem> KillClone() const;

  FaultInjector& faults() { return *faults_; }
  FaultDisk& disk() { return *disk_; }

  // From the n-th call of these kinds on (counted from now), once or for good, calls fail.
  void FailCall(uint64_t n, uint32_t calls, int error, bool permanent = false) {
    faults_->Add({calls, "", n, permanent, error, false, false});
  }
  // The n-th sync from now answers EIO and loses what it should have written; later ones answer OK.
  void LoseSync(uint64_t n, std::string_view path_contains = "") {
    faults_->Add({kSyncCall, std::string(path_contains), n, false, EIO, true, false});
  }

  const char* Name() const override { return "FaultFileSystem"; }

  using Options = rocksdb::IOOptions;
  using Debug = rocksdb::IODebugContext;
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      Debug*) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        Debug*) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    Debug*) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       Debug*) override;
  rocksdb::IOStatus NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                    Debug*) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const Options&,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory, Debug*) override;
  rocksdb::IOStatus FileExists(const std::string& path, const Options&, Debug*) override;
  rocksdb::IOStatus GetChildren(const std::string& path, const Options&,
                                std::vector<std::string>* names, Debug*) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const Options&, Debug*) override;
  rocksdb::IOStatus Truncate(const std::string& path, size_t size, const Options&, Debug*) override;
  rocksdb::IOStatus CreateDir(const std::string& path, const Options&, Debug*) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const Options&, Debug*) override;
  rocksdb::IOStatus DeleteDir(const std::string& path, const Options&, Debug*) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const Options&, uint64_t* size,
                                Debug*) override;
  rocksdb::IOStatus GetFileModificationTime(const std::string& path, const Options&, uint64_t* time,
                                            Debug*) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const Options&,
                               Debug*) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to, const Options&,
                             Debug*) override;
  rocksdb::IOStatus NumFileLinks(const std::string& path, const Options&, uint64_t* count,
                                 Debug*) override;
  rocksdb::IOStatus AreFilesSame(const std::string& a, const std::string& b, const Options&,
                                 bool* same, Debug*) override;
  rocksdb::IOStatus LockFile(const std::string& path, const Options&, rocksdb::FileLock** lock,
                             Debug*) override;
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* lock, const Options&, Debug*) override;
  rocksdb::IOStatus GetTestDirectory(const Options&, std::string* path, Debug*) override;
  rocksdb::IOStatus NewLogger(const std::string& path, const Options&,
                              std::shared_ptr<rocksdb::Logger>* logger, Debug*) override;
  rocksdb::IOStatus GetAbsolutePath(const std::string& path, const Options&, std::string* absolute,
                                    Debug*) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const Options&, uint64_t* bytes,
                                 Debug*) override;
  rocksdb::IOStatus IsDirectory(const std::string& path, const Options&, bool* is_directory,
                                Debug*) override;

 private:
  explicit FaultFileSystem(std::shared_ptr<FaultDisk> disk)
      : disk_(std::move(disk)), faults_(std::make_shared<FaultInjector>()) {}

  // Asks the injector about `call`, then makes it, and says what came of it as RocksDB would.
  template <typename Call>
  rocksdb::IOStatus Do(FaultCall kind, const char* what, const std::string& path, Call call);
  rocksdb::IOStatus OpenFile(FaultCall kind, const std::string& path, FaultDisk::OpenMode mode,
                             FaultDisk::FilePtr* file);

  const std::shared_ptr<FaultDisk> disk_;
  const std::shared_ptr<FaultInjector> faults_;
  std::mutex locks_mutex_;
  std::set<std::string> locks_;
};

}  // namespace mooring::testing
