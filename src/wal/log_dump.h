#pragma once

#include <rocksdb/file_system.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/wal/format.h"
#include "src/wal/log_scan.h"

namespace mooring::wal {

// What one log file holds, for people and tools.
struct LogDump {
  struct Frame {
    FrameHeader header;
    bool in_prefix = false;  // false: past a damaged spot
  };

  LogScan scan;
  std::vector<Frame> frames;

  // One sentence: whole, torn or damaged, and where.
  std::string Verdict() const;
  // The header, a line for each frame and claim, and the verdict.
  std::string ToString() const;
};

// Reads a log file of any store, changing nothing. Its number is taken from its name or, where the
// file has another name, from its header. A file in use is read as far as it is written.
//
// NOT_FOUND            there is no such file.
// FAILED_PRECONDITION  a newer format.
absl::StatusOr<LogDump> DumpLog(rocksdb::FileSystem* fs, const std::string& path);
// On the file system of the operating system.
absl::StatusOr<LogDump> DumpLog(const std::string& path);

}  // namespace mooring::wal
