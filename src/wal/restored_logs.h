#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/wal/format.h"

namespace mooring::wal {

// Writes the logs of a directory that is being made from elsewhere, and their inventory: each
// complete, so that the next opening proves them like any others. Not thread-safe.
class RestoredLogs {
 public:
  RestoredLogs(rocksdb::FileSystem* fs, std::string directory, const StoreId& store_id);

  // Appends to a log, which begins where its number first comes. Numbers never fall.
  [[nodiscard]] absl::Status Append(uint64_t log, std::string_view bytes);
  // All is on the disk when it answers OK, but for the names, which the caller syncs.
  [[nodiscard]] absl::Status Finish();

 private:
  absl::Status Begin(uint64_t log);
  absl::Status WriteFrame(std::string_view payload);
  absl::Status End();

  rocksdb::FileSystem* const fs_;
  const std::string directory_;
  Inventory inventory_;
  Position position_;     // Of the log under way; its log is 0 where there is none.
  Position predecessor_;  // Of that one.
  uint64_t physical_ = 0;
  std::unique_ptr<rocksdb::FSRandomRWFile> file_;
};

}  // namespace mooring::wal
