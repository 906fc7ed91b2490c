#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/archive/history.h"

namespace mooring::archive {

// What a volume remembers of its store's past: the file HISTORY beside the identity. Replaced as a
// whole at each open, before the first commit, with or without an archive (A10).
struct VolumeRecord {
  History history;         // Every open that wrote, this one's among them.
  std::string archive_id;  // Of the archive that it was last archived to; empty: none.
  bool archive_had_state = false;
  // A restore has begun to replace the data directory: until it is finished nothing there counts.
  bool restoring = false;
};

// An empty record where the file is missing. DATA_LOSS where it is damaged, FAILED_PRECONDITION
// where it is of a newer format or another store's.
absl::StatusOr<VolumeRecord> ReadVolumeRecord(const std::string& path, const std::string& store_id);

// Durable when OK.
[[nodiscard]] absl::Status WriteVolumeRecord(const std::string& path, const std::string& store_id,
                                             const VolumeRecord& record);

}  // namespace mooring::archive
