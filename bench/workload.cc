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

// What one writer thread saw while it was measured.
struct Writer {
  std::vector<float> latencies_us;
  absl::Status status;
};

void WriteUntilStopped(Peer* peer, int number, const Values& values, std::atomic<Phase>* phase,
                       Writer* writer) {
  writer->latencies_us.reserve(1 << 20);
  Clock::time_point begin = Clock::now();
  for (uint64_t i = 0;; ++i) {
    const Phase now = phase->load(std::memory_order_relaxed);
    if (now == Phase::kStop) return;
    writer->status = peer->Commit(number, Key(number, i).view(), values.Get(i));
    if (!writer->status.ok()) {
      phase->store(Phase::kStop);
      return;
    }
    const Clock::time_point end = Clock::now();
    if (now == Phase::kMeasure) {
      writer->latencies_us.push_back(static_cast<float>(MicrosecondsBetween(begin, end)));
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
  return std::string_view(pool_).substr(Scatter(index) & ((1 << 20) - 1), value_bytes_);
}

std::vector<double> Column(const Rates& rates, double CommitRate::*field) {
  std::vector<double> column;
  for (const CommitRate& rate : rates) column.push_back(rate.*field);
  return column;
}

double MedianRatio(const Rates& subject, const Rates& base) {
  return MedianRatio(Column(subject, &CommitRate::commits_per_second),
                     Column(base, &CommitRate::commits_per_second));
}

absl::Status OpenSettled(const PeerOptions& options, absl::Duration pause, Peer* peer) {
  MOORING_RETURN_IF_ERROR(peer->Open(options));
  absl::SleepFor(pause);
  MOORING_RETURN_IF_ERROR(peer->Close());
  MOORING_RETURN_IF_ERROR(peer->Open(options));
  absl::SleepFor(pause);
  return absl::OkStatus();
}

absl::StatusOr<CommitRate> MeasureCommits(Peer* peer, int writers, const Values& values,
                                          absl::Duration warmup, absl::Duration duration) {
  std::atomic<Phase> phase{Phase::kWarmup};
  std::vector<Writer> results(static_cast<size_t>(writers));
  std::vector<std::thread> threads;
  for (int i = 0; i < writers; ++i) {
    threads.emplace_back(WriteUntilStopped, peer, i, std::cref(values), &phase,
                         &results[static_cast<size_t>(i)]);
  }
  absl::SleepFor(warmup);
  Phase expected = Phase::kWarmup;
  phase.compare_exchange_strong(expected, Phase::kMeasure);
  const Clock::time_point begin = Clock::now();
  absl::SleepFor(duration);
  phase.store(Phase::kStop);
  const double elapsed_us = MicrosecondsBetween(begin, Clock::now());
  for (std::thread& thread : threads) thread.join();

  std::vector<float> latencies_us;
  for (Writer& writer : results) {
    if (!writer.status.ok()) return writer.status;
    latencies_us.insert(latencies_us.end(), writer.latencies_us.begin(), writer.latencies_us.end());
  }
  CommitRate rate;
  rate.commits_per_second = static_cast<double>(latencies_us.size()) / elapsed_us * 1e6;
  rate.p50_us = Percentile(&latencies_us, 0.50);
  rate.p99_us = Percentile(&latencies_us, 0.99);
  return rate;
}

}  // namespace mooring::bench
