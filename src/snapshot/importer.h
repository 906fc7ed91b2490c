#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/snapshot_file.h"
#include "src/snapshot/format.h"
#include "src/snapshot/reader.h"

namespace mooring::snapshot {

// Reads what follows the head, proves all of it and that it is the whole state of an engine, and
// keeps nothing.
absl::StatusOr<SnapshotInfo> Verify(Reader& reader, const Head& head,
                                    const SnapshotProgressCallback& progress);

// As Verify(), and makes an engine's directory of it for the store `store_id`, durably. `directory`
// exists and is empty; its own name is the caller's to sync.
absl::StatusOr<SnapshotInfo> Import(Reader& reader, const Head& head, const std::string& directory,
                                    const std::string& store_id,
                                    const SnapshotProgressCallback& progress);

}  // namespace mooring::snapshot
