#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "src/wal/log_set.h"

namespace mooring::wal {

// The log that RocksDB writes: what it appends goes into frames. One thread appends; others may
// sync meanwhile.
class LogFile : public rocksdb::FSWritableFile {
 public:
  // `file` holds a durable header of `log` and `allocated` bytes.
  LogFile(std::shared_ptr<LogSet> logs, std::shared_ptr<Log> log, std::string path,
          std::unique_ptr<rocksdb::FSRandomRWFile> file, uint64_t allocated);
  ~LogFile() override;

  using rocksdb::FSWritableFile::Append;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo& verification,
                           rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override;
  // Syncs what is not synced yet, so that a clean end leaves nothing to chance.
  rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override;
  uint64_t GetFileSize(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override;
  bool IsSyncThreadSafe() const override { return true; }

  // Nothing is buffered here, and the file is preallocated already.
  rocksdb::IOStatus Flush(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus Truncate(uint64_t, const rocksdb::IOOptions&,
                             rocksdb::IODebugContext*) override;
  rocksdb::IOStatus RangeSync(uint64_t, uint64_t, const rocksdb::IOOptions&,
                              rocksdb::IODebugContext*) override;
  rocksdb::IOStatus Allocate(uint64_t, uint64_t, const rocksdb::IOOptions&,
                             rocksdb::IODebugContext*) override;
  void PrepareWrite(size_t, size_t, const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {}

 private:
  rocksdb::IOStatus AppendFrame(std::string_view payload);
  absl::Status ReachTo(uint64_t end);
  char* Buffer(uint64_t size);
  void Grow(uint64_t from);

  const std::shared_ptr<LogSet> logs_;
  const std::shared_ptr<Log> log_;
  const std::string path_;
  std::unique_ptr<rocksdb::FSRandomRWFile> file_;

  uint64_t physical_ = kHeaderBytes;  // where the next frame goes
  uint64_t allocated_;                // bytes of the file that were all written once
  uint64_t reach_;                    // W9: up to here frames may be written
  std::unique_ptr<char[]> buffer_;
  uint64_t buffer_bytes_ = 0;
};

// A recovered log, opened again by RocksDB to cut what it takes for preallocation. Changes nothing.
class UnwritableLogFile : public rocksdb::FSWritableFile {
 public:
  explicit UnwritableLogFile(uint64_t length) : length_(length) {}

  using rocksdb::FSWritableFile::Append;
  rocksdb::IOStatus Append(const rocksdb::Slice&, const rocksdb::IOOptions&,
                           rocksdb::IODebugContext*) override;
  rocksdb::IOStatus Truncate(uint64_t size, const rocksdb::IOOptions&,
                             rocksdb::IODebugContext*) override;
  rocksdb::IOStatus Close(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus Flush(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override;
  uint64_t GetFileSize(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return length_;
  }

 private:
  const uint64_t length_;
};

// The logical bytes of a log, from memory.
class LogContent : public rocksdb::FSSequentialFile {
 public:
  // `on_read`, which may be empty, is told of the bytes of each read.
  LogContent(std::shared_ptr<const std::string> data, std::function<void(size_t)> on_read)
      : data_(std::move(data)), on_read_(std::move(on_read)) {}

  rocksdb::IOStatus Read(size_t size, const rocksdb::IOOptions& options, rocksdb::Slice* result,
                         char* scratch, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Skip(uint64_t size) override;

 private:
  const std::shared_ptr<const std::string> data_;
  const std::function<void(size_t)> on_read_;
  size_t at_ = 0;
};

}  // namespace mooring::wal
