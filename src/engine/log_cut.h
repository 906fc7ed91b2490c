#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Going back to a moment inside a stretch of RocksDB's log. As with ReadLogRecords(), `bytes` stand
// at `begin` of a log, where a record ended, and `what` names the log in errors.
namespace mooring::engine {

// A commit as it stands in a log.
struct LoggedCommit {
  uint64_t last_sequence = 0;
  int64_t time_us = 0;  // 0 where it has no marker.
};

// Adds the commits of the whole records of `bytes`, in their order.
//
// DATA_LOSS  this is no log, or a group's markers do not add up to it.
[[nodiscard]] absl::Status ReadLoggedCommits(std::string_view what, uint64_t begin,
                                             std::string_view bytes,
                                             std::vector<LoggedCommit>* commits);

// `bytes` as they would be had the store stopped after the commit that ends at `last_sequence`: the
// records before it as they are, and the one that holds it with its first commits only.
//
// INVALID_ARGUMENT  `last_sequence` is inside a commit; the message has those on both sides of it.
// OUT_OF_RANGE      no record holds it.
// DATA_LOSS         as above.
absl::StatusOr<std::string> CutLog(std::string_view what, uint64_t begin, std::string_view bytes,
                                   uint64_t last_sequence);

}  // namespace mooring::engine
