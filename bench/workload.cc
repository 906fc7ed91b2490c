#include "bench/workload.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "bench/report.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

using Clock = std::chrono::steady_clock;

double MicrosecondsBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

enum class Phase { kWarmup, kMeasure, kStop };

// What one thread saw while it was measured.
struct Caller {
  std::vector<float> latencies_us;
  absl::Status status;
};

void CallUntilStopped(int number, const Call& call, std::atomic<Phase>* phase, Caller* caller) {
  caller->latencies_us.reserve(1 << 20);
  Clock::time_point begin = Clock::now();
  for (uint64_t i = 0;; ++i) {
    const Phase now = phase->load(std::memory_order_relaxed);
    if (now == Phase::kStop) return;
    caller->status = call(number, i);
    if (!caller->status.ok()) {
      phase->store(Phase::kStop);
      return;
    }
    const Clock::time_point end = Clock::now();
    if (now == Phase::kMeasure) {
      caller->latencies_us.push_back(static_cast<float>(MicrosecondsBetween(begin, end)));
    }
    begin = end;
  }
}

}  // namespace

uint64_t Scatter(uint64_t index) {
  uint64_t x = index + 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

Key::Key(int writer, uint64_t index) {
  uint64_t bits = Scatter(static_cast<uint64_t>(writer) << 40 | index);
  for (char& c : text_) {
    c = "0123456789abcdef"[bits & 15];
    bits >>= 4;
  }
}

Values::Values(size_t value_bytes) : value_bytes_(value_bytes), pool_((1 << 20) + value_bytes, 0) {
  for (size_t i = 0; i < pool_.size(); ++i) pool_[i] = static_cast<char>(Scatter(i));
}

std::string_view Values::Get(uint64_t index) const {
  // Not the bits that make the key: neighbours in the order of keys would have the same value.
  return std::string_view(pool_).substr(Scatter(~index) & ((1 << 20) - 1), value_bytes_);
}

std::vector<double> Column(const Rates& rates, double CallRate::*field) {
  std::vector<double> column;
  for (const CallRate& rate : rates) column.push_back(rate.*field);
  return column;
}

double MedianRatio(const Rates& subject, const Rates& base) {
  return MedianRatio(Column(subject, &CallRate::per_second), Column(base, &CallRate::per_second));
}

absl::Status OpenSettled(const PeerOptions& options, absl::Duration pause, Peer* peer) {
  MOORING_RETURN_IF_ERROR(peer->Open(options));
  absl::SleepFor(pause);
  MOORING_RETURN_IF_ERROR(peer->Close());
  MOORING_RETURN_IF_ERROR(peer->Open(options));
  absl::SleepFor(pause);
  return absl::OkStatus();
}

absl::StatusOr<CallRate> MeasureCalls(int threads, const Call& call, absl::Duration warmup,
                                      absl::Duration duration) {
  std::atomic<Phase> phase{Phase::kWarmup};
  std::vector<Caller> callers(static_cast<size_t>(threads));
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back(CallUntilStopped, i, std::cref(call), &phase,
                         &callers[static_cast<size_t>(i)]);
  }
  absl::SleepFor(warmup);
  Phase expected = Phase::kWarmup;
  phase.compare_exchange_strong(expected, Phase::kMeasure);
  const Clock::time_point begin = Clock::now();
  absl::SleepFor(duration);
  phase.store(Phase::kStop);
  const double elapsed_us = MicrosecondsBetween(begin, Clock::now());
  for (std::thread& thread : running) thread.join();

  std::vector<float> latencies_us;
  for (Caller& caller : callers) {
    if (!caller.status.ok()) return caller.status;
    latencies_us.insert(latencies_us.end(), caller.latencies_us.begin(), caller.latencies_us.end());
  }
  CallRate rate;
  rate.per_second = static_cast<double>(latencies_us.size()) / elapsed_us * 1e6;
  rate.p50_us = Percentile(&latencies_us, 0.50);
  rate.p99_us = Percentile(&latencies_us, 0.99);
  return rate;
}

absl::StatusOr<CallRate> MeasureCommits(Peer* peer, int writers, const Values& values,
                                        absl::Duration warmup, absl::Duration duration) {
  const Call commit = [&](int writer, uint64_t index) {
    return peer->Commit(writer, Key(writer, index).view(), values.Get(index));
  };
  return MeasureCalls(writers, commit, warmup, duration);
}

}  // namespace mooring::bench
