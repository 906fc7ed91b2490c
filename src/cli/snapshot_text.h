#pragma once

#include <string>

#include "mooring/snapshot_file.h"
#include "src/cli/output.h"

namespace mooring::cli {

// What a snapshot file says of itself.
Json SnapshotJson(const SnapshotInfo& info);
std::string SnapshotText(const SnapshotInfo& info);

}  // namespace mooring::cli
