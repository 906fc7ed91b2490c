#pragma once

#include <cstddef>
#include <cstdint>
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

struct CommitRate {
  double commits_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

// One measurement for each round.
using Rates = std::vector<CommitRate>;

std::vector<double> Column(const Rates& rates, double CommitRate::*field);
// Of commits per second.
double MedianRatio(const Rates& subject, const Rates& base);

// Opens a store as a service has it: not its first opening, and with a `pause` after each for what
// is left to prepare.
[[nodiscard]] absl::Status OpenSettled(const PeerOptions& options, absl::Duration pause,
                                       Peer* peer);

// `writers` threads commit to `peer`, each waiting for its answer before the next commit. The first
// `warmup` of it is not counted. The first error of a commit ends the run and is returned.
absl::StatusOr<CommitRate> MeasureCommits(Peer* peer, int writers, const Values& values,
                                          absl::Duration warmup, absl::Duration duration);

}  // namespace mooring::bench
