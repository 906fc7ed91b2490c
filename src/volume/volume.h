#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/volume/identity.h"
#include "src/volume/mount.h"
#include "src/volume/owner_lock.h"

namespace mooring::volume {

// Directories that others keep beside the data; FORMAT.md.
inline constexpr char kImportDirectory[] = "data.import";
inline constexpr char kExportDirectory[] = "export";

struct AcquireOptions {
  std::string path;
  bool create_if_missing = true;
  MountPolicy mounts = MountPolicy::kDurable;
  std::string expected_store_id;  // Empty: any. Otherwise also the id of a new store.
  absl::Duration timeout;         // For the previous owner to go.
  // A complete store whose data directory is lost is no error: the caller can bring it back.
  bool accept_missing_data = false;
  std::function<void()> waiting;  // Called about every 50 ms while waiting for it; may be empty.
  // Called with the lock held before a store is made there; an error ends the call. May be empty.
  std::function<absl::Status(const std::string& path)> before_create;
};

// A volume that this process owns: inspected, locked, identified, and its epoch raised. FORMAT.md
// has the files and their invariants. Thread-safe, but for MarkComplete(), RaiseEpochAbove()
// and the destructor.
class Volume {
 public:
  // FAILED_PRECONDITION  the mount is not fit, another owner holds the volume, it holds another
  //                      store or a newer format, or a directory that is not the store's alone.
  // NOT_FOUND            the path is missing, or holds no store and `create_if_missing` is off.
  // INVALID_ARGUMENT     the path is no directory, or the expected id not 32 hexadecimal digits.
  // PERMISSION_DENIED    the path cannot be written.
  // DATA_LOSS            a file of the volume is missing or damaged; the message says which. But
  //                      for the lock file, nothing was changed.
  // RESOURCE_EXHAUSTED   a new store does not fit. An existing one opens on a full volume.
  // UNAVAILABLE          reading or writing failed.
  //
  // A creation that was cut short at any point is completed by the next call.
  static absl::StatusOr<std::unique_ptr<Volume>> Acquire(const AcquireOptions& options);

  ~Volume() = default;  // Releases the lock.
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  const std::string& store_id() const { return identity_.store_id; }
  // Higher than that of every earlier Acquire() of this store on this volume.
  uint64_t epoch() const { return epoch_; }
  // Makes the epoch higher than `floor`, durably: the state comes from another volume that was at
  // that epoch.
  [[nodiscard]] absl::Status RaiseEpochAbove(uint64_t floor);
  const std::string& path() const { return path_; }  // Absolute.
  // For the engine's files; exists, durably, but for data_missing().
  std::string data_directory() const;
  // The data directory of a complete store was empty or missing when the volume was acquired;
  // false unless `accept_missing_data`.
  bool data_missing() const { return data_missing_; }

  // The data directory has never been completed, by this or an earlier owner: whatever is in it
  // was never acknowledged, and the engine may start an empty state there. Once it is false, an
  // engine that finds no state has lost it.
  bool created() const { return !identity_.complete; }

  // Says, durably, that the data directory now holds a state. To be called where created() is true
  // after the engine has made its files and before the first commit. Nothing where it is false.
  [[nodiscard]] absl::Status MarkComplete();

 private:
  Volume(std::string path, OwnerLock lock, Identity identity, uint64_t epoch, bool data_missing);

  const std::string path_;  // Absolute.
  const OwnerLock lock_;
  Identity identity_;
  uint64_t epoch_;
  const bool data_missing_;
};

}  // namespace mooring::volume
