#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/cli/output.h"
#include "src/cli/volume_view.h"

namespace mooring::cli {

// Something that is wrong on a volume.
struct Finding {
  enum class Kind {
    kMissing = 0,     // There is no store.
    kIdentity = 1,    // MOORING
    kEpoch = 2,       // EPOCH, both slots of it
    kCopy = 3,        // One of two copies is damaged: the next open writes it anew.
    kHistory = 4,     // HISTORY
    kLog = 5,         // A log, or the inventory of logs
    kManifest = 6,    // What names the engine's files
    kTableFile = 7,   // A file of tables
    kState = 8,       // What is read of the state
    kUnfinished = 9,  // A restore or an import that was cut short
    kMount = 10,
    kOther = 11,
  };
  Kind kind = Kind::kOther;
  std::string file;  // What is damaged; empty where it is no single file.
  absl::Status status;
};
std::string_view KindName(Finding::Kind kind);

struct TableCount {
  std::string name;
  int64_t keys = 0;
  int64_t bytes = 0;
};

struct CheckResult {
  std::vector<Finding> findings;
  std::vector<std::string> notes;  // What was not looked at, and why.
  int64_t log_files = 0;
  int64_t table_files = 0;
  int64_t bytes = 0;  // Read of logs and files.
  std::vector<TableCount> tables;
};

// Everything on the volume that carries a checksum, and then every key. Changes nothing; beside a
// living owner only what never changes is judged, and what it has written is read.
CheckResult CheckVolume(VolumeView& view, const Output& output, ProgressMeter* meter);

// Reads every key of every table.
absl::StatusOr<std::vector<TableCount>> ReadEverything(const engine::Look& look,
                                                       ProgressMeter* meter);

}  // namespace mooring::cli
