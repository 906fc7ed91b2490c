#include "src/volume/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"

namespace mooring::volume {
namespace {

constexpr char kMountInfo[] = "/proc/self/mountinfo";

// Kubernetes keeps an emptyDir on the node's own file system, in a directory of this name.
constexpr char kEmptyDir[] = "/kubernetes.io~empty-dir/";

constexpr std::array<std::string_view, 7> kEphemeralTypes = {
    "overlay", "tmpfs", "ramfs", "devtmpfs", "rootfs", "aufs", "fuse.fuse-overlayfs"};

constexpr std::array<std::string_view, 25> kNetworkTypes = {"nfs",
                                                            "nfs4",
                                                            "cifs",
                                                            "smb3",
                                                            "smbfs",
                                                            "ceph",
                                                            "9p",
                                                            "glusterfs",
                                                            "lustre",
                                                            "beegfs",
                                                            "afs",
                                                            "fuse.sshfs",
                                                            "fuse.glusterfs",
                                                            "fuse.ceph",
                                                            "fuse.ceph-fuse",
                                                            "fuse.s3fs",
                                                            "fuse.gcsfuse",
                                                            "fuse.mountpoint-s3",
                                                            "fuse.goofys",
                                                            "fuse.juicefs",
                                                            "fuse.rclone",
                                                            "fuse.seaweedfs",
                                                            "fuse.blobfuse",
                                                            "fuse.blobfuse2",
                                                            "fuse.moosefs"};

template <size_t N>
bool Contains(const std::array<std::string_view, N>& types, std::string_view type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes space, tab, newline and backslash as a backslash and three octal digits.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && IsOctal(text[i + 1]) && IsOctal(text[i + 2]) &&
        IsOctal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool HasOption(std::string_view options, std::string_view wanted) {
  for (const absl::string_view option : absl::StrSplit(ToAbsl(options), ',')) {
    if (ToStd(option) == wanted) return true;
  }
  return false;
}

bool InEmptyDir(std::string_view path) {
  return absl::StrContains(absl::StrCat(ToAbsl(path), "/"), kEmptyDir);
}

bool HoldsPath(std::string_view mount_point, std::string_view path) {
  if (mount_point == "/") return true;
  if (path.substr(0, mount_point.size()) != mount_point) return false;
  return path.size() == mount_point.size() || path[mount_point.size()] == '/';
}

std::string DescribeEphemeral(const Mount& mount) {
  if (InEmptyDir(mount.root) || InEmptyDir(mount.mount_point)) {
    return absl::StrCat(mount.type, " in a Kubernetes emptyDir");
  }
  if (mount.type == "overlay") return "overlay (the container's own layer)";
  if (mount.type == "tmpfs" || mount.type == "ramfs" || mount.type == "devtmpfs") {
    return absl::StrCat(mount.type, " (memory)");
  }
  return mount.type;
}

// Files in /proc have no size, so they are read until they end.
absl::StatusOr<std::string> ReadToEnd(std::string_view path) {
  MOORING_ASSIGN_OR_RETURN(const PosixFile file, PosixFile::Open(path, O_RDONLY));
  std::string text;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t size = ::read(file.fd(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoError("read", path, errno);
    if (size == 0) return text;
    text.append(buffer.data(), size);
  }
}

absl::Status UnknownMount(std::string_view path, std::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot tell which file system holds ", ToAbsl(path), " (", ToAbsl(why),
                   "). Mount /proc, or set allow_unsafe_volume if the path is known to outlive "
                   "the pod."));
}

}  // namespace

std::vector<Mount> ParseMountInfo(std::string_view text) {
  // 36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue
  std::vector<Mount> mounts;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    if (fields.size() < 10) continue;
    // Any number of optional fields stands between the sixth and the dash.
    const auto dash = std::find(fields.begin() + 6, fields.end(), "-");
    if (fields.end() - dash < 4) continue;
    mounts.push_back({Unescape(ToStd(fields[3])), Unescape(ToStd(fields[4])),
                      std::string(ToStd(fields[5])), Unescape(ToStd(dash[1])),
                      Unescape(ToStd(dash[2])), std::string(ToStd(dash[3]))});
  }
  return mounts;
}

const Mount* FindMount(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* found = nullptr;
  for (const Mount& mount : mounts) {
    if (!HoldsPath(mount.mount_point, path)) continue;
    if (found == nullptr || mount.mount_point.size() >= found->mount_point.size()) found = &mount;
  }
  return found;
}

MountKind ClassifyMount(const Mount& mount) {
  if (Contains(kEphemeralTypes, mount.type)) return MountKind::kEphemeral;
  if (InEmptyDir(mount.root) || InEmptyDir(mount.mount_point)) return MountKind::kEphemeral;
  return Contains(kNetworkTypes, mount.type) ? MountKind::kNetwork : MountKind::kLocal;
}

bool IsReadOnly(const Mount& mount) {
  return HasOption(mount.options, "ro") || HasOption(mount.super_options, "ro");
}

absl::Status CheckMountOf(std::string_view path, const Mount& mount, MountPolicy policy) {
  if (IsReadOnly(mount)) {
    return absl::FailedPreconditionError(absl::StrCat(
        ToAbsl(path), " is on ", mount.type, ", mounted read-only at ", mount.mount_point,
        ". Mount it read-write; if the kernel made it read-only "
        "after an error, check the file system first."));
  }
  if (policy == MountPolicy::kAny) return absl::OkStatus();
  switch (ClassifyMount(mount)) {
    case MountKind::kLocal:
      return absl::OkStatus();
    case MountKind::kEphemeral:
      if (policy == MountPolicy::kAnyThatLocks) return absl::OkStatus();
      return absl::FailedPreconditionError(
          absl::StrCat(ToAbsl(path), " is on ", DescribeEphemeral(mount),
                       ": it is lost when the pod moves. Mount a persistent volume there, "
                       "configure an archive, or set allow_unsafe_volume to accept the loss."));
    case MountKind::kNetwork:
      return absl::FailedPreconditionError(absl::StrCat(
          ToAbsl(path), " is on ", mount.type, " (a network file system, ", mount.source,
          "): its locks cannot keep a second owner out. Mount a block "
          "volume there, or set allow_unsafe_volume to accept the risk."));
  }
  return absl::InternalError("unreachable");
}

absl::StatusOr<std::string> ResolvePath(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(path.c_str(), nullptr), ::free);
  if (resolved == nullptr) return ErrnoError("realpath", path, errno);
  return std::string(resolved.get());
}

absl::Status CheckMount(const std::string& path, MountPolicy policy) {
  MOORING_ASSIGN_OR_RETURN(const std::string resolved, ResolvePath(path));
  const absl::StatusOr<std::string> text = ReadToEnd(kMountInfo);
  if (!text.ok()) {
    return policy == MountPolicy::kAny ? absl::OkStatus()
                                       : UnknownMount(path, ToStd(text.status().message()));
  }
  const std::vector<Mount> mounts = ParseMountInfo(*text);
  const Mount* mount = FindMount(mounts, resolved);
  if (mount != nullptr) return CheckMountOf(path, *mount, policy);
  return policy == MountPolicy::kAny
             ? absl::OkStatus()
             : UnknownMount(path, absl::StrCat("no mount in ", kMountInfo, " holds it"));
}

}  // namespace mooring::volume
