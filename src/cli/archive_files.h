#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/cli/archive_view.h"
#include "src/objectstore/object_store.h"

namespace mooring::cli {

struct ObjectSizes {
  std::map<std::string, int64_t> by_key;
  int64_t objects = 0;
  int64_t bytes = 0;
};
// Everything in an archive.
absl::StatusOr<ObjectSizes> ListObjects(objectstore::ObjectStore& store);

struct ArchiveCheck {
  std::vector<std::pair<std::string, absl::Status>> findings;  // By object.
  int64_t files = 0;
  int64_t bytes = 0;
};
// The entries of the journal, and every file that a checkpoint names. An error is that of the
// archive being away; damage is in the answer.
absl::StatusOr<ArchiveCheck> CheckArchive(const ArchiveView& view, bool quick,
                                          ProgressMeter* meter);

}  // namespace mooring::cli
