#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/archive/restore_plan.h"
#include "src/engine/log_source.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

struct RestoreOptions {
  std::string data_directory;  // The engine's: <volume>/data. It is replaced.
  std::string store_id;
  int parallel_files = 8;
  std::function<void(int64_t done, int64_t total)> progress;  // Bytes; may be empty.
};

struct RestoreReport {
  int64_t bytes_fetched = 0;
  int64_t files_fetched = 0;
  int64_t files_reused = 0;  // Of the data directory, or of an attempt that was cut short.
  std::string set_aside;     // Where what the data directory held is now; empty: nowhere.
};

// Builds the state of a plan beside the data directory and then puts it in its place:
//
//   R1  <data>.restore is built: files whose name, size and checksum match one at hand are linked,
//       the others fetched and verified, several at a time; then the logs.
//   R2  Space is checked before anything is fetched.
//   R3  <data> becomes <data>.aside and <data>.restore becomes <data>. What an earlier restore had
//       set aside is removed before. Killed at any moment, it is resumed by running it again with
//       the same or a newer plan.
//
// The caller keeps the volume's record at `restoring` from before PutInPlace() until after it.
class Restorer {
 public:
  Restorer(objectstore::ObjectStore* store, RestoreOptions options);

  // R2 and the files of R1. Touches nothing of the data directory.
  //
  // RESOURCE_EXHAUSTED  there is no room; the message has the numbers.
  // DATA_LOSS           a file of the archive is missing or damaged; the message names it.
  [[nodiscard]] absl::Status Fetch(const RestorePlan& plan);

  // As Fetch() for what is still missing; then the logs and R3. `beyond` are pieces of local logs
  // that follow the plan's state without a gap, and are replayed after it.
  absl::StatusOr<RestoreReport> PutInPlace(const RestorePlan& plan,
                                           const std::vector<engine::LogPiece>& beyond = {});

 private:
  objectstore::ObjectStore* const store_;
  const RestoreOptions options_;
  RestoreReport report_;
};

}  // namespace mooring::archive
