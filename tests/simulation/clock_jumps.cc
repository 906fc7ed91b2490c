// Loaded before a program (LD_PRELOAD): the wall clock that it reads jumps by up to ten years to
// and fro, at random, as MOORING_CLOCK_SEED has it. The steady clock goes on.

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace {

std::atomic<uint64_t> state{0};
std::atomic<int64_t> offset_seconds{0};

int64_t JumpingOffset() {
  if (state == 0) {
    const char* const seed = getenv("MOORING_CLOCK_SEED");
    state = (seed == nullptr ? 0 : strtoull(seed, nullptr, 10)) * 2 + 1;
  }
  uint64_t next = state;
  next ^= next << 13;
  next ^= next >> 7;
  next ^= next << 17;
  state = next;
  constexpr int64_t kDecade = 315360000;
  if (next % 50 == 0) {
    offset_seconds = static_cast<int64_t>(next >> 16) % (2 * kDecade) - kDecade;
  }
  return offset_seconds;
}

int Read(clockid_t clock, timespec* time) {
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    time->tv_sec += JumpingOffset();
  }
  return result;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept { return Read(clock, time); }

int gettimeofday(timeval* time, void*) noexcept {
  timespec now;
  const int result = Read(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return result;
}

time_t time(time_t* out) noexcept {
  timespec now;
  Read(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

}  // extern "C"
