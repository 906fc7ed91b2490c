#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/file_system.h"

namespace mooring::engine {

// The file system of an engine that must not be changed: it refuses every change, and shows `logs`,
// by number and with what RocksDB wrote to them, in place of those that are there.
class FrozenFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using Logs = std::map<uint64_t, std::string>;
  using Debug = rocksdb::IODebugContext;

  FrozenFileSystem(std::shared_ptr<rocksdb::FileSystem> target, Logs logs)
      : FileSystemWrapper(std::move(target)), logs_(std::move(logs)) {}
  const char* Name() const override { return "MooringFrozenFileSystem"; }

  rocksdb::IOStatus GetChildren(const std::string& path, const rocksdb::IOOptions& options,
                                std::vector<std::string>* names, Debug* debug) override;
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      Debug* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const rocksdb::IOOptions& options,
                                uint64_t* bytes, Debug* debug) override;

  rocksdb::IOStatus NewWritableFile(const std::string&, const rocksdb::FileOptions&,
                                    std::unique_ptr<rocksdb::FSWritableFile>*, Debug*) override {
    return Refusal();
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string&, const rocksdb::FileOptions&,
                                       std::unique_ptr<rocksdb::FSWritableFile>*, Debug*) override {
    return Refusal();
  }
  rocksdb::IOStatus ReuseWritableFile(const std::string&, const std::string&,
                                      const rocksdb::FileOptions&,
                                      std::unique_ptr<rocksdb::FSWritableFile>*, Debug*) override {
    return Refusal();
  }
  rocksdb::IOStatus NewRandomRWFile(const std::string&, const rocksdb::FileOptions&,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>*, Debug*) override {
    return Refusal();
  }
  rocksdb::IOStatus DeleteFile(const std::string&, const rocksdb::IOOptions&, Debug*) override {
    return Refusal();
  }
  rocksdb::IOStatus Truncate(const std::string&, size_t, const rocksdb::IOOptions&,
                             Debug*) override {
    return Refusal();
  }
  rocksdb::IOStatus CreateDir(const std::string&, const rocksdb::IOOptions&, Debug*) override {
    return Refusal();
  }
  rocksdb::IOStatus CreateDirIfMissing(const std::string&, const rocksdb::IOOptions&,
                                       Debug*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus RenameFile(const std::string&, const std::string&, const rocksdb::IOOptions&,
                               Debug*) override {
    return Refusal();
  }
  rocksdb::IOStatus LinkFile(const std::string&, const std::string&, const rocksdb::IOOptions&,
                             Debug*) override {
    return Refusal();
  }

 private:
  static rocksdb::IOStatus Refusal() {
    return rocksdb::IOStatus::IOError("this engine is only looked at");
  }
  // Null where `path` is no log that is shown.
  const std::string* FindLog(const std::string& path) const;

  const Logs logs_;
};

}  // namespace mooring::engine
