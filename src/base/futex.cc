#include "src/base/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace mooring {

void FutexWait(std::atomic<uint32_t>* word, uint32_t value, absl::Duration timeout) {
  timespec relative;
  timespec* limit = nullptr;
  if (timeout < absl::Hours(24 * 365)) {
    relative = absl::ToTimespec(std::max(timeout, absl::ZeroDuration()));
    limit = &relative;
  }
  ::syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, limit, nullptr, 0);
}

void FutexWake(std::atomic<uint32_t>* word) {
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace mooring
