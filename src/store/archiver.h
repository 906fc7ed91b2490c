#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mooring/archive.h"
#include "mooring/options.h"
#include "mooring/version.h"
#include "src/archive/history.h"
#include "src/archive/remote.h"
#include "src/archive/shipper.h"
#include "src/archive/takeover.h"
#include "src/base/steady_clock.h"
#include "src/engine/file_keeper.h"
#include "src/engine/log_source.h"
#include "src/store/opening.h"

namespace mooring::internal {

// A checkpoint is made where the last one is so old and anything was written since: so that
// retention finds one near where it ends.
absl::Duration CheckpointInterval(absl::Duration retention);

// A store's side of its archive for as long as it serves. Where the archive was not reached at the
// opening (ArchiveOptions::serve_unreached) it goes on trying, and claims it later. Thread-safe.
class Archiver {
 public:
  struct Callbacks {
    engine::LogSource::Exclusively exclusively;
    // Makes everything written so far durable.
    std::function<absl::Status()> sync;
    // The same, where anything is not durable yet.
    std::function<void()> sync_unsynced;
    // Another owner took over, or the archive turned out to be another lineage's: no write counts
    // any more. Called once.
    std::function<void(const absl::Status&)> fenced;
    // A local file is damaged, so that no checkpoint can be made. From any thread.
    std::function<void(const absl::Status&)> damaged;
  };

  Archiver(const ArchiveOptions& options, std::string staging_directory,
           std::function<void(LogSeverity, std::string_view)> log, Callbacks callbacks);
  ~Archiver();  // After Close().

  // The archive is claimed.
  void Start(std::shared_ptr<archive::Remote> remote, archive::Takeover takeover,
             engine::LogSource* source, archive::History history);
  // It is not: `claim` is called on a thread of its own until it answers OK, and this starts with
  // that, or what will not pass by, and then no write counts. Meanwhile whatever is written is
  // taken to be behind since the construction.
  void StartLater(std::function<absl::StatusOr<LateClaim>()> claim, engine::LogSource* source,
                  archive::History history);

  // From the engine, at any time after the construction.
  void OnDurable();

  // See archive::Shipper. `last_sequence` is the newest commit's.
  [[nodiscard]] absl::Status WaitArchived(Version version, const Deadline& deadline);
  [[nodiscard]] absl::Status Admit(const Deadline& deadline);
  [[nodiscard]] absl::Status FetchFile(const engine::LiveFile& file, const std::string& to);
  ArchiveStatus status() const;
  [[nodiscard]] absl::Status Close(const Deadline& deadline);

 private:
  void ClaimLater(const std::function<absl::StatusOr<LateClaim>()>& claim,
                  archive::History history);
  archive::Shipper* shipper() const { return ready_.load(std::memory_order_acquire); }

  const ArchiveOptions options_;
  const std::string staging_directory_;
  const std::function<void(LogSeverity, std::string_view)> log_;
  const Callbacks callbacks_;
  engine::LogSource* source_ = nullptr;
  const absl::Duration started_ = SteadyNow();

  std::atomic<archive::Shipper*> ready_{nullptr};
  std::unique_ptr<archive::Shipper> shipper_;  // Behind ready_.

  mutable absl::Mutex mutex_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool claiming_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);  // Of claiming.
  std::thread claim_thread_;
};

}  // namespace mooring::internal
