#include "bench/ycsb.h"

#include <algorithm>
#include <cmath>

#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

constexpr double kExponent = 0.99;
constexpr int kLongestScan = 100;
constexpr uint64_t kRecordsPerCommit = 1000;

// The `draw`-th number in [0, 1) of one operation.
double Uniform(int thread, uint64_t index, uint64_t draw) {
  const uint64_t seed = static_cast<uint64_t>(thread) << 48 | index << 3 | draw;
  return static_cast<double>(Scatter(Scatter(seed)) >> 11) * 0x1p-53;
}

}  // namespace

const std::vector<YcsbWorkload>& YcsbWorkloads() {
  static const auto* const workloads = new std::vector<YcsbWorkload>{
      {'A', 0.50, 0, 0, 0, false}, {'B', 0.05, 0, 0, 0, false}, {'C', 0, 0, 0, 0, false},
      {'F', 0, 0, 0, 0.50, false}, {'D', 0, 0.05, 0, 0, true},  {'E', 0, 0.05, 0.95, 0, false},
  };
  return *workloads;
}

// The method of Gray et al., "Quickly generating billion-record synthetic databases", 1994.
Zipfian::Zipfian(uint64_t items) : items_(static_cast<double>(items)) {
  for (uint64_t i = 1; i <= items; ++i) zeta_ += std::pow(static_cast<double>(i), -kExponent);
  second_ = 1 + std::pow(2.0, -kExponent);
  alpha_ = 1 / (1 - kExponent);
  eta_ = (1 - std::pow(2 / items_, 1 - kExponent)) / (1 - second_ / zeta_);
}

uint64_t Zipfian::Next(double uniform) const {
  const double part = uniform * zeta_;
  if (part < 1) return 0;
  if (part < second_) return 1;
  const double number = items_ * std::pow(eta_ * uniform - eta_ + 1, alpha_);
  return static_cast<uint64_t>(std::min(number, items_ - 1));
}

absl::Status YcsbRun::Load() {
  for (uint64_t first = 0; first < records_; first += kRecordsPerCommit) {
    const uint64_t end = std::min(first + kRecordsPerCommit, records_);
    std::vector<Key> keys;
    keys.reserve(end - first);
    std::vector<Pair> pairs;
    for (uint64_t record = first; record < end; ++record) {
      keys.emplace_back(0, record);
      pairs.push_back({keys.back().view(), values_.Get(record)});
    }
    MOORING_RETURN_IF_ERROR(peer_->CommitAll(0, pairs));
  }
  return absl::OkStatus();
}

// A record that is there, or soon will be: an insert under way is found or not.
uint64_t YcsbRun::Choose(const YcsbWorkload& workload, double uniform) const {
  const uint64_t rank = zipfian_.Next(uniform);
  if (workload.latest) return next_.load(std::memory_order_relaxed) - 1 - rank;
  return Scatter(rank) % records_;
}

absl::Status YcsbRun::Operate(const YcsbWorkload& workload, int thread, uint64_t index) {
  double kind = Uniform(thread, index, 0);
  const auto is = [&kind](double share) { return (kind -= share) < 0; };
  if (is(workload.insert)) {
    const uint64_t record = next_.fetch_add(1);
    return peer_->Commit(thread, Key(0, record).view(), values_.Get(record));
  }
  const Key key(0, Choose(workload, Uniform(thread, index, 1)));
  if (is(workload.scan)) {
    const int length = 1 + static_cast<int>(Uniform(thread, index, 2) * kLongestScan);
    return peer_->Scan(thread, key.view(), length).status();
  }
  const std::string_view value = values_.Get(index + 1);
  if (is(workload.update)) return peer_->Commit(thread, key.view(), value);
  std::string read;
  MOORING_RETURN_IF_ERROR(peer_->Read(thread, key.view(), &read).status());
  return is(workload.read_modify_write) ? peer_->Commit(thread, key.view(), value)
                                        : absl::OkStatus();
}

absl::StatusOr<CallRate> YcsbRun::Measure(const YcsbWorkload& workload, int threads,
                                          absl::Duration warmup, absl::Duration duration) {
  const Call operate = [&](int thread, uint64_t index) { return Operate(workload, thread, index); };
  return MeasureCalls(threads, operate, warmup, duration);
}

}  // namespace mooring::bench
