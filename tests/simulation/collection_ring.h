#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/store.h"

// What the owners of collection_rounds_test write: a ring of the last commits, each of which
// carries its number, its owner, and a hash of all before it.
namespace mooring::testing {

inline constexpr int64_t kRingCommits = 1000;

struct RingCommit {
  int64_t number = 0;
  int64_t owner = 0;
  uint64_t hash = 0;

  RingCommit Next(int64_t its_owner) const;
  std::string Key() const;
  std::string Value() const;  // Some hundred bytes that compress badly.
};

// By number. DATA_LOSS where one is missing, does not follow the one before, or is an older
// owner's than that.
absl::StatusOr<std::map<int64_t, RingCommit>> ReadRing(const Table& table);

// The clock of retention and of entries: some minutes of it in a second. It is behind the real one,
// by which pins expire, for longer than any test takes.
inline constexpr int kFaster = 360;
inline constexpr absl::Duration kRetention = absl::Minutes(15);
struct FastClock {
  int64_t begin_us = 0;
  int64_t Now() const;
};

// Collection as it is in these tests, in every process.
void CollectFast(FastClock clock, bool pins_are_kept);
Options RingOptions(const std::string& volume, const std::string& archive);

}  // namespace mooring::testing
