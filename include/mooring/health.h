#pragma once

#include <cstdint>
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

  // How the files that hold the tables are: see Options::scrub_bytes_per_second. Since the opening.
  struct Scrub {
    int64_t files_checked = 0;
    int64_t bytes_checked = 0;
    int64_t passes = 0;          // Over all files.
    int64_t files_repaired = 0;  // From the archive.
    int64_t files_damaged = 0;   // At the moment: not repaired. Reads of them answer DATA_LOSS.
    absl::Status damage;         // Of one of them: which, where, and what to do. OK: there is none.
  };

  State state = State::kStarting;
  absl::Status reason;         // OK unless the state needs a reason.
  std::optional<Stall> stall;  // The oldest one, while there is one.
  Scrub scrub;

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
  void SetScrub(Health::Scrub scrub);

 private:
  mutable std::mutex mutex_;
  Health health_;
  std::function<std::optional<Health::Stall>()> stall_probe_;
};

}  // namespace mooring
