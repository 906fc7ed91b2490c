#include "src/volume/owner_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring::volume {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(50);

// The holder's line is padded to this size, so that writing it needs no space on a full volume that
// was opened before.
constexpr size_t kHolderBytes = 256;

std::string HolderLine() {
  std::array<char, 128> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  std::string line = absl::StrCat("pid ", ::getpid(), " on host ", host.data());
  line.resize(kHolderBytes - 1, ' ');
  return line + "\n";
}

// Who wrote the line last. Between taking the lock and writing it, that is the owner before.
std::string ReadHolder(const PosixFile& file) {
  std::string line(kHolderBytes, '\0');
  if (!file.ReadAt(0, line.size(), line.data()).ok()) return "another process";
  return line.substr(0, line.find_last_not_of(" \n") + 1);
}

absl::StatusOr<bool> TryLock(const PosixFile& file) {
  struct flock whole_file = {};
  whole_file.l_type = F_WRLCK;
  whole_file.l_whence = SEEK_SET;
  while (::fcntl(file.fd(), F_OFD_SETLK, &whole_file) != 0) {
    if (errno == EAGAIN || errno == EACCES) return false;
    if (errno != EINTR) return ErrnoError("lock", file.path(), errno);
  }
  return true;
}

// False where the name means another file by now: a lock on the old one would exclude nobody.
absl::StatusOr<bool> IsStillNamed(const PosixFile& file) {
  struct stat opened;
  struct stat named;
  if (::fstat(file.fd(), &opened) != 0) return ErrnoError("fstat", file.path(), errno);
  if (::stat(file.path().c_str(), &named) != 0) {
    if (errno == ENOENT) return false;
    return ErrnoError("stat", file.path(), errno);
  }
  return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

absl::Status HeldByAnother(const std::string& path, const std::string& holder,
                           absl::Duration waited) {
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is locked by ", holder, "; waited ",
      absl::FormatDuration(absl::Trunc(waited, absl::Milliseconds(1))),
      ". One owner at a time: end that one, or wait longer. Removing the file helps nobody."));
}

}  // namespace

absl::StatusOr<OwnerLock> OwnerLock::Acquire(const std::string& path, absl::Duration timeout,
                                             const std::function<void()>& waiting) {
  const auto start = std::chrono::steady_clock::now();
  while (true) {
    MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_RDWR | O_CREAT));
    MOORING_ASSIGN_OR_RETURN(const bool locked, TryLock(file));
    if (locked) {
      MOORING_ASSIGN_OR_RETURN(const bool named, IsStillNamed(file));
      if (!named) continue;
      MOORING_RETURN_IF_ERROR(file.WriteAt(0, HolderLine()));
      return OwnerLock(std::move(file));
    }
    const absl::Duration waited = absl::FromChrono(std::chrono::steady_clock::now() - start);
    if (waited >= timeout) return HeldByAnother(path, ReadHolder(file), waited);
    if (waiting) waiting();
    std::this_thread::sleep_for(
        absl::ToChronoNanoseconds(std::min(kPollInterval, timeout - waited)));
  }
}

absl::StatusOr<std::optional<std::string>> OwnerLock::HolderOf(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const PosixFile file, PosixFile::Open(path, O_RDONLY));
  struct flock whole_file = {};
  whole_file.l_type = F_WRLCK;
  whole_file.l_whence = SEEK_SET;
  while (::fcntl(file.fd(), F_OFD_GETLK, &whole_file) != 0) {
    if (errno != EINTR) return ErrnoError("ask for the lock on", path, errno);
  }
  if (whole_file.l_type == F_UNLCK) return std::optional<std::string>();
  return std::optional<std::string>(ReadHolder(file));
}

}  // namespace mooring::volume
