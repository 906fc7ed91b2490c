#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mooring::testing {

// Runs `body` in a child process with mounts of its own, so that nothing it mounts, freezes or
// breaks is left behind; the test fails where the child fails, or has not ended within `limit`,
// after which it is killed. Skips the test, saying why, without root or loop devices. Call it as
// the only thing that a test does: the child is this program, run again for this test alone.
//
//   TEST(FullVolumeTest, WritesResume) {
//     RunInOwnMounts(absl::Seconds(120), [](const std::string& directory) {
//       ASSERT_OK_AND_ASSIGN(auto volume, LoopVolume::Make({}, directory)); ...
//
// `directory` is an empty one on a real disk, removed afterwards.
void RunInOwnMounts(absl::Duration limit,
                    const std::function<void(const std::string& directory)>& body);

// A file system of its own on a loop device. Only within RunInOwnMounts(). Not thread-safe.
class LoopVolume {
 public:
  enum class Type { kExt4, kXfs };
  struct Options {
    Type type = Type::kExt4;
    int64_t bytes = int64_t{200} << 20;
    // Blocks of 4 KiB (ext4), and no request to the device is larger, so that each is taken or
    // refused as a whole. Needed where the image may find no room: a loop device answers OK to a
    // request of which the file below took only the first part.
    bool whole_blocks = false;
  };

  // UNAVAILABLE where the tools or the rights for it are missing.
  static absl::StatusOr<std::unique_ptr<LoopVolume>> Make(const Options& options,
                                                          const std::string& directory);
  // The file system that is in the image already, as after a power cut: with `check`, fsck mends it
  // first, else the kernel alone replays its journal.
  static absl::StatusOr<std::unique_ptr<LoopVolume>> Attach(Type type, const std::string& image,
                                                            const std::string& directory,
                                                            bool check);
  ~LoopVolume();
  LoopVolume(const LoopVolume&) = delete;
  LoopVolume& operator=(const LoopVolume&) = delete;

  // Where it is mounted.
  const std::string& path() const { return path_; }
  // The file that it is stored in.
  const std::string& image() const { return image_; }

  // Takes every free byte, and gives them back.
  absl::Status Fill();
  absl::Status Free();
  // Makes the device and the file system larger, mounted as they are.
  absl::Status Grow(int64_t bytes);
  // The file system finds an error and turns itself read-only (ext4 only).
  absl::Status TurnReadOnly();
  // As if the power failed at once: nothing reaches the device any more, and every call fails until
  // Remount().
  absl::Status Shutdown();
  // Unmounts, which needs every file closed, and mounts again; with `check` after fsck.
  absl::Status Remount(bool check);
  // Every write hangs until Thaw(), at the latest after 30 s.
  absl::Status Freeze();
  absl::Status Thaw();

 private:
  LoopVolume(const Options& options, std::string image, std::string path);
  absl::Status Mount();
  absl::Status Check() const;
  absl::Status LimitRequests(int kib);

  const Options options_;
  const std::string image_;
  const std::string path_;
  std::string device_;
  pid_t thawer_ = -1;
};

}  // namespace mooring::testing
