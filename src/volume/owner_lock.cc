#include "src/volume/owner_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::volume {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(50);
constexpr size_t kMaxOwnerBytes = 256;

// True where the lock was taken, false where another has it.
absl::StatusOr<bool> TryLock(const PosixFile& file) {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  if (::fcntl(file.fd(), F_OFD_SETLK, &range) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return ErrnoError("lock", file.path(), errno);
}

// Who has the lock, for people; the owner wrote it into the file.
std::string Owner(const PosixFile& file) {
  const absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok() || *size == 0 || *size > kMaxOwnerBytes) return "another process";
  std::string owner(*size, '\0');
  if (!file.ReadAt(0, owner.size(), owner.data()).ok()) return "another process";
  while (!owner.empty() && owner.back() == '\n') owner.pop_back();
  return owner;
}

// Only for messages, so that an error here, on a full volume for one, is none.
void WriteOwner(PosixFile* file) {
  char host[128] = {};
  if (::gethostname(host, sizeof(host) - 1) != 0) host[0] = '\0';
  const std::string owner = absl::StrCat("process ", ::getpid(), " on ", host, "\n");
  if (::ftruncate(file->fd(), 0) == 0) file->WriteAt(0, owner).IgnoreError();
}

}  // namespace

absl::StatusOr<OwnerLock> OwnerLock::Acquire(std::string_view path, absl::Duration timeout,
                                             const std::function<void()>& waiting) {
  MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_RDWR | O_CREAT));
  const Deadline deadline(timeout);
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(const bool taken, TryLock(file));
    if (taken) break;
    if (deadline.Passed()) {
      return absl::FailedPreconditionError(
          absl::StrCat(ToAbsl(path), " is held by ", Owner(file), ", which did not let go within ",
                       absl::FormatDuration(timeout),
                       ". End that owner, or wait longer: see Options::acquire_timeout."));
    }
    if (waiting) waiting();
    absl::SleepFor(std::min(kPause, deadline.Left()));
  }
  WriteOwner(&file);
  return OwnerLock(std::move(file));
}

}  // namespace mooring::volume
