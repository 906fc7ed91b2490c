#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "src/archive/restore_plan.h"
#include "src/engine/log_source.h"
#include "src/engine/restored_directory.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

struct RestoreOptions {
  std::string data_directory;  // The engine's: <volume>/data. It is replaced.
  std::string store_id;
  // The volume's record was at `restoring` when it was read: PutInPlace() may have been killed, and
  // what is set aside may be what that call did.
  bool resumed = false;
  // What is set aside is damaged, and keeps none of the files that the new directory has, too. What
  // another history left is kept whole, so that it can be opened.
  bool trim_aside = false;
  int parallel_files = 8;
  std::function<void(int64_t done, int64_t total)> progress;  // Bytes; may be empty.
  // engine::RestoredDirectory::Begin, but in tests.
  std::function<absl::StatusOr<std::unique_ptr<engine::RestoredDirectory>>(
      const std::string& directory, const std::string& store_id)>
      begin;
  // For tests: an error ends the restore there, as a kill would. May be empty.
  std::function<absl::Status(std::string_view step)> after_step;
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
//       the same or a newer plan. The file SET-ASIDE in <data>.aside says that the directory there
//       was the engine's; where a resumed restore finds it, it is kept, and what stands at <data>
//       is the restore's own and is replaced.
//
// The caller calls Fetch(), sets the volume's record to `restoring`, calls PutInPlace() and resets
// the record, in this order. What one object has verified it does not read again. Not thread-safe.
class Restorer {
 public:
  Restorer(objectstore::ObjectStore* store, RestoreOptions options);

  // R2 and the files of R1. Touches nothing of the data directory; what an earlier restore had set
  // aside is removed where it is in the way.
  //
  // RESOURCE_EXHAUSTED  there is no room; the message has the numbers.
  // DATA_LOSS           a file of the archive is missing or damaged; the message names it.
  [[nodiscard]] absl::Status Fetch(const RestorePlan& plan);

  // As Fetch() for what is still missing; then the logs and R3. `beyond` are pieces of local logs
  // that follow the plan's state without a gap, and are replayed after it; see beyond.h.
  //
  // INVALID_ARGUMENT  `beyond` does not continue the plan's logs, or the plan ends inside a commit.
  absl::StatusOr<RestoreReport> PutInPlace(const RestorePlan& plan,
                                           const std::vector<engine::LogPiece>& beyond = {});

  // Where what the engine had is, while the volume's record is at `restoring`.
  static std::string ReplacedDirectory(const std::string& data_directory);

 private:
  [[nodiscard]] absl::Status PrepareDirectories(const RestorePlan& plan);
  [[nodiscard]] absl::Status ForEachFile(
      const std::vector<ArchivedFile>& files,
      const std::function<absl::Status(const ArchivedFile& file)>& work) const;
  absl::StatusOr<bool> TakeLocal(const ArchivedFile& file, bool may_link);
  [[nodiscard]] absl::Status CheckSpace(int64_t bytes) const;
  [[nodiscard]] absl::Status FetchFile(const ArchivedFile& file);
  void IsVerified(const ArchivedFile& file) ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] absl::Status Build(const RestorePlan& plan,
                                   const std::vector<engine::LogPiece>& beyond) const;
  [[nodiscard]] absl::Status Swap();
  void TrimAside() const;
  [[nodiscard]] absl::Status After(std::string_view step) const;
  objectstore::ObjectStore* const store_;
  const RestoreOptions options_;
  const std::string data_;
  const std::string restore_;  // <data>.restore
  const std::string aside_;    // <data>.aside
  RestoreReport report_;

  absl::Mutex mutex_;
  // What is in <data>.restore and was seen to be right.
  std::map<std::string, ArchivedFile> verified_ ABSL_GUARDED_BY(mutex_);  // By path.
};

}  // namespace mooring::archive
