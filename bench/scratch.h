#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mooring::bench {

// A directory of the benchmark's own on the volume, removed with all that is in it at the end.
class Scratch {
 public:
  static absl::StatusOr<Scratch> Make(const std::string& volume);
  ~Scratch();
  Scratch(Scratch&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  Scratch& operator=(Scratch&&) = delete;

  // A new, empty directory; whatever was there under this name is removed. Then the volume is
  // synced, so that nobody's measurement pays for what another left behind.
  absl::StatusOr<std::string> FreshDirectory(std::string_view name) const;

  // Waits until the volume holds all that was written to it.
  void Settle() const;

  // "ext4", "xfs", ...; the number in hexadecimal where the name is not known.
  std::string FileSystemName() const;

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}

  std::string path_;  // Empty once moved from.
};

}  // namespace mooring::bench
