#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/snapshot_file.h"
#include "src/engine/log_source.h"
#include "src/snapshot/format.h"

namespace mooring::snapshot {

struct ExportJob {
  engine::LogSource* source = nullptr;
  std::string staging;  // A directory of this export's own, whose parent exists.
  engine::LogSource::Exclusively exclusively;
  // The tables of the store; called while no table is made or dropped.
  std::function<std::vector<std::string>()> tables;
  // What the store knows of a state that ends at this sequence: its id, its epoch and its past.
  std::function<absl::StatusOr<Head>(uint64_t sequence)> describe;
  // Asked before every chunk: an error ends the export. May be empty.
  std::function<absl::Status()> may_go_on;
};

// Captures the state of an engine and writes it to `sink` as a snapshot. The staging directory is
// gone afterwards.
//
// DATA_LOSS  a file on the volume is not what the engine made; the message names it.
// CANCELLED  the progress callback said so.
// others     as LogSource::Capture(), `may_go_on` and the sink.
absl::StatusOr<SnapshotInfo> Export(const ExportJob& job, const ExportOptions& options,
                                    SnapshotSink* sink);

// What `head` says, for users.
SnapshotInfo Describe(const Head& head);

}  // namespace mooring::snapshot
