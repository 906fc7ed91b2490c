#pragma once

#include <unistd.h>

namespace mooring::testing {

// Ends the process by SIGALRM where a test has not ended within `seconds`, so that a deadlock is a
// failure and not a hang. One at a time.
class HangGuard {
 public:
  explicit HangGuard(unsigned seconds = 240) { alarm(seconds); }
  ~HangGuard() { alarm(0); }
  HangGuard(const HangGuard&) = delete;
  HangGuard& operator=(const HangGuard&) = delete;
};

}  // namespace mooring::testing
