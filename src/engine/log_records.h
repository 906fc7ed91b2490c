#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace mooring::engine {

// RocksDB's log is a row of blocks of 32 KiB:
//
//   block   fragment* and, where fewer than 7 bytes are left, zeros
//   fragment   CRC u32 | length u16 | type u8: 1 whole, 2 first, 3 middle, 4 last | bytes
//   record     sequence u64 | operations u32 | operations, the first one a commit marker
inline constexpr uint64_t kLogBlockBytes = 32 << 10;
inline constexpr uint64_t kFragmentHeaderBytes = 7;
inline constexpr size_t kBatchHeaderBytes = 12;
enum class FragmentType : uint8_t { kWhole = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// One record of RocksDB's log: a group of commits.
struct LogRecord {
  uint64_t end = 0;  // In the log's bytes.
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
  int64_t time_us = 0;  // Of its commits; 0 where it has no marker.
};

// The whole records of `bytes`, which stand at `begin` of a log, where a record ended; what is left
// behind the last one is the beginning of another.
//
// DATA_LOSS: this is no log; `what` names it.
[[nodiscard]] absl::Status ReadLogRecords(std::string_view what, uint64_t begin,
                                          std::string_view bytes, std::vector<LogRecord>* records);

// The same for records as they are.
struct RawLogRecord {
  uint64_t begin = 0;  // Of its first fragment, in the log's bytes.
  uint64_t end = 0;
  uint64_t first_sequence = 0;
  uint64_t count = 0;      // Of operations, from 1 up.
  std::string_view bytes;  // Without the fragments' headers: the first `most` of them.
};
[[nodiscard]] absl::Status ForEachLogRecord(
    std::string_view what, uint64_t begin, std::string_view bytes, size_t most,
    const std::function<absl::Status(const RawLogRecord&)>& take);

}  // namespace mooring::engine
