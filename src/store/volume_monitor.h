#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/base/operation_watch.h"
#include "src/engine/space_gate.h"
#include "src/volume/space_reserve.h"

namespace mooring::internal {

// Looks at the volume's space from a thread of its own, about every kInterval, and refuses commits
// before the volume is full. What is admitted and meets a full volume all the same waits at the
// gate. Thread-safe.
class VolumeMonitor {
 public:
  static constexpr absl::Duration kInterval = absl::Milliseconds(100);

  struct Callbacks {
    // The volume became full, or with OK has space again.
    std::function<void(const absl::Status&)> space_changed;
    // What a restore had set aside was removed, to make room.
    std::function<void(const std::string& path)> set_aside_removed;
    // Called once: the volume was found read-only.
    std::function<void(const absl::Status&)> read_only;
  };

  VolumeMonitor(std::string directory, std::shared_ptr<engine::SpaceGate> gate,
                std::shared_ptr<OperationWatch> watch, Callbacks callbacks);
  ~VolumeMonitor();  // Waits for a call on the volume that is under way.

  // RESOURCE_EXHAUSTED where there is no room for such a commit: for anything but deletes on a full
  // volume, for deletes too when the reserve is used up.
  absl::Status Admit(std::string_view operations) const {
    if (level_.load(std::memory_order_acquire) == volume::SpaceLevel::kPlenty) return {};
    return AdmitOnFullVolume(operations);
  }
  // The same for the making of a table.
  absl::Status AdmitTable() const;

 private:
  absl::Status AdmitOnFullVolume(std::string_view operations) const;
  void Run();
  void Look();
  void RemoveSetAside();

  const std::string directory_;
  const std::shared_ptr<engine::SpaceGate> gate_;
  const std::shared_ptr<OperationWatch> watch_;
  const Callbacks callbacks_;
  volume::SpaceReserve reserve_;  // Of the thread, as is
  bool told_read_only_ = false;   // this.
  std::atomic<volume::SpaceLevel> level_{volume::SpaceLevel::kPlenty};

  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace mooring::internal
