#include "bench/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"

namespace mooring::bench {

absl::StatusOr<Scratch> Scratch::Make(const std::string& volume) {
  if (volume.empty()) {
    return absl::InvalidArgumentError(
        "no volume: give --volume DIR, a directory on the disk to measure");
  }
  std::string path = volume + "/mooring-bench-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return ErrnoError("cannot make", path, errno);
  return Scratch(std::move(path));
}

Scratch::~Scratch() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

absl::StatusOr<std::string> Scratch::FreshDirectory(std::string_view name) const {
  const std::string path = absl::StrCat(path_, "/", ToAbsl(name));
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return ErrnoError("cannot remove", path, error.value());
  if (mkdir(path.c_str(), 0755) != 0) return ErrnoError("cannot make", path, errno);
  Settle();
  return path;
}

void Scratch::Settle() const {
  absl::StatusOr<PosixFile> directory = PosixFile::Open(path_, O_RDONLY | O_DIRECTORY);
  if (directory.ok()) syncfs(directory->fd());
}

std::string Scratch::FileSystemName() const {
  struct statfs info = {};
  if (statfs(path_.c_str(), &info) != 0) return "unknown";
  switch (static_cast<uint32_t>(info.f_type)) {
    case 0xEF53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    case 0x9123683E:
      return "btrfs";
    case 0x01021994:
      return "tmpfs";
    case 0x794C7630:
      return "overlay";
    default:
      return absl::StrCat("0x", absl::Hex(static_cast<uint32_t>(info.f_type)));
  }
}

}  // namespace mooring::bench
