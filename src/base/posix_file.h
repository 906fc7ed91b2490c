#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring {

// An open file, closed by the destructor. Every call retries EINTR and short transfers, and its
// errors name the path. Thread-safe as far as pread, pwrite and fdatasync are.
class PosixFile {
 public:
  PosixFile() = default;
  ~PosixFile();
  PosixFile(PosixFile&& other) noexcept;
  PosixFile& operator=(PosixFile&& other) noexcept;

  // `flags` are those of open(2); O_CLOEXEC is added. New files get mode 0644.
  static absl::StatusOr<PosixFile> Open(std::string_view path, int flags);

  [[nodiscard]] absl::Status WriteAt(uint64_t offset, std::string_view data);
  // Exactly `size` bytes, or OUT_OF_RANGE where the file ends before.
  [[nodiscard]] absl::Status ReadAt(uint64_t offset, size_t size, char* out) const;
  [[nodiscard]] absl::Status SyncData();  // fdatasync
  [[nodiscard]] absl::Status Sync();      // fsync
  absl::StatusOr<uint64_t> Size() const;
  void Close();

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  int fd_ = -1;
  std::string path_;
};

// The whole file. NOT_FOUND where there is none.
absl::StatusOr<std::string> ReadFile(std::string_view path);

// Replaces `path` by `data`, whole or not at all, durable when OK is returned: written to
// `path`.tmp, synced, renamed, directory synced.
[[nodiscard]] absl::Status WriteFileDurably(std::string_view path, std::string_view data);

// Makes the names in `path` durable.
[[nodiscard]] absl::Status SyncDirectory(std::string_view path);

// Makes one directory, if it is not there, and makes its name durable in its parent.
[[nodiscard]] absl::Status MakeDirectoryDurably(std::string_view path);

// The names in a directory, sorted, without "." and "..".
absl::StatusOr<std::vector<std::string>> ListDirectory(std::string_view path);

[[nodiscard]] absl::Status RenameFile(std::string_view from, std::string_view to);
// OK where there is no such file.
[[nodiscard]] absl::Status RemoveFile(std::string_view path);
absl::StatusOr<bool> FileExists(std::string_view path);

// The part of `path` before its last '/'; "." where there is none, "/" for the root.
std::string DirectoryOf(std::string_view path);

}  // namespace mooring
