#include "tests/testing/fault_injector.h"

namespace mooring::testing {
namespace {

bool Matches(uint32_t calls, std::string_view path_contains, FaultCall call,
             std::string_view path) {
  return (calls & call) != 0 && path.find(path_contains) != std::string_view::npos;
}

}  // namespace

FaultInjector::~FaultInjector() { Clear(); }

void FaultInjector::Add(const Fault& fault) {
  absl::MutexLock lock(&mutex_);
  faults_.push_back(fault);
}

void FaultInjector::Clear() {
  absl::MutexLock lock(&mutex_);
  faults_.clear();
  stall_.reset();
  ++stall_number_;
}

uint64_t FaultInjector::CallCount(uint32_t calls) const {
  absl::MutexLock lock(&mutex_);
  uint64_t count = 0;
  for (int bit = 0; bit < 7; ++bit) {
    if ((calls & (1u << bit)) != 0) count += counts_[bit];
  }
  return count;
}

uint64_t FaultInjector::FailureCount() const {
  absl::MutexLock lock(&mutex_);
  return failures_;
}

void FaultInjector::Stall(uint32_t calls, std::string_view path_contains, absl::Duration limit) {
  absl::MutexLock lock(&mutex_);
  stall_ = Stalling{calls, std::string(path_contains), limit};
  ++stall_number_;
}

bool FaultInjector::AwaitStalledCall(absl::Duration limit) const {
  absl::MutexLock lock(&mutex_);
  const auto stalled = [this] {
    mutex_.AssertHeld();
    return stalled_calls_ > 0;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&stalled), limit);
}

void FaultInjector::WaitWhileStalled(FaultCall call, std::string_view path) {
  if (!stall_.has_value() || !Matches(stall_->calls, stall_->path_contains, call, path)) return;
  const uint64_t number = stall_number_;
  const auto released = [this, number] {
    mutex_.AssertHeld();
    return stall_number_ != number;
  };
  ++stalled_calls_;
  mutex_.AwaitWithTimeout(absl::Condition(&released), stall_->limit);
  --stalled_calls_;
}

std::optional<Fault> FaultInjector::Enter(FaultCall call, std::string_view path) {
  absl::MutexLock lock(&mutex_);
  for (int bit = 0; bit < 7; ++bit) {
    if (call == (1u << bit)) ++counts_[bit];
  }
  WaitWhileStalled(call, path);
  std::optional<Fault> met;
  for (Fault& fault : faults_) {
    if (!Matches(fault.calls, fault.path_contains, call, path) || fault.nth == 0) continue;
    if (--fault.nth > 0) continue;
    if (fault.permanent) fault.nth = 1;
    met = fault;
  }
  if (met.has_value()) ++failures_;
  return met;
}

}  // namespace mooring::testing
