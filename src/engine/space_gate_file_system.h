#pragma once

#include <memory>
#include <string>

#include "rocksdb/file_system.h"
#include "rocksdb/listener.h"
#include "src/engine/space_gate.h"

namespace mooring::engine {

// Keeps RocksDB and the log from meeting ENOSPC and EDQUOT: a call that does waits at the gate and
// is made again. A write that got half way is repeated at the same offset. A call that has to fail
// answers a plain IOError, which nothing tries to recover from.
//
// Only what may be done without fails at once, as NoSpace: filling a file of the log's own, made
// ahead, with more than kAlwaysWaitsBytes. Syncs are never repeated, for the pages may be gone.
//
// Thread-safe as far as `target` is.
class SpaceGateFileSystem : public rocksdb::FileSystemWrapper {
 public:
  static constexpr size_t kAlwaysWaitsBytes = size_t{64} << 10;

  SpaceGateFileSystem(std::shared_ptr<rocksdb::FileSystem> target, std::shared_ptr<SpaceGate> gate)
      : FileSystemWrapper(std::move(target)), gate_(std::move(gate)) {}

  const char* Name() const override { return "MooringSpaceGateFileSystem"; }

  using IOStatus = rocksdb::IOStatus;
  using IOOptions = rocksdb::IOOptions;
  using FileOptions = rocksdb::FileOptions;
  using Debug = rocksdb::IODebugContext;
  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file, Debug* debug) override;
  IOStatus NewRandomRWFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSRandomRWFile>* file, Debug* debug) override;
  IOStatus CreateDir(const std::string& path, const IOOptions& options, Debug* debug) override;
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& options,
                              Debug* debug) override;
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      Debug* debug) override;
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                    Debug* debug) override;

 private:
  const std::shared_ptr<SpaceGate> gate_;
};

// Tells the file systems above which threads are compacting, and deletes what a compaction that was
// given up has written. Every database over such a file system needs one.
std::shared_ptr<rocksdb::EventListener> NewSpaceGateListener();

}  // namespace mooring::engine
