#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace mooring {

// Sleeps while `word` holds `value`, at most `timeout`. May return early: look again. Cheaper than
// a condition variable where one thread waits for one word.
void FutexWait(std::atomic<uint32_t>* word, uint32_t value,
               absl::Duration timeout = absl::InfiniteDuration());
// Wakes one sleeper. The caller need not hold anything; `word` may be gone when it is called.
void FutexWake(std::atomic<uint32_t>* word);

}  // namespace mooring
