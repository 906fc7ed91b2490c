#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::volume {

enum class MountKind {
  kLocal = 1,
  kEphemeral = 2,  // Does not outlive the pod: overlay, tmpfs, ramfs, emptyDir.
  kNetwork = 3,    // Its locks cannot be trusted after a partition.
};

// One line of /proc/self/mountinfo, as far as it matters here.
struct Mount {
  std::string root;   // Of the file system, for a bind mount.
  std::string point;  // Where it is mounted.
  std::string type;   // "ext4", "overlay" and so on.
  bool read_only = false;

  MountKind kind() const;
  bool empty_dir() const;  // Kubernetes' emptyDir.
};

// The mount that holds `path`, an absolute path without links, in the text of /proc/self/mountinfo:
// the deepest one, and of several at one point the last, which hides the others. NOT_FOUND: there
// is none.
absl::StatusOr<Mount> FindMount(std::string_view mountinfo, std::string_view path);

// Whether state in the directory `path` can outlive the pod. FAILED_PRECONDITION names path, file
// system and remedy. `allow_unsafe` accepts all but a read-only mount.
[[nodiscard]] absl::Status CheckMount(std::string_view path, bool allow_unsafe);

}  // namespace mooring::volume
