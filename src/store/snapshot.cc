#include "mooring/snapshot.h"

#include "src/store/snapshot_state.h"

namespace mooring {

Version Snapshot::version() const {
  if (state_ == nullptr) return {};
  return {state_->core().epoch(), state_->moment().sequence()};
}

absl::StatusOr<const engine::EngineSnapshot*> internal::EngineSnapshotOf(const Snapshot& snapshot,
                                                                         const StoreCore& core) {
  if (snapshot.state() == nullptr) return nullptr;
  if (&snapshot.state()->core() == &core) return &snapshot.state()->moment();
  return absl::InvalidArgumentError("the snapshot is of another opened store");
}

}  // namespace mooring
