#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/archive/entry.h"
#include "src/engine/log_source.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

// A state whose files are all in the archive, to be appended to the journal.
struct CheckpointDraft {
  // All but `replay_from`, `history` and a commit time that only the journal's writer knows.
  CheckpointEntry entry;
  uint64_t table_changes = 0;
  // Uploaded for this one, and what it names in all, its MANIFEST among them.
  int64_t uploaded_bytes = 0;
  int64_t uploaded_files = 0;
  int64_t bytes_in_all = 0;
};

struct CheckpointerOptions {
  std::string directory;  // For captures.
  engine::LogSource::Exclusively exclusively;
  std::string incarnation;  // This open's, which no other one's names begin with.
  uint64_t epoch = 0;
  int parallel_uploads = 4;
  uint64_t largest_inline_manifest = uint64_t{4} << 20;  // A larger one becomes a file.
  // Told of each upload that failed and will be repeated, from any thread; may be empty.
  std::function<void(const absl::Status&)> retrying;
  // Told of a local file that is not what the engine made, from any thread; may be empty.
  std::function<void(const absl::Status&)> damaged;
};

// Captures states of the engine and uploads their files: those that a kept checkpoint names, or
// that it uploaded before, not again. A file is the same where path, size and checksum are: another
// lineage may use its number for something else.
//
// Make() is one caller's; all else may come from any thread.
class Checkpointer {
 public:
  // `known` are the files that kept checkpoints name. `store` and `source` outlive it.
  Checkpointer(objectstore::ObjectStore* store, engine::LogSource* source,
               const std::vector<ArchivedFile>& known, CheckpointerOptions options);

  // Goes on trying while the archive is away. The staging directory is empty afterwards.
  //
  // DATA_LOSS    a local file is not what the engine made: nothing of it was uploaded.
  // CANCELLED    Stop() was called.
  // other codes  as LogSource::Capture().
  absl::StatusOr<CheckpointDraft> Make();

  // The file of the archive that has this path, size and checksum; nothing where there is none.
  std::optional<ArchivedFile> Find(const std::string& path, uint64_t size, uint32_t crc32c) const
      ABSL_LOCKS_EXCLUDED(names_mutex_);

  // No draft that is made from now on names these, and none of their names is used again: they are
  // about to be deleted. Not during Make().
  void Forget(const std::vector<std::string>& names) ABSL_LOCKS_EXCLUDED(names_mutex_);
  // The archive has lost these: the next Make() uploads those that the volume still has, under the
  // same names.
  void UploadAgain(const std::vector<ArchivedFile>& files) ABSL_LOCKS_EXCLUDED(names_mutex_);

  // Ends Make() once the calls of the object store that are under way have returned.
  void Stop() { stopped_ = true; }

 private:
  // What is to be uploaded, and from where.
  struct Upload {
    ArchivedFile file;
    std::string local;
  };

  absl::StatusOr<CheckpointDraft> Fill(engine::CapturedState state);
  ArchivedFile Named(const std::string& path, uint64_t size, uint32_t crc32c) const
      ABSL_LOCKS_EXCLUDED(names_mutex_);
  bool IsKnown(ArchivedFile* file) const;
  [[nodiscard]] absl::Status UploadAll(const std::vector<Upload>& uploads);
  [[nodiscard]] absl::Status UploadOne(const Upload& upload, const std::atomic<bool>& given_up);
  void EmptyDirectory() const;

  objectstore::ObjectStore* const store_;
  engine::LogSource* const source_;
  const CheckpointerOptions options_;
  std::atomic<bool> stopped_{false};
  mutable absl::Mutex names_mutex_;
  // By path, size and checksum.
  absl::flat_hash_map<std::string, std::string> names_ ABSL_GUARDED_BY(names_mutex_);
  absl::flat_hash_map<std::string, std::string> lost_ ABSL_GUARDED_BY(names_mutex_);
  absl::flat_hash_set<std::string> forgotten_ ABSL_GUARDED_BY(names_mutex_);  // This open's names.
};

}  // namespace mooring::archive
