#pragma once

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "mooring/snapshot.h"
#include "src/engine/engine.h"
#include "src/store/reader_gate.h"
#include "src/store/store_core.h"

namespace mooring::internal {

class SnapshotState {
 public:
  SnapshotState(std::shared_ptr<StoreCore> core, ReaderToken token)
      : core_(std::move(core)), token_(std::move(token)), moment_(core_->engine().TakeSnapshot()) {}

  const StoreCore& core() const { return *core_; }
  const engine::EngineSnapshot& moment() const { return *moment_; }

 private:
  const std::shared_ptr<StoreCore> core_;
  const ReaderToken token_;  // After the core, before what it guards.
  const std::unique_ptr<engine::EngineSnapshot> moment_;
};

// The engine's part of `snapshot`, null for none; INVALID_ARGUMENT where it is of another store.
absl::StatusOr<const engine::EngineSnapshot*> EngineSnapshotOf(const Snapshot& snapshot,
                                                               const StoreCore& core);

}  // namespace mooring::internal
