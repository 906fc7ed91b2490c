#include "src/volume/mount.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring::volume {
namespace {

constexpr std::array<std::string_view, 4> kEphemeralTypes = {"overlay", "tmpfs", "ramfs", "rootfs"};
constexpr std::array<std::string_view, 15> kNetworkTypes = {
    "nfs",           "nfs4",   "cifs",      "smb3",       "smbfs",  "ceph",           "9p",
    "afs",           "lustre", "glusterfs", "fuse.sshfs", "beegfs", "fuse.glusterfs", "gpfs",
    "fuse.ceph-fuse"};
constexpr absl::string_view kEmptyDir = "kubernetes.io~empty-dir";

template <size_t N>
bool Contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The kernel writes space, tab, newline and backslash as three octal digits.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                        (text[i + 3] - '0')));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

bool HasOption(std::string_view options, std::string_view wanted) {
  for (const absl::string_view option : absl::StrSplit(ToAbsl(options), ',')) {
    if (option == ToAbsl(wanted)) return true;
  }
  return false;
}

// 36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw
std::optional<Mount> ParseLine(absl::string_view line) {
  const std::vector<std::string> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
  if (halves.size() != 2) return std::nullopt;
  const std::vector<std::string> left = absl::StrSplit(halves[0], ' ');
  const std::vector<std::string> right = absl::StrSplit(halves[1], ' ');
  if (left.size() < 6 || right.size() < 2) return std::nullopt;
  Mount mount;
  mount.root = Unescape(left[3]);
  mount.point = Unescape(left[4]);
  mount.type = right[0];
  mount.read_only = HasOption(left[5], "ro") || HasOption(right.back(), "ro");
  return mount;
}

bool Holds(const Mount& mount, std::string_view path) {
  if (mount.point == "/") return true;
  if (path.substr(0, mount.point.size()) != mount.point) return false;
  return path.size() == mount.point.size() || path[mount.point.size()] == '/';
}

absl::StatusOr<std::string> RealPath(std::string_view path) {
  const std::unique_ptr<char, decltype(&::free)> real(
      ::realpath(std::string(path).c_str(), nullptr), &::free);
  if (real == nullptr) return ErrnoError("realpath", path, errno);
  return std::string(real.get());
}

absl::Status Refuse(std::string_view path, const Mount& mount, std::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(
      ToAbsl(path), " is on ", mount.type, " (mounted at ", mount.point, "): ", ToAbsl(why)));
}

}  // namespace

bool Mount::empty_dir() const {
  return absl::StrContains(root, kEmptyDir) || absl::StrContains(point, kEmptyDir);
}

MountKind Mount::kind() const {
  if (empty_dir() || Contains(kEphemeralTypes, type)) return MountKind::kEphemeral;
  return Contains(kNetworkTypes, type) ? MountKind::kNetwork : MountKind::kLocal;
}

absl::StatusOr<Mount> FindMount(std::string_view mountinfo, std::string_view path) {
  std::optional<Mount> found;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(mountinfo), '\n', absl::SkipEmpty())) {
    std::optional<Mount> mount = ParseLine(line);
    if (!mount.has_value() || !Holds(*mount, path)) continue;
    if (!found.has_value() || mount->point.size() >= found->point.size()) found = std::move(mount);
  }
  if (found.has_value()) return *found;
  return absl::NotFoundError(absl::StrCat("no mount in /proc/self/mountinfo holds ", ToAbsl(path)));
}

absl::Status CheckMount(std::string_view path, bool allow_unsafe) {
  std::ifstream file("/proc/self/mountinfo");
  std::stringstream text;
  text << file.rdbuf();
  MOORING_ASSIGN_OR_RETURN(const std::string real, RealPath(path));
  MOORING_ASSIGN_OR_RETURN(const Mount mount, FindMount(text.str(), real));
  if (mount.read_only) {
    return Refuse(path, mount, "it is mounted read-only. Mount it writable.");
  }
  if (allow_unsafe || mount.kind() == MountKind::kLocal) return absl::OkStatus();
  if (mount.kind() == MountKind::kNetwork) {
    return Refuse(
        path, mount,
        "a network file system, whose locks cannot keep a second owner out. Mount a block "
        "volume there, or set allow_unsafe_volume.");
  }
  return Refuse(path, mount,
                mount.empty_dir()
                    ? "an emptyDir, which is lost when the pod moves. Mount a persistent volume "
                      "there, or set allow_unsafe_volume."
                    : "it is lost when the pod or the node ends. Mount a persistent volume there, "
                      "or set allow_unsafe_volume.");
}

}  // namespace mooring::volume
