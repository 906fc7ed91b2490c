#include "src/base/posix_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring {
namespace {

template <typename Call>
auto RetryInterrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

PosixFile::~PosixFile() { Close(); }

PosixFile::PosixFile(PosixFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

PosixFile& PosixFile::operator=(PosixFile&& other) noexcept {
  if (this == &other) return *this;
  Close();
  fd_ = std::exchange(other.fd_, -1);
  path_ = std::move(other.path_);
  return *this;
}

absl::StatusOr<PosixFile> PosixFile::Open(std::string_view path, int flags) {
  PosixFile file;
  file.path_ = std::string(path);
  file.fd_ = RetryInterrupted([&] { return ::open(file.path_.c_str(), flags | O_CLOEXEC, 0644); });
  if (file.fd_ < 0) return ErrnoError("open", path, errno);
  return file;
}

absl::Status PosixFile::WriteAt(uint64_t offset, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written =
        RetryInterrupted([&] { return ::pwrite(fd_, data.data(), data.size(), offset); });
    if (written < 0) return ErrnoError("write", path_, errno);
    offset += written;
    data.remove_prefix(written);
  }
  return absl::OkStatus();
}

absl::Status PosixFile::ReadAt(uint64_t offset, size_t size, char* out) const {
  while (size > 0) {
    const ssize_t read = RetryInterrupted([&] { return ::pread(fd_, out, size, offset); });
    if (read < 0) return ErrnoError("read", path_, errno);
    if (read == 0) {
      return absl::OutOfRangeError(
          absl::StrCat("read ", path_, ": the file ends at ", offset, ", ", size, " bytes short"));
    }
    offset += read;
    out += read;
    size -= read;
  }
  return absl::OkStatus();
}

absl::Status PosixFile::SyncData() {
  if (RetryInterrupted([&] { return ::fdatasync(fd_); }) == 0) return absl::OkStatus();
  return ErrnoError("fdatasync", path_, errno);
}

absl::Status PosixFile::Sync() {
  if (RetryInterrupted([&] { return ::fsync(fd_); }) == 0) return absl::OkStatus();
  return ErrnoError("fsync", path_, errno);
}

absl::StatusOr<uint64_t> PosixFile::Size() const {
  struct stat info;
  if (::fstat(fd_, &info) != 0) return ErrnoError("fstat", path_, errno);
  return static_cast<uint64_t>(info.st_size);
}

void PosixFile::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

absl::StatusOr<std::string> ReadFile(std::string_view path) {
  MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_RDONLY));
  MOORING_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  std::string data(size, '\0');
  MOORING_RETURN_IF_ERROR(file.ReadAt(0, size, data.data()));
  return data;
}

absl::Status WriteFileDurably(std::string_view path, std::string_view data) {
  const std::string temporary = absl::StrCat(ToAbsl(path), ".tmp");
  {
    MOORING_ASSIGN_OR_RETURN(PosixFile file,
                             PosixFile::Open(temporary, O_WRONLY | O_CREAT | O_TRUNC));
    MOORING_RETURN_IF_ERROR(file.WriteAt(0, data));
    MOORING_RETURN_IF_ERROR(file.Sync());
  }
  MOORING_RETURN_IF_ERROR(RenameFile(temporary, path));
  return SyncDirectory(DirectoryOf(path));
}

absl::Status SyncDirectory(std::string_view path) {
  MOORING_ASSIGN_OR_RETURN(PosixFile directory, PosixFile::Open(path, O_RDONLY | O_DIRECTORY));
  return directory.Sync();
}

absl::Status MakeDirectoryDurably(std::string_view path) {
  if (::mkdir(std::string(path).c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoError("mkdir", path, errno);
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::StatusOr<std::vector<std::string>> ListDirectory(std::string_view path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(std::string(path).c_str()),
                                                      ::closedir);
  if (directory == nullptr) return ErrnoError("opendir", path, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return ErrnoError("readdir", path, errno);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status RenameFile(std::string_view from, std::string_view to) {
  if (::rename(std::string(from).c_str(), std::string(to).c_str()) == 0) return absl::OkStatus();
  const int error = errno;
  return Annotate(ErrnoError("rename", from, error), absl::StrCat("to ", ToAbsl(to)));
}

absl::Status RemoveFile(std::string_view path) {
  if (::unlink(std::string(path).c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError("unlink", path, errno);
}

absl::StatusOr<bool> FileExists(std::string_view path) {
  struct stat info;
  if (::stat(std::string(path).c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return ErrnoError("stat", path, errno);
}

std::string DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

}  // namespace mooring
