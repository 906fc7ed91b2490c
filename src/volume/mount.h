#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::volume {

// One line of /proc/self/mountinfo, with its octal escapes undone.
struct Mount {
  std::string root;  // The directory of the file system that is mounted.
  std::string mount_point;
  std::string options;        // Of this mount, comma-separated.
  std::string type;           // For example "ext4".
  std::string source;         // For example "/dev/sda1".
  std::string super_options;  // Of the file system, comma-separated.
};

// Whether what is written there outlives the pod, and whether its locks can be trusted.
enum class MountKind {
  kLocal = 0,      // A file system on a device of this node.
  kEphemeral = 1,  // Lost with the pod: overlay, tmpfs, ramfs, Kubernetes' emptyDir.
  kNetwork = 2,    // Shared with other nodes: its locks may be lost without a word.
};

// Which of them a store may live on.
enum class MountPolicy {
  kDurable = 0,       // What outlives the pod, and locks.
  kAnyThatLocks = 1,  // Ephemeral ones too: the state is kept elsewhere.
  kAny = 2,
};

// The mounts in the order of the file, which is the order of mounting. Lines that are not mounts
// are passed over: the kernel may add fields, but never shows less than these.
std::vector<Mount> ParseMountInfo(std::string_view text);

// The mount that holds `path`, an absolute path without symbolic links: the longest mount point
// above it, and of several there the last. Null where there is none.
const Mount* FindMount(const std::vector<Mount>& mounts, std::string_view path);

MountKind ClassifyMount(const Mount& mount);
bool IsReadOnly(const Mount& mount);

// Whether a store can live on `mount`; `path` is what errors name. A read-only mount is always
// refused.
//
// FAILED_PRECONDITION  it cannot; the message names path, file-system type and remedy.
[[nodiscard]] absl::Status CheckMountOf(std::string_view path, const Mount& mount,
                                        MountPolicy policy);

// CheckMountOf() for the mount that holds `path` at this moment. Where that cannot be found out
// (no /proc), only kAny lets it pass.
//
// NOT_FOUND  there is no such path.
[[nodiscard]] absl::Status CheckMount(const std::string& path, MountPolicy policy);

// `path` made absolute and free of symbolic links.
absl::StatusOr<std::string> ResolvePath(const std::string& path);

}  // namespace mooring::volume
