#include "src/snapshot/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring::snapshot {
namespace {

// After so many bytes the kernel is asked to begin writing them.
constexpr uint64_t kSendBytes = uint64_t{8} << 20;

absl::Status Exists(const std::string& path) {
  return absl::AlreadyExistsError(
      absl::StrCat(path,
                   " is there already, and nothing is overwritten. Choose another name, or "
                   "remove it."));
}

absl::StatusOr<bool> IsNamed(const PosixFile& file, const std::string& path) {
  struct stat open_file;
  struct stat named;
  if (::fstat(file.fd(), &open_file) != 0) return ErrnoError("fstat", path, errno);
  if (::stat(path.c_str(), &named) != 0) {
    if (errno == ENOENT) return false;
    return ErrnoError("stat", path, errno);
  }
  return open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

// The file at `path`, locked by this process alone.
absl::StatusOr<PosixFile> OpenLocked(const std::string& path) {
  while (true) {
    MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_RDWR | O_CREAT | O_NOFOLLOW));
    if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return ErrnoError("flock", path, errno);
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is being written by another export"));
    }
    // Another process may have published or removed it just before.
    MOORING_ASSIGN_OR_RETURN(const bool named, IsNamed(file, path));
    if (named) return file;
  }
}

// A rename that replaces nothing.
absl::Status MoveToFreeName(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  if (errno == EEXIST) return Exists(to);
  if (errno != EINVAL && errno != ENOSYS) return ErrnoError("rename", from, errno);
  // The file system has no such rename.
  if (::link(from.c_str(), to.c_str()) != 0) {
    if (errno == EEXIST) return Exists(to);
    return ErrnoError("link", to, errno);
  }
  return RemoveFile(from);
}

}  // namespace

absl::Status StreamedFile::Append(std::string_view data) {
  MOORING_RETURN_IF_ERROR(file_.WriteAt(size_, data));
  size_ += data.size();
  if (size_ - sent_ < kSendBytes && !wait_) return absl::OkStatus();
  const unsigned wait = wait_ ? SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER : 0;
  // Where this is refused, the sync does it all.
  ::sync_file_range(file_.fd(), static_cast<off_t>(sent_), static_cast<off_t>(size_ - sent_),
                    SYNC_FILE_RANGE_WRITE | wait);
  sent_ = size_;
  return absl::OkStatus();
}

PublishedFile::PublishedFile(std::string path, PosixFile file)
    : path_(std::move(path)), partial_(file.path()), file_(std::move(file)) {}

PublishedFile::~PublishedFile() {
  if (!published_) RemoveFile(partial_).IgnoreError();
}

absl::StatusOr<std::unique_ptr<PublishedFile>> PublishedFile::Create(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const bool there, FileExists(path));
  if (there) return Exists(path);
  MOORING_ASSIGN_OR_RETURN(PosixFile file, OpenLocked(path + ".partial"));
  if (::ftruncate(file.fd(), 0) != 0) return ErrnoError("truncate", file.path(), errno);
  return std::unique_ptr<PublishedFile>(new PublishedFile(path, std::move(file)));
}

absl::Status PublishedFile::Publish() {
  MOORING_RETURN_IF_ERROR(file_.Sync());
  MOORING_RETURN_IF_ERROR(MoveToFreeName(partial_, path_));
  published_ = true;
  return SyncDirectory(DirectoryOf(path_));
}

}  // namespace mooring::snapshot
