#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/volume/owner_lock.h"

namespace mooring::volume {

struct AcquireOptions {
  std::string path;
  bool create_if_missing = true;
  bool allow_unsafe = false;
  std::string expected_store_id;  // 32 hexadecimal digits; empty for any.
  absl::Duration timeout;         // For the previous owner to let go.
  std::function<void()> waiting;  // Called while it does not; may be empty.
};

// A store's place on a mounted volume, owned from Acquire() to the destructor. FORMAT.md has the
// files and invariants V1 to V5.
class Volume {
 public:
  // Inspects the mount, takes the owner lock, reads or begins the identity, and raises the epoch.
  // Errors as Store::Open() says.
  static absl::StatusOr<std::unique_ptr<Volume>> Acquire(const AcquireOptions& options);

  const std::string& store_id() const { return store_id_; }
  // Higher than in every opening before, durably.
  uint64_t epoch() const { return epoch_; }
  // Where the engine's files are.
  std::string data_directory() const { return path_ + "/data"; }
  // True until FinishCreation(): nothing was ever acknowledged from here, so the engine may be
  // made.
  bool creating() const { return creating_; }
  // The engine stands: from now on its absence is a loss. OK where that is known already.
  [[nodiscard]] absl::Status FinishCreation();

 private:
  Volume(std::string path, OwnerLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  absl::Status ReadIdentity(const AcquireOptions& options);
  absl::Status BeginCreation(const AcquireOptions& options);
  absl::Status WriteIdentity();
  absl::Status RaiseEpoch();

  const std::string path_;
  const OwnerLock lock_;
  std::string store_id_;
  uint64_t epoch_ = 0;
  bool creating_ = false;
};

}  // namespace mooring::volume
