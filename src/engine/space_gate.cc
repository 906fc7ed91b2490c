#include "src/engine/space_gate.h"

namespace mooring::engine {

void SpaceGate::BeginServing() {
  absl::MutexLock lock(&mutex_);
  if (state_ == State::kOpening) state_ = State::kServing;
}

void SpaceGate::Stop() {
  absl::MutexLock lock(&mutex_);
  state_ = State::kStopping;
}

bool SpaceGate::AwaitRetry() {
  absl::MutexLock lock(&mutex_);
  const auto ends = [this]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return state_ != State::kServing; };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&ends), retry_interval_)) return true;
  refused_.store(true, std::memory_order_relaxed);
  return false;
}

}  // namespace mooring::engine
