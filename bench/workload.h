#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/peers/peer.h"

namespace mooring::bench {

// The 16-byte key number `index` of `writer`, into `buffer`: unique, in random order, and the same
// in every run.
class Key {
 public:
  Key(int writer, uint64_t index);
  std::string_view view() const { return {text_, sizeof(text_)}; }

 private:
  char text_[16];
};

// Values that no compressor makes smaller, the same for every peer.
class Values {
 public:
  explicit Values(size_t value_bytes);
  // Valid as long as this object.
  std::string_view Get(uint64_t index) const;
  size_t value_bytes() const { return value_bytes_; }

 private:
  const size_t value_bytes_;
  std::string pool_;
};

// A bijection that scatters its argument over 64 bits.
uint64_t Scatter(uint64_t index);

// How often something was called, and how long its callers waited for an answer.
struct CallRate {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

// One measurement for each round.
using Rates = std::vector<CallRate>;

std::vector<double> Column(const Rates& rates, double CallRate::*field);
// Of calls per second.
double MedianRatio(const Rates& subject, const Rates& base);

// Opens a store as a service has it: not its first opening, and with a `pause` after each for what
// is left to prepare.
[[nodiscard]] absl::Status OpenSettled(const PeerOptions& options, absl::Duration pause,
                                       Peer* peer);

// `threads` threads make `call` with their number and the call's, from 0, each waiting for its
// answer before the next one. The first `warmup` of it is not counted. The first error ends the run
// and is returned.
using Call = std::function<absl::Status(int thread, uint64_t index)>;
absl::StatusOr<CallRate> MeasureCalls(int threads, const Call& call, absl::Duration warmup,
                                      absl::Duration duration);

// `writers` threads commit to `peer`.
absl::StatusOr<CallRate> MeasureCommits(Peer* peer, int writers, const Values& values,
                                        absl::Duration warmup, absl::Duration duration);

}  // namespace mooring::bench
