#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::volume {

// What the file system says of itself.
struct VolumeSpace {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // For users without privileges.
  bool read_only = false;
};
absl::StatusOr<VolumeSpace> ReadVolumeSpace(const std::string& path);

// The marks at which a volume counts as full.
//
//                         200 MiB    10 GiB    1 TiB
//   ballast     2 %         4 MiB    64 MiB   64 MiB   a file that is removed when space runs out
//   low         3 %         6 MiB   256 MiB  256 MiB   beside the ballast: fewer bytes end puts
//   resume      low + half  9 MiB   384 MiB  384 MiB   beside the ballast: more bytes allow them
//   floor       0.5 %       1 MiB    16 MiB   16 MiB   with no ballast left: fewer end deletes too
struct SpaceMarks {
  static SpaceMarks For(uint64_t total_bytes);
  uint64_t ballast_bytes = 0;
  uint64_t low_bytes = 0;
  uint64_t resume_bytes = 0;
  uint64_t floor_bytes = 0;
};

enum class SpaceLevel {
  kPlenty = 0,
  kLow = 1,  // Only what frees space should be written.
  kOut = 2,  // Nothing should be written.
};

// Keeps a ballast file on the volume, so that when space runs out deletes and the flushes that they
// need can go on, and says when to stop writing and when to go on. The owner of the volume has one.
// Not thread-safe.
class SpaceReserve {
 public:
  using ReadSpace = std::function<absl::StatusOr<VolumeSpace>(const std::string& path)>;

  // The ballast is `directory`/BALLAST. Touches nothing yet.
  explicit SpaceReserve(std::string directory, ReadSpace read_space = ReadVolumeSpace);

  // Looks at the volume, removes or makes the ballast, and tells the level. `blocked`: a write has
  // met a full volume or an exhausted quota, whatever the free bytes say. UNAVAILABLE where the
  // volume cannot be asked.
  absl::StatusOr<SpaceLevel> Check(bool blocked);

  // As Check() found it.
  const VolumeSpace& space() const { return space_; }
  // RESOURCE_EXHAUSTED for people: what, where, the numbers and what to do.
  absl::Status Explain() const;

  // Removes the ballast where puts would be refused: opening has to write, too.
  static void RemoveBallastWhereLow(const std::string& directory);

 private:
  void MakeBallast(uint64_t bytes);
  uint64_t BallastBytes() const;

  const std::string directory_;
  const ReadSpace read_space_;
  VolumeSpace space_;
  SpaceMarks marks_;
  SpaceLevel level_ = SpaceLevel::kPlenty;
  bool blocked_ = false;
  bool ballast_impossible_ = false;  // The file system cannot reserve space.
};

}  // namespace mooring::volume
