#include "tests/testing/fault_file_handles.h"

#include <errno.h>
#include <string.h>

#include <optional>
#include <string_view>
#include <utility>

namespace mooring::testing {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

std::string_view View(const Slice& slice) { return {slice.data(), slice.size()}; }

// What the kinds of open files have in common.
class Handle {
 public:
  explicit Handle(FaultHandle handle) : handle_(std::move(handle)) {}

  FaultDisk::File& file() const { return *handle_.file; }

  IOStatus Write(uint64_t offset, const Slice& data) {
    return WriteBy(data, [&](std::string_view part) { return file().Write(offset, part); });
  }

  IOStatus Append(const Slice& data) {
    return WriteBy(data, [&](std::string_view part) { return file().Append(part); });
  }

  IOStatus Truncate(uint64_t size) {
    const std::optional<Fault> fault = handle_.faults->Enter(kWriteCall, file().path());
    return Status("ftruncate", fault ? fault->error : file().Truncate(size));
  }

  IOStatus Sync() {
    const std::optional<Fault> fault = handle_.faults->Enter(kSyncCall, file().path());
    if (fault && fault->loses_dirty_pages) file().LoseDirtyPages();
    return Status("fdatasync", fault ? fault->error : file().Sync());
  }

  IOStatus Read(uint64_t offset, size_t length, Slice* result, char* scratch, bool direct) const {
    const std::optional<Fault> fault = handle_.faults->Enter(kReadCall, file().path());
    *result = Slice();
    if (fault) return Status("pread", fault->error);
    if (direct && !Aligned(offset, length, scratch)) return Status("pread", EINVAL);
    *result = Slice(scratch, file().Read(offset, length, scratch, direct));
    return IOStatus::OK();
  }

 private:
  template <typename WritePart>
  IOStatus WriteBy(const Slice& data, WritePart write) {
    const std::optional<Fault> fault = handle_.faults->Enter(kWriteCall, file().path());
    if (!fault) return Status("write", write(View(data)));
    if (fault->writes_half) write(View(data).substr(0, data.size() / 2));
    return Status("write", fault->error);
  }

  static bool Aligned(uint64_t offset, size_t length, const char* scratch) {
    constexpr uint64_t kUnit = FaultFileContents::kSectorBytes;
    return (offset | length | reinterpret_cast<uintptr_t>(scratch)) % kUnit == 0;
  }

  IOStatus Status(const char* what, int error) const {
    return FaultStatus(what, file().path(), error);
  }

  const FaultHandle handle_;
};

class SequentialFile : public rocksdb::FSSequentialFile {
 public:
  SequentialFile(FaultHandle handle, bool direct) : handle_(std::move(handle)), direct_(direct) {}

  IOStatus Read(size_t length, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    const IOStatus status = handle_.Read(offset_, length, result, scratch, false);
    offset_ += result->size();
    return status;
  }
  IOStatus PositionedRead(uint64_t offset, size_t length, const IOOptions&, Slice* result,
                          char* scratch, IODebugContext*) override {
    return handle_.Read(offset, length, result, scratch, direct_);
  }
  IOStatus Skip(uint64_t n) override {
    offset_ += n;
    return IOStatus::OK();
  }
  bool use_direct_io() const override { return direct_; }

 private:
  Handle handle_;
  const bool direct_;
  uint64_t offset_ = 0;
};

class RandomAccessFile : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccessFile(FaultHandle handle, bool direct) : handle_(std::move(handle)), direct_(direct) {}

  IOStatus Read(uint64_t offset, size_t length, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return handle_.Read(offset, length, result, scratch, direct_);
  }
  bool use_direct_io() const override { return direct_; }

 private:
  Handle handle_;
  const bool direct_;
};

class WritableFile : public rocksdb::FSWritableFile {
 public:
  WritableFile(FaultHandle handle, const rocksdb::FileOptions& options)
      : FSWritableFile(options), handle_(std::move(handle)), direct_(options.use_direct_writes) {}

  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    return handle_.Append(data);
  }
  IOStatus Append(const Slice& data, const IOOptions&, const rocksdb::DataVerificationInfo&,
                  IODebugContext*) override {
    return handle_.Append(data);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions&,
                            IODebugContext*) override {
    return handle_.Write(offset, data);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions&,
                            const rocksdb::DataVerificationInfo&, IODebugContext*) override {
    return handle_.Write(offset, data);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    return handle_.Truncate(size);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return handle_.Sync(); }
  bool IsSyncThreadSafe() const override { return true; }
  bool use_direct_io() const override { return direct_; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return handle_.file().Size(); }

 private:
  Handle handle_;
  const bool direct_;
};

class RandomRWFile : public rocksdb::FSRandomRWFile {
 public:
  explicit RandomRWFile(FaultHandle handle) : handle_(std::move(handle)) {}

  IOStatus Write(uint64_t offset, const Slice& data, const IOOptions&, IODebugContext*) override {
    return handle_.Write(offset, data);
  }
  IOStatus Read(uint64_t offset, size_t length, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return handle_.Read(offset, length, result, scratch, false);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return handle_.Sync(); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  Handle handle_;
};

class Directory : public rocksdb::FSDirectory {
 public:
  Directory(std::shared_ptr<FaultInjector> faults, std::shared_ptr<FaultDisk> disk,
            const std::string& path)
      : faults_(std::move(faults)), disk_(std::move(disk)), path_(path) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const std::optional<Fault> fault = faults_->Enter(kDirectorySyncCall, path_);
    return FaultStatus("fsync", path_, fault ? fault->error : disk_->SyncDirectory(path_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  const std::shared_ptr<FaultInjector> faults_;
  const std::shared_ptr<FaultDisk> disk_;
  const std::string path_;
};

}  // namespace

IOStatus FaultStatus(const char* what, const std::string& path, int error) {
  if (error == 0) return IOStatus::OK();
  const std::string where = std::string(what) + ": " + path;
  if (error == ENOENT) return IOStatus::PathNotFound(where, strerror(error));
  if (error != ENOSPC) return IOStatus::IOError(where, strerror(error));
  IOStatus status = IOStatus::NoSpace(where, strerror(error));
  status.SetRetryable(true);
  return status;
}

std::unique_ptr<rocksdb::FSSequentialFile> NewFaultSequentialFile(FaultHandle handle, bool direct) {
  return std::make_unique<SequentialFile>(std::move(handle), direct);
}

std::unique_ptr<rocksdb::FSRandomAccessFile> NewFaultRandomAccessFile(FaultHandle handle,
                                                                      bool direct) {
  return std::make_unique<RandomAccessFile>(std::move(handle), direct);
}

std::unique_ptr<rocksdb::FSWritableFile> NewFaultWritableFile(FaultHandle handle,
                                                              const rocksdb::FileOptions& options) {
  return std::make_unique<WritableFile>(std::move(handle), options);
}

std::unique_ptr<rocksdb::FSRandomRWFile> NewFaultRandomRWFile(FaultHandle handle) {
  return std::make_unique<RandomRWFile>(std::move(handle));
}

std::unique_ptr<rocksdb::FSDirectory> NewFaultDirectory(std::shared_ptr<FaultInjector> faults,
                                                        std::shared_ptr<FaultDisk> disk,
                                                        const std::string& path) {
  return std::make_unique<Directory>(std::move(faults), std::move(disk), path);
}

}  // namespace mooring::testing
