#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/peers/peer.h"
#include "bench/workload.h"

// The core workloads of the Yahoo! Cloud Serving Benchmark (Cooper et al., 2010).
namespace mooring::bench {

// What share of the operations is what. The rest reads one record.
struct YcsbWorkload {
  char name = 'A';
  double update = 0;
  double insert = 0;
  double scan = 0;               // Of 1 to 100 records.
  double read_modify_write = 0;  // A read, and then an update of the same record.
  bool latest = false;           // The newest records are the most popular; else any are.
};

// A to F, in the order of the benchmark's own runs: what inserts comes last.
const std::vector<YcsbWorkload>& YcsbWorkloads();

// Numbers from 0 to `items` - 1, the smaller the more often, with exponent 0.99. Thread-safe.
class Zipfian {
 public:
  explicit Zipfian(uint64_t items);
  // `uniform` is in [0, 1).
  uint64_t Next(double uniform) const;

 private:
  const double items_;
  double zeta_ = 0;
  double eta_ = 0;
  double alpha_ = 0;
  double second_ = 0;
};

// Runs workloads against one peer that holds `records` of them at first.
class YcsbRun {
 public:
  YcsbRun(Peer* peer, uint64_t records, const Values& values)
      : peer_(peer), values_(values), zipfian_(records), records_(records), next_(records) {}

  // Writes the records, many in a commit.
  [[nodiscard]] absl::Status Load();

  absl::StatusOr<CallRate> Measure(const YcsbWorkload& workload, int threads, absl::Duration warmup,
                                   absl::Duration duration);

 private:
  [[nodiscard]] absl::Status Operate(const YcsbWorkload& workload, int thread, uint64_t index);
  uint64_t Choose(const YcsbWorkload& workload, double uniform) const;

  Peer* const peer_;
  const Values& values_;
  const Zipfian zipfian_;
  const uint64_t records_;
  std::atomic<uint64_t> next_;  // The record that the next insert makes.
};

}  // namespace mooring::bench
