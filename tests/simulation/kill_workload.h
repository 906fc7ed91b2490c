#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "tests/testing/commit_oracle.h"

namespace mooring::testing {

// What the kill test and its child agree on.
inline constexpr int kWorkloadWriters = 8;
inline constexpr int kWorkloadTables = 3;
inline constexpr absl::Duration kCloseTimeout = absl::Seconds(5);

// `large` values make a long log of few commits.
inline CommitOracle::Options WorkloadOf(uint64_t seed, bool large) {
  CommitOracle::Options options;
  options.seed = seed;
  options.writers = kWorkloadWriters;
  options.tables = kWorkloadTables;
  options.keys_per_writer = 20;
  options.max_value_bytes = large ? 8000 : 200;
  options.issued_elsewhere = true;
  return options;
}

}  // namespace mooring::testing
