#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace mooring {

// Time since some fixed moment that no clock adjustment moves.
inline absl::Duration SteadyNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

// A moment on the steady clock after which waiting ends.
class Deadline {
 public:
  explicit Deadline(absl::Duration timeout)
      : end_(timeout == absl::InfiniteDuration() ? timeout : SteadyNow() + timeout) {}
  absl::Duration Left() const {
    if (end_ == absl::InfiniteDuration()) return end_;
    const absl::Duration left = end_ - SteadyNow();
    return left > absl::ZeroDuration() ? left : absl::ZeroDuration();
  }
  bool Passed() const { return Left() == absl::ZeroDuration(); }
  bool infinite() const { return end_ == absl::InfiniteDuration(); }

 private:
  absl::Duration end_;
};

}  // namespace mooring
