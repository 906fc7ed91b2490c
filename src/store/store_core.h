#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mooring/options.h"
#include "mooring/snapshot_file.h"
#include "mooring/store.h"
#include "src/base/operation_watch.h"
#include "src/engine/engine.h"
#include "src/engine/memory_plan.h"
#include "src/engine/space_gate.h"
#include "src/store/archiver.h"
#include "src/store/commit_queue.h"
#include "src/store/opening.h"
#include "src/store/reader_gate.h"
#include "src/store/scrubber.h"
#include "src/store/volume_monitor.h"
#include "src/volume/volume.h"

namespace mooring::internal {

// Everything behind a Store: volume, engine and queue, opened and closed in the right order. Shared
// with the tables, iterators and snapshots that came from it, so that they can outlive the Store
// and answer clearly. Thread-safe.
class StoreCore : public std::enable_shared_from_this<StoreCore> {
 public:
  static absl::StatusOr<std::shared_ptr<StoreCore>> Open(
      const Options& options, std::optional<RewindTarget> rewind = std::nullopt);
  ~StoreCore();

  absl::StatusOr<engine::TablePtr> OpenTable(std::string_view name);
  absl::StatusOr<std::vector<std::string>> ListTables();
  absl::Status DropTable(std::string_view name);
  absl::StatusOr<Version> Commit(const WriteBatch& batch, const CommitOptions& options);
  absl::Status WaitArchived(Version version, absl::Duration timeout);
  ArchiveStatus archive_status() const;
  Version version() const;
  CloseReport Close(absl::Duration timeout, bool wait_for_readers);
  // `told_busy`, which may be empty, hears before each chunk whether somebody committed meanwhile.
  absl::StatusOr<SnapshotInfo> Export(SnapshotSink& sink, const ExportOptions& options,
                                      const std::function<void(bool busy)>& told_busy);

  // Tells this opened store's tables from those of every other.
  uint64_t tag() const { return tag_; }
  const std::string& id() const { return id_; }
  uint64_t epoch() const { return epoch_; }
  Health health() const { return monitor_->Get(); }
  // What a read answers: where it met damage, the files are looked at.
  absl::Status Judged(absl::Status status) const {
    return absl::IsDataLoss(status) ? OnDamagedRead(status) : status;
  }
  // To be entered for as long as the engine is read.
  ReaderGate* gate() { return &gate_; }
  const engine::Engine& engine() const { return *engine_; }

  static absl::Status ClosedError();
  static absl::Status NoArchive(std::string_view what);

 private:
  StoreCore(const Options& options, std::optional<RewindTarget> rewind);
  absl::Status Start();
  absl::Status ReachArchive(bool may_serve_without);
  absl::Status AcquireVolume();
  Opening::Environment MakeEnvironment();
  absl::Status OpenState();
  absl::Status MarkFork();
  engine::EngineOptions MakeEngineOptions(EngineStart start);
  absl::StatusOr<std::unique_ptr<engine::Engine>> OpenEngine(EngineStart start);
  void MakeArchiver();
  void StartArchiver(Opening::Result opened);
  void StartMonitor();
  void StartScrubber();
  absl::Status OnDamagedRead(const absl::Status& status) const;
  void OnDamage(const absl::Status& damage);
  void Report(Progress::Phase phase, int64_t done = 0, int64_t total = 0);
  void OnFailure(const absl::Status& reason);
  void OnFailureOfVolume(const absl::Status& reason);
  void OnSpaceChanged(const absl::Status& refusal);
  void OnFenced(const absl::Status& reason);
  absl::StatusOr<Version> Archived(Version version, const Deadline& deadline);
  void RunClose(Deadline deadline);
  void CloseArchive(const Deadline& deadline);
  void WaitForReaders();
  engine::TablePtr FindTable(std::string_view name) const;

  const Options options_;
  engine::MemoryPlan memory_;
  const std::optional<RewindTarget> rewind_;
  const uint64_t tag_;
  const std::shared_ptr<HealthMonitor> monitor_;
  const std::shared_ptr<OperationWatch> watch_ = std::make_shared<OperationWatch>();
  const std::shared_ptr<engine::SpaceGate> space_gate_ = std::make_shared<engine::SpaceGate>();
  const std::string incarnation_;
  std::string id_;      // Constant once open, as is
  uint64_t epoch_ = 0;  // this.
  mutable ReaderGate gate_;

  std::atomic<bool> writes_ended_{false};
  mutable absl::Mutex close_mutex_;
  uint64_t last_sequence_ ABSL_GUARDED_BY(close_mutex_) = 0;  // Once the engine is gone.
  CommitQueue* stoppable_queue_ ABSL_GUARDED_BY(close_mutex_) = nullptr;  // Once serving.
  Scrubber* scrubber_in_use_ ABSL_GUARDED_BY(close_mutex_) = nullptr;     // The same.
  absl::Status early_failure_ ABSL_GUARDED_BY(close_mutex_);              // Before that.
  bool closing_ ABSL_GUARDED_BY(close_mutex_) = false;
  // All is done but what readers hold up.
  bool left_to_readers_ ABSL_GUARDED_BY(close_mutex_) = false;
  CloseReport report_ ABSL_GUARDED_BY(close_mutex_);

  std::shared_ptr<archive::Remote> remote_;  // Null: no archive, or not reached at the opening.
  std::unique_ptr<Archiver> archiver_;       // Null: no archive. Stays until the end.
  // Gone, the last first, when the close has released the volume.
  std::unique_ptr<volume::Volume> volume_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<CommitQueue> queue_;
  std::unique_ptr<VolumeMonitor> volume_monitor_;
  std::unique_ptr<Scrubber> scrubber_;
};

}  // namespace mooring::internal
