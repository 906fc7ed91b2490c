#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace mooring {

// What a store can do at the moment, for readiness and liveness probes.
struct Health {
  enum class State {
    kStarting = 0,  // Open() is under way. Alive; not ready.
    kServing = 1,   // Reads and writes.
    kFull = 2,      // The volume is full: reads and deletes go on, other writes are refused with
                    // RESOURCE_EXHAUSTED, and resume by themselves when there is space again.
    kReadOnly = 3,  // Writes are refused until the store is reopened; `reason` says why.
    kClosed = 4,    // Close() was called, or Open() failed; `reason` says why it failed.
  };

  // An input or output operation on the volume that has not answered for a second or more.
  struct Stall {
    std::string operation;  // For example "fdatasync /var/lib/orders/data/000012.log".
    absl::Duration age;
  };

  State state = State::kStarting;
  absl::Status reason;         // OK unless the state needs a reason.
  std::optional<Stall> stall;  // The oldest one, while there is one.

  // "serving", "read-only: DATA_LOSS: ..." and so on, for people.
  std::string ToString() const;
};

// A store's health, readable from any thread also while Open() runs: make one, give it to
// Options::health_monitor, and let the probe's handler read it. Thread-safe.
class HealthMonitor {
 public:
  Health Get() const;

  // Called by the store only.
  void Set(Health::State state, absl::Status reason = absl::OkStatus());
  void SetStallProbe(std::function<std::optional<Health::Stall>()> probe);

 private:
  mutable std::mutex mutex_;
  Health health_;
  std::function<std::optional<Health::Stall>()> stall_probe_;
};

}  // namespace mooring
