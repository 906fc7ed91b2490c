#include "src/volume/space_reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"

namespace mooring::volume {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kBlockBytes = 4096;

std::string BallastPath(const std::string& directory) { return directory + "/BALLAST"; }

void RemoveBallast(const std::string& directory) { ::unlink(BallastPath(directory).c_str()); }

std::string Megabytes(uint64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / static_cast<double>(kMiB));
}

}  // namespace

absl::StatusOr<VolumeSpace> ReadVolumeSpace(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) return ErrnoError("statvfs", path, errno);
  VolumeSpace space;
  space.total_bytes = static_cast<uint64_t>(info.f_blocks) * info.f_frsize;
  space.free_bytes = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  space.read_only = (info.f_flag & ST_RDONLY) != 0;
  return space;
}

SpaceMarks SpaceMarks::For(uint64_t total_bytes) {
  SpaceMarks marks;
  marks.ballast_bytes = std::min(64 * kMiB, total_bytes / 50 / kBlockBytes * kBlockBytes);
  marks.low_bytes = std::min(256 * kMiB, total_bytes * 3 / 100);
  marks.resume_bytes = marks.low_bytes + marks.low_bytes / 2;
  marks.floor_bytes = std::min(16 * kMiB, total_bytes / 200);
  return marks;
}

SpaceReserve::SpaceReserve(std::string directory, ReadSpace read_space)
    : directory_(std::move(directory)), read_space_(std::move(read_space)) {}

uint64_t SpaceReserve::BallastBytes() const {
  struct stat info;
  if (::stat(BallastPath(directory_).c_str(), &info) != 0) return 0;
  return static_cast<uint64_t>(info.st_blocks) * 512;
}

absl::StatusOr<SpaceLevel> SpaceReserve::Check(bool blocked) {
  MOORING_ASSIGN_OR_RETURN(space_, read_space_(directory_));
  marks_ = SpaceMarks::For(space_.total_bytes);
  blocked_ = blocked;
  if (space_.read_only) return level_;
  uint64_t ballast = BallastBytes();
  // Hysteresis: what ended at one mark begins again at a higher one.
  const uint64_t mark = level_ == SpaceLevel::kPlenty ? marks_.low_bytes : marks_.resume_bytes;
  const uint64_t wanted = ballast_impossible_ ? 0 : marks_.ballast_bytes;
  if (!blocked && space_.free_bytes + ballast >= wanted + mark) {
    if (ballast < wanted) MakeBallast(wanted);
    return level_ = SpaceLevel::kPlenty;
  }
  // The ballast goes at the floor, or when a write already waits for it.
  if (ballast > 0 && (blocked || space_.free_bytes < marks_.floor_bytes)) {
    RemoveBallast(directory_);
    ballast = 0;
    MOORING_ASSIGN_OR_RETURN(space_, read_space_(directory_));
  }
  const bool out = ballast == 0 && (blocked || space_.free_bytes < marks_.floor_bytes);
  return level_ = out ? SpaceLevel::kOut : SpaceLevel::kLow;
}

absl::Status SpaceReserve::Explain() const {
  std::string text =
      absl::StrCat("the volume at ", directory_, " is full: ", Megabytes(space_.free_bytes), " of ",
                   Megabytes(space_.total_bytes), " are free");
  if (blocked_) absl::StrAppend(&text, ", and a write was refused for want of space or quota");
  absl::StrAppend(&text, "; writes need ", Megabytes(marks_.resume_bytes + marks_.ballast_bytes),
                  ". Nothing was applied. ",
                  level_ == SpaceLevel::kOut ? "Not even deletes have room. " : "",
                  "Delete data or grow the volume: writes resume by themselves.");
  return absl::ResourceExhaustedError(text);
}

void SpaceReserve::RemoveBallastWhereLow(const std::string& directory) {
  const absl::StatusOr<VolumeSpace> space = ReadVolumeSpace(directory);
  if (space.ok() && space->free_bytes < SpaceMarks::For(space->total_bytes).low_bytes) {
    RemoveBallast(directory);
  }
}

void SpaceReserve::MakeBallast(uint64_t bytes) {
  RemoveBallast(directory_);
  absl::StatusOr<PosixFile> file =
      PosixFile::Open(BallastPath(directory_), O_CREAT | O_WRONLY | O_TRUNC);
  if (!file.ok()) return;  // Tried again at the next check.
  if (::fallocate(file->fd(), 0, 0, static_cast<off_t>(bytes)) == 0) {
    // Some file systems promise the space without setting it aside.
    if (BallastBytes() >= bytes) return;
    ballast_impossible_ = true;
  } else if (errno == EOPNOTSUPP || errno == ENOSYS) {
    ballast_impossible_ = true;
  }
  RemoveBallast(directory_);
}

}  // namespace mooring::volume
