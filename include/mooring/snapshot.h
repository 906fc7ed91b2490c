#pragma once

#include <memory>
#include <utility>

#include "mooring/version.h"

namespace mooring {

namespace internal {
class SnapshotState;
}  // namespace internal

// One moment of the whole store: every read that is given it sees exactly the commits up to
// `version()`, over all tables. Cheap to take and to copy. While any copy lives, what it can see is
// kept on the volume, and Close() waits for it. Thread-safe.
class Snapshot {
 public:
  Snapshot() = default;  // None: reads see the latest commits.
  explicit Snapshot(std::shared_ptr<const internal::SnapshotState> state)
      : state_(std::move(state)) {}

  // The last commit it sees; (0, 0) for none.
  Version version() const;
  const internal::SnapshotState* state() const { return state_.get(); }

 private:
  std::shared_ptr<const internal::SnapshotState> state_;
};

}  // namespace mooring
