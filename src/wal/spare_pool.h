#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/wal/options.h"

namespace mooring::wal {

// A file whose bytes were all written once and synced, not yet a log.
struct Spare {
  std::string path;
  uint64_t bytes = 0;
};

// Files ready to become logs (W1), made and readied by a thread of its own. A file that cannot be
// made, above all for want of space, is no failure: the log then starts small and grows.
// Thread-safe.
class SparePool {
 public:
  static constexpr char kPrefix[] = "MOORING-SPARE-";

  // `options` are those of the log, its directory normalised. Takes over the spares among `names`.
  SparePool(std::shared_ptr<rocksdb::FileSystem> fs, const LogOptions& options,
            const std::vector<std::string>& names);
  ~SparePool();

  // From now on spares are made and readied. Until then the disk is left to whoever opens the
  // store.
  void Begin();

  // The next spare, if one is ready. Never waits for one.
  std::optional<Spare> Take();

  // A file of one growth step, for when there is no spare.
  absl::StatusOr<Spare> MakeSmall();

  // Log files grow by so many bytes at a time.
  uint64_t growth_bytes() const { return growth_bytes_; }

  // True where another file could be used again.
  bool WantsMore();

  // A path in the directory that nothing else has.
  std::string NewPath();

  // Hands over an obsolete log, renamed to NewPath() and no longer open: it becomes a spare, or is
  // deleted.
  void Offer(std::string path);

 private:
  void Adopt(const std::vector<std::string>& names);
  void Run();
  bool WantsMoreLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool ShouldMake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MakeOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadyOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::StatusOr<Spare> Make(uint64_t bytes);
  // The file as a spare, or nothing where it has the wrong size or another name.
  std::optional<Spare> Inspect(const std::string& path);
  bool HasRoom();
  void Delete(const std::string& path);

  const std::shared_ptr<rocksdb::FileSystem> fs_;
  const std::string directory_;
  const uint64_t file_bytes_;
  const uint64_t growth_bytes_;
  const size_t wanted_;
  const bool inline_;

  absl::Mutex mutex_;
  absl::CondVar changed_ ABSL_GUARDED_BY(mutex_);
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_name_ ABSL_GUARDED_BY(mutex_) = 1;
  std::deque<Spare> ready_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> offered_ ABSL_GUARDED_BY(mutex_);
  absl::Time not_before_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();

  std::thread thread_;
};

}  // namespace mooring::wal
