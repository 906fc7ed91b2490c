#pragma once

#include <memory>
#include <string>

#include "rocksdb/file_system.h"
#include "tests/testing/fault_disk.h"
#include "tests/testing/fault_injector.h"

namespace mooring::testing {

// `error` of a call, 0 for none, as RocksDB's POSIX file system reports it.
rocksdb::IOStatus FaultStatus(const char* what, const std::string& path, int error);

// The open files of a FaultFileSystem. They outlive it.
struct FaultHandle {
  std::shared_ptr<FaultInjector> faults;
  FaultDisk::FilePtr file;
};
std::unique_ptr<rocksdb::FSSequentialFile> NewFaultSequentialFile(FaultHandle handle, bool direct);
std::unique_ptr<rocksdb::FSRandomAccessFile> NewFaultRandomAccessFile(FaultHandle handle,
                                                                      bool direct);
std::unique_ptr<rocksdb::FSWritableFile> NewFaultWritableFile(FaultHandle handle,
                                                              const rocksdb::FileOptions& options);
std::unique_ptr<rocksdb::FSRandomRWFile> NewFaultRandomRWFile(FaultHandle handle);
std::unique_ptr<rocksdb::FSDirectory> NewFaultDirectory(std::shared_ptr<FaultInjector> faults,
                                                        std::shared_ptr<FaultDisk> disk,
                                                        const std::string& path);

}  // namespace mooring::testing
