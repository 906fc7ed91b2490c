#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/options.h"
#include "mooring/version.h"
#include "src/archive/volume_record.h"
#include "src/cli/output.h"
#include "src/engine/look.h"
#include "src/volume/identity.h"
#include "src/volume/mount.h"

namespace mooring::cli {

// A volume, looked at without touching it.
struct VolumeView {
  std::string path;                    // Absolute.
  std::optional<volume::Mount> mount;  // Nothing where it cannot be found out.
  absl::Status mount_fit;              // Whether a store may live there.
  std::optional<std::string> owner;    // The living one.
  absl::StatusOr<volume::Identity> identity = absl::UnknownError("");
  absl::StatusOr<uint64_t> epoch = absl::UnknownError("");
  absl::StatusOr<archive::VolumeRecord> record = absl::UnknownError("");
  std::vector<std::string> leftovers;  // Of work that was cut short: "data.restore" and the like.

  std::string data() const { return path + "/data"; }
  // An import, or a copy, was cut short.
  bool import_is_unfinished() const;
  // The version of an operation, as its commit returned it.
  Version VersionOf(uint64_t sequence) const;
};

// NOT_FOUND: no such directory. What is wrong with the store is in the view.
absl::StatusOr<VolumeView> ViewVolume(const std::string& path);

// OK where a store can be looked at; else why not.
[[nodiscard]] absl::Status CheckReadable(const VolumeView& view);

// The state on the volume, with nothing changed, whoever owns it. Says in a note that an owner is
// alive.
absl::StatusOr<std::unique_ptr<engine::Look>> OpenLook(VolumeView& view, const Output& output);
// The same in one step.
absl::StatusOr<std::unique_ptr<engine::Look>> OpenLook(const std::string& path,
                                                       const Output& output);

// To own the volume for a moment: a tool's options.
struct OwnFlags {
  std::string volume;
  std::string archive;
  bool unsafe = false;
  bool accept_loss = false;
  bool adopt = false;
  bool create = false;
  bool scrub = false;  // Every file is proved, and repaired from the archive.
  double wait_seconds = 0;
};
Options MakeOptions(const OwnFlags& flags, const Output& output, ProgressMeter* meter);

}  // namespace mooring::cli
