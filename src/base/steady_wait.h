#pragma once

#include <algorithm>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "src/base/steady_clock.h"

namespace mooring {

// Waits, with `mutex` held, until `condition` is true or `deadline` has passed; tells which.
// absl::Mutex itself waits for a time of the wall clock, so that it gives up early when that is
// set forward, and late, without bound, when it is set back. This looks every 10 ms at the longest:
// for waits that are rare.
inline bool AwaitSteadily(absl::Mutex* mutex, const absl::Condition& condition,
                          const Deadline& deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
  if (deadline.infinite()) {
    mutex->Await(condition);
    return true;
  }
  absl::Duration pause = absl::Microseconds(50);
  while (!condition.Eval() && !deadline.Passed()) {
    mutex->Unlock();
    absl::SleepFor(std::min(pause, deadline.Left()));
    mutex->Lock();
    pause = std::min(2 * pause, absl::Milliseconds(10));
  }
  return condition.Eval();
}

}  // namespace mooring
