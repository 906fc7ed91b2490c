#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "src/wal/format.h"
#include "src/wal/log_scan.h"
#include "src/wal/options.h"

namespace mooring::wal {

// What a log will show to RocksDB.
struct RecoveredLog {
  LogScan scan;
  uint64_t length = 0;     // logical; the valid prefix, or 0 where the whole log is tail (W4)
  uint64_t witnessed = 0;  // so much is proven to have been synced
  bool obsolete = false;   // of an older incarnation than the newest that has frames
};

struct RecoveredLogs {
  std::map<uint64_t, RecoveredLog> logs;
  bool has_inventory = false;
  Inventory inventory;  // the logs that still must exist, and the newest incarnation seen
};

// Scans and proves all logs of a directory (W2, W3, W4, W8). A pure function of the files, which
// it leaves as they are.
//
// DATA_LOSS            synced bytes are gone; the message names file, offset and range.
// FAILED_PRECONDITION  another store's, or a newer format.
// UNAVAILABLE          a file could not be read.
absl::StatusOr<RecoveredLogs> RecoverLogs(rocksdb::FileSystem* fs, const LogOptions& options);

}  // namespace mooring::wal
