#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/wal/format.h"
#include "src/wal/io.h"

namespace mooring::wal {

// What one log file holds.
struct LogScan {
  std::string path;
  uint64_t log = 0;  // by the file's name
  uint64_t file_bytes = 0;
  uint64_t bytes_read = 0;

  // False where the header is damaged, or is that of a log of another name: an empty log.
  bool header_valid = false;
  LogHeader header;

  // W2: the valid prefix.
  uint64_t length = 0;  // logical
  uint64_t physical_end = kHeaderBytes;
  std::string data;  // `length` bytes, where asked for

  // Past the prefix: frame headers of this generation, which prove that the prefix was longer.
  uint64_t frames_past_end = 0;
  uint64_t first_past_end = 0;  // physical
  uint64_t proven_end = 0;      // logical end of the last of them

  // W3: the largest claim of any frame, also past a damaged spot.
  Position claim;

  bool has_frames() const { return length > 0 || frames_past_end > 0; }
};

struct ScanOptions {
  StoreId store_id{};
  bool check_store_id = true;
  WindowReader::Source source = WindowReader::Source::kDevice;
  bool keep_data = true;
  // Stops after so many logical bytes, without looking further: for a log that is being written.
  uint64_t limit = std::numeric_limits<uint64_t>::max();
  // The log was closed with exactly so many bytes: nothing is looked for beyond them.
  uint64_t complete_at = std::numeric_limits<uint64_t>::max();
  // W9: frames that end beyond this physical offset are not looked for. 0: the whole file is.
  uint64_t reach = 0;
  bool accept_zeroed_block = false;  // TestSwitches
  // Every frame header found, and whether it belongs to the valid prefix.
  std::function<void(const FrameHeader& frame, bool in_prefix)> on_frame;
  std::function<void(uint64_t bytes)> on_read;
};

// Scans `path`, which is to be the log numbered `log`. FAILED_PRECONDITION where the file is
// another store's or of a newer format.
absl::StatusOr<LogScan> ScanLog(rocksdb::FileSystem* fs, const std::string& path, uint64_t log,
                                const ScanOptions& options);

}  // namespace mooring::wal
