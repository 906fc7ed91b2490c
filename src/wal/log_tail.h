#pragma once

#include <rocksdb/file_system.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/wal/format.h"

namespace mooring::wal {

// Reads the logical bytes of a log in order, while it is being written and after it was renamed.
// Not thread-safe.
class LogTail {
 public:
  static absl::StatusOr<std::unique_ptr<LogTail>> Open(rocksdb::FileSystem* fs, std::string path,
                                                       uint64_t log, uint64_t generation);

  // Where the next byte comes from, in logical bytes.
  uint64_t offset() const { return offset_; }
  void Rewind();

  // Appends whole frames to `out` until it has `max_bytes` or the log's byte `limit` is reached,
  // which must be the end of a frame. What is not on the disk yet is read from the page cache:
  // `limit` is the caller's to choose.
  //
  // NOT_FOUND    the file is used for another log by now.
  // DATA_LOSS    a frame is damaged; the message says where.
  // UNAVAILABLE  the file cannot be read.
  [[nodiscard]] absl::Status Read(uint64_t limit, size_t max_bytes, std::string* out);

 private:
  LogTail(std::string path, std::unique_ptr<rocksdb::FSRandomAccessFile> file, uint64_t log,
          uint64_t generation);
  absl::StatusOr<std::string_view> Window(uint64_t offset, uint64_t size);
  absl::Status CheckUse();

  const std::string path_;
  const std::unique_ptr<rocksdb::FSRandomAccessFile> file_;
  const uint64_t log_;
  const uint64_t generation_;
  uint64_t offset_ = 0;
  uint64_t physical_ = kHeaderBytes;
  uint64_t due_ = 0;  // Bytes that the present call still wants.
  std::string window_;
  uint64_t window_from_ = 0;
};

}  // namespace mooring::wal
