#pragma once

#include <atomic>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mooring::engine {

// Decides what becomes of a write that met a full volume or an exhausted quota, so that RocksDB,
// which would end writing for good or abort, never learns of it (space_gate_file_system.h).
//
//   opening   The write fails, and refused() says so: Open() answers RESOURCE_EXHAUSTED.
//   serving   The write waits and is tried again until there is room.
//   stopping  The write fails at once: closing must not hang. What it would have written to sorted
//             files is in the log.
//
// A compaction does not wait for room for its files: it would hold the space that it waits for. It
// is given up, what it wrote is deleted, and it is tried again later. Once they are written,
// installing them waits as any other write does.
//
// Thread-safe.
class SpaceGate {
 public:
  explicit SpaceGate(absl::Duration retry_interval = absl::Milliseconds(100))
      : retry_interval_(retry_interval) {}

  void BeginServing();
  void Stop();

  // Too little space for compactions to go on: those under way are given up.
  void SetScarce(bool scarce) { scarce_.store(scarce, std::memory_order_relaxed); }
  bool scarce() const { return scarce_.load(std::memory_order_relaxed); }

  // A write is waiting for room at this moment: the volume is full whatever statvfs says.
  bool blocked() const { return blocked_.load(std::memory_order_relaxed) > 0; }
  // A write failed for want of room.
  bool refused() const { return refused_.load(std::memory_order_relaxed); }

  // Waits until a write that met a full volume should be tried again. False: it has to fail.
  bool AwaitRetry();

  // One write that waits for room, from construction to destruction.
  class Blocked {
   public:
    explicit Blocked(SpaceGate* gate) : gate_(gate) { gate_->blocked_.fetch_add(1); }
    ~Blocked() { gate_->blocked_.fetch_sub(1); }
    Blocked(const Blocked&) = delete;
    Blocked& operator=(const Blocked&) = delete;

   private:
    SpaceGate* const gate_;
  };

 private:
  enum class State { kOpening, kServing, kStopping };

  const absl::Duration retry_interval_;
  std::atomic<bool> scarce_{false};
  std::atomic<int> blocked_{0};
  std::atomic<bool> refused_{false};

  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kOpening;
};

}  // namespace mooring::engine
