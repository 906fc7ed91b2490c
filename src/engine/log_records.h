#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace mooring::engine {

// One record of RocksDB's log: a group of commits.
struct LogRecord {
  uint64_t end = 0;  // In the log's bytes.
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
  int64_t time_us = 0;  // Of its commits; 0 where it has no marker.
};

// The whole records of `bytes`, which stand at `begin` of a log, where a record ended; what is left
// behind the last one is the beginning of another. RocksDB's log is a row of blocks of 32 KiB:
//
//   block   fragment* and, where fewer than 7 bytes are left, zeros
//   fragment   CRC u32 | length u16 | type u8: 1 whole, 2 first, 3 middle, 4 last | bytes
//   record     sequence u64 | operations u32 | operations, the first one a commit marker
//
// DATA_LOSS: this is no such row; `what` names the log.
[[nodiscard]] absl::Status ReadLogRecords(std::string_view what, uint64_t begin,
                                          std::string_view bytes, std::vector<LogRecord>* records);

}  // namespace mooring::engine
