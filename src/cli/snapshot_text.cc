#include "src/cli/snapshot_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mooring::cli {

Json SnapshotJson(const SnapshotInfo& info) {
  return {{"format", info.format},
          {"engine", info.engine},
          {"store_id", info.store_id},
          {"version", info.version.ToString()},
          {"committed", JsonTime(info.committed)},
          {"exported", JsonTime(info.exported)},
          {"tables", info.tables},
          {"parts", info.parts},
          {"bytes", info.bytes},
          {"stored_bytes", info.stored_bytes}};
}

std::string SnapshotText(const SnapshotInfo& info) {
  return absl::StrCat(
      "store      ", info.store_id, "\nversion    ", info.version.ToString(), ", committed ",
      ShowTime(info.committed), ", exported ", ShowTime(info.exported), "\ntables     ",
      info.tables.empty() ? "none" : absl::StrJoin(info.tables, " "), "\nholds      ", info.parts,
      " files, ", FormatBytes(info.bytes), ", stored in ", FormatBytes(info.stored_bytes), "\n");
}

}  // namespace mooring::cli
