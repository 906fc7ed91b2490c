// Tells the thread sanitizer of Abseil's locks. The packaged Abseil is not built for it, so that it
// does not see them and reports races that are none. The linker leads the calls in our objects to
// these functions (tsan.cmake beside this file), which add what the sanitizer has to know.
//
// A condition may be evaluated by whichever thread unlocks, inside the call and under the lock,
// where the sanitizer does not know it to be: reads within these calls are therefore not looked at.
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

// A call that gives the lock away, if it has it, and has it when it returns.
template <typename Call>
auto Relock(absl::Mutex* mutex, Call call) {
  struct Acquire {
    absl::Mutex* mutex;
    ~Acquire() { __tsan_acquire(mutex); }
  };
  __tsan_release(mutex);
  const Acquire acquire{mutex};
  const IgnoreReads ignore;
  return call();
}

}  // namespace

// The mangled names of Abseil 20220623 as Debian builds it.
#define MUTEX(name) _ZN4absl7debian35Mutex##name
#define CONDVAR(name) _ZN4absl7debian37CondVar##name
#define JOIN(a, b) a##b
#define REAL(symbol) JOIN(__real_, symbol)
#define WRAP(symbol) JOIN(__wrap_, symbol)

using absl::Condition;
using absl::CondVar;
using absl::Duration;
using absl::Mutex;
using absl::Time;

extern "C" {

void REAL(MUTEX(4LockEv))(Mutex* mutex);
void WRAP(MUTEX(4LockEv))(Mutex* mutex) {
  {
    const IgnoreReads ignore;
    REAL(MUTEX(4LockEv))(mutex);
  }
  __tsan_acquire(mutex);
}

bool REAL(MUTEX(7TryLockEv))(Mutex* mutex);
bool WRAP(MUTEX(7TryLockEv))(Mutex* mutex) {
  const bool locked = REAL(MUTEX(7TryLockEv))(mutex);
  if (locked) __tsan_acquire(mutex);
  return locked;
}

void REAL(MUTEX(6UnlockEv))(Mutex* mutex);
void WRAP(MUTEX(6UnlockEv))(Mutex* mutex) {
  __tsan_release(mutex);
  const IgnoreReads ignore;
  REAL(MUTEX(6UnlockEv))(mutex);
}

void REAL(MUTEX(8LockWhenERKNS0_9ConditionE))(Mutex* mutex, const Condition& condition);
void WRAP(MUTEX(8LockWhenERKNS0_9ConditionE))(Mutex* mutex, const Condition& condition) {
  {
    const IgnoreReads ignore;
    REAL(MUTEX(8LockWhenERKNS0_9ConditionE))(mutex, condition);
  }
  __tsan_acquire(mutex);
}

void REAL(MUTEX(5AwaitERKNS0_9ConditionE))(Mutex* mutex, const Condition& condition);
void WRAP(MUTEX(5AwaitERKNS0_9ConditionE))(Mutex* mutex, const Condition& condition) {
  Relock(mutex, [&] { REAL(MUTEX(5AwaitERKNS0_9ConditionE))(mutex, condition); });
}

bool REAL(MUTEX(16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE))(Mutex* mutex,
                                                                     const Condition& condition,
                                                                     Duration timeout);
bool WRAP(MUTEX(16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE))(Mutex* mutex,
                                                                     const Condition& condition,
                                                                     Duration timeout) {
  return Relock(mutex, [&] {
    return REAL(MUTEX(16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE))(mutex, condition,
                                                                           timeout);
  });
}

bool REAL(MUTEX(17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE))(Mutex* mutex,
                                                                  const Condition& condition,
                                                                  Time deadline);
bool WRAP(MUTEX(17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE))(Mutex* mutex,
                                                                  const Condition& condition,
                                                                  Time deadline) {
  return Relock(mutex, [&] {
    return REAL(MUTEX(17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE))(mutex, condition, deadline);
  });
}

void REAL(CONDVAR(4WaitEPNS0_5MutexE))(CondVar* changed, Mutex* mutex);
void WRAP(CONDVAR(4WaitEPNS0_5MutexE))(CondVar* changed, Mutex* mutex) {
  Relock(mutex, [&] { REAL(CONDVAR(4WaitEPNS0_5MutexE))(changed, mutex); });
}

bool REAL(CONDVAR(15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE))(CondVar* changed, Mutex* mutex,
                                                                 Duration timeout);
bool WRAP(CONDVAR(15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE))(CondVar* changed, Mutex* mutex,
                                                                 Duration timeout) {
  return Relock(mutex, [&] {
    return REAL(CONDVAR(15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE))(changed, mutex, timeout);
  });
}

bool REAL(CONDVAR(16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE))(CondVar* changed, Mutex* mutex,
                                                              Time deadline);
bool WRAP(CONDVAR(16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE))(CondVar* changed, Mutex* mutex,
                                                              Time deadline) {
  return Relock(mutex, [&] {
    return REAL(CONDVAR(16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE))(changed, mutex, deadline);
  });
}

}  // extern "C"
