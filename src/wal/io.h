#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// What the log needs of a rocksdb::FileSystem, in the house's terms.
namespace mooring::wal {

// NOT_FOUND, RESOURCE_EXHAUSTED for a full volume, UNAVAILABLE for all else; the message says
// `what` and `path`.
absl::Status ToStatus(const rocksdb::IOStatus& status, std::string_view what,
                      std::string_view path);

// W7: an error that RocksDB cannot forgive or retry.
rocksdb::IOStatus PlainError(const absl::Status& status);

// Repeated and trailing slashes taken away.
std::string NormalizePath(std::string_view path);

// The number in "NNNNNN.log", or 0.
uint64_t LogNumberOfName(std::string_view name);
std::string LogName(uint64_t log);

// The names in a directory; "." and ".." and what is gone since are left out.
absl::StatusOr<std::vector<std::string>> ListNames(rocksdb::FileSystem* fs,
                                                   const std::string& directory);

// `path` made of `size` zero bytes, synced. An older file of that name is replaced.
absl::Status WriteZeros(rocksdb::FileSystem* fs, const std::string& path, uint64_t size);

absl::StatusOr<std::unique_ptr<rocksdb::FSRandomRWFile>> OpenForWriting(rocksdb::FileSystem* fs,
                                                                        const std::string& path);

absl::Status SyncDirectory(rocksdb::FileSystem* fs, const std::string& directory);

// fdatasync by name.
absl::Status SyncFile(rocksdb::FileSystem* fs, const std::string& path);

// Asks the kernel to forget the pages of a synced file; a hint.
void DropFromCache(rocksdb::FileSystem* fs, const std::string& path);

// Reads a file from its beginning to its end through one window.
class WindowReader {
 public:
  enum class Source {
    kPageCache,
    kDevice,  // past the page cache, where the file system allows it
  };

  // At least `read_bytes` are read at once, where the file has them; but not from before
  // `expected_end` to beyond it, unless they are asked for.
  static absl::StatusOr<std::unique_ptr<WindowReader>> Open(rocksdb::FileSystem* fs,
                                                            const std::string& path, Source source,
                                                            uint64_t read_bytes = 1 << 20,
                                                            uint64_t expected_end = 0);
  ~WindowReader();

  uint64_t file_bytes() const { return file_bytes_; }

  // The bytes from `offset`, `size` of them or fewer where the file ends. Valid until the next
  // call. Going backwards is allowed and slow.
  absl::StatusOr<std::string_view> Read(uint64_t offset, uint64_t size);

 private:
  WindowReader(rocksdb::FileSystem* fs, std::string path, uint64_t file_bytes);

  absl::Status OpenBuffered();
  absl::Status Fill(uint64_t from, uint64_t to);
  absl::Status ReadInto(uint64_t offset, uint64_t size, char* out, uint64_t* got);
  void Reserve(uint64_t size);

  rocksdb::FileSystem* const fs_;
  const std::string path_;
  const uint64_t file_bytes_;
  std::unique_ptr<rocksdb::FSRandomAccessFile> file_;
  uint64_t read_bytes_ = 0;
  uint64_t expected_end_ = 0;
  bool direct_ = false;
  char* window_ = nullptr;  // aligned to blocks
  uint64_t window_capacity_ = 0;
  uint64_t window_from_ = 0;  // of the file; whole blocks
  uint64_t window_to_ = 0;
};

}  // namespace mooring::wal
