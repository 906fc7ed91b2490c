#include "src/store/store_core.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"
#include "src/base/steady_wait.h"
#include "src/engine/open.h"
#include "src/store/batch_access.h"
#include "src/store/serial_log.h"
#include "src/store/validation.h"

namespace mooring::internal {

namespace {

// An operation on the volume that has not answered for so long is a stall.
constexpr absl::Duration kStallAge = absl::Seconds(1);

Options WithSerialLog(Options options) {
  options.log = OneAtATime(std::move(options.log));
  return options;
}

}  // namespace

StoreCore::StoreCore(const Options& options)
    : options_(WithSerialLog(options)),
      tag_(RandomUint64() | 1),
      monitor_(options.health_monitor != nullptr ? options.health_monitor
                                                 : std::make_shared<HealthMonitor>()) {}

StoreCore::~StoreCore() = default;

absl::StatusOr<std::shared_ptr<StoreCore>> StoreCore::Open(const Options& options) {
  std::shared_ptr<StoreCore> core(new StoreCore(options));
  core->monitor_->Set(Health::State::kStarting);
  absl::Status status = ValidateOptions(options);
  if (status.ok()) status = core->Start();
  if (!status.ok()) {
    core->monitor_->Set(Health::State::kClosed, status);
    return status;
  }
  return core;
}

absl::Status StoreCore::Start() {
  monitor_->SetStallProbe([watch = watch_]() -> std::optional<Health::Stall> {
    const auto oldest = watch->OldestBeyond(kStallAge);
    if (!oldest.has_value()) return std::nullopt;
    return Health::Stall{oldest->name, oldest->age};
  });
  MOORING_RETURN_IF_ERROR(AcquireVolume());
  MOORING_RETURN_IF_ERROR(OpenEngine());
  queue_ = std::make_unique<CommitQueue>(engine_.get(), epoch_,
                                         [this](const absl::Status& reason) { OnFailure(reason); });
  StartMonitor();
  Report(Progress::Phase::kServing);
  return absl::OkStatus();
}

absl::Status StoreCore::AcquireVolume() {
  Report(Progress::Phase::kInspectingVolume);
  volume::AcquireOptions acquire;
  acquire.path = options_.volume;
  acquire.create_if_missing = options_.create_if_missing;
  acquire.allow_unsafe = options_.allow_unsafe_volume;
  acquire.expected_store_id = options_.store_id;
  acquire.timeout = options_.acquire_timeout;
  acquire.waiting = [this] { Report(Progress::Phase::kAcquiringLock); };
  MOORING_ASSIGN_OR_RETURN(volume_, volume::Volume::Acquire(acquire));
  id_ = volume_->store_id();
  epoch_ = volume_->epoch();
  volume::SpaceReserve::RemoveBallastWhereLow(DirectoryOf(volume_->data_directory()));
  return absl::OkStatus();
}

// From here on the store serves, and failures are told to the queue.
void StoreCore::StartMonitor() {
  space_gate_->BeginServing();
  monitor_->Set(Health::State::kServing);
  absl::Status early;
  {
    absl::MutexLock lock(&close_mutex_);
    stoppable_queue_ = queue_.get();
    early = early_failure_;
  }
  if (!early.ok()) queue_->Fail(early);
  VolumeMonitor::Callbacks callbacks;
  callbacks.space_changed = [this](const absl::Status& refusal) { OnSpaceChanged(refusal); };
  callbacks.read_only = [this](const absl::Status& reason) { OnFailureOfVolume(reason); };
  volume_monitor_ = std::make_unique<VolumeMonitor>(DirectoryOf(volume_->data_directory()),
                                                    space_gate_, watch_, std::move(callbacks));
}

absl::Status StoreCore::OpenEngine() {
  engine::EngineOptions engine;
  engine.directory = volume_->data_directory();
  engine.store_id = id_;
  engine.create = volume_->created();
  engine.cache_bytes = options_.cache_bytes;
  engine.write_buffer_bytes = options_.write_buffer_bytes;
  engine.wal_file_bytes = options_.wal_file_bytes;
  engine.max_wal_bytes = options_.max_wal_bytes;
  engine.progress = options_.progress;
  engine.log = options_.log;
  engine.failed = [this](const absl::Status& reason) { OnFailureOfVolume(reason); };
  engine.watch = watch_;
  engine.space_gate = space_gate_;
  auto opened = engine::Open(engine);
  if (!opened.ok() && space_gate_->refused()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the volume at ", options_.volume,
        " has no room to open the store on. Nothing was lost. Free space beside the store or grow "
        "the volume, and open again: ",
        opened.status().message()));
  }
  MOORING_ASSIGN_OR_RETURN(engine_, std::move(opened));
  return volume_->MarkComplete();
}

void StoreCore::Report(Progress::Phase phase, int64_t done, int64_t total) {
  if (options_.progress) options_.progress(Progress{phase, done, total});
}

// Called by the engine when background work failed and by the monitor: no commit shall be tried any
// more.
void StoreCore::OnFailureOfVolume(const absl::Status& reason) {
  CommitQueue* queue;
  {
    absl::MutexLock lock(&close_mutex_);
    if (closing_) return;
    queue = stoppable_queue_;
    if (queue == nullptr) early_failure_ = reason;
  }
  // The queue goes only after the engine and the monitor, so it is still there.
  if (queue != nullptr) queue->Fail(reason);
}

void StoreCore::OnSpaceChanged(const absl::Status& refusal) {
  absl::MutexLock lock(&close_mutex_);
  if (closing_ || monitor_->Get().state == Health::State::kReadOnly) return;
  monitor_->Set(refusal.ok() ? Health::State::kServing : Health::State::kFull, refusal);
  if (!options_.log) return;
  options_.log(LogSeverity::kWarning,
               refusal.ok() ? "the volume has room again: writes go on"
                            : absl::StrCat("writes are refused: ", refusal.message()));
}

// Called by the queue when a write failed or it was told of a failure.
void StoreCore::OnFailure(const absl::Status& reason) {
  absl::MutexLock lock(&close_mutex_);
  if (closing_) return;
  if (monitor_->Get().state == Health::State::kReadOnly) return;
  monitor_->Set(Health::State::kReadOnly, reason);
  if (options_.log) {
    options_.log(LogSeverity::kError,
                 absl::StrCat("the store is read-only until it is reopened: ", reason.ToString()));
  }
}

engine::TablePtr StoreCore::FindTable(std::string_view name) const {
  for (engine::TablePtr& table : engine_->Tables()) {
    if (table->name() == name) return table;
  }
  return nullptr;
}

absl::StatusOr<engine::TablePtr> StoreCore::OpenTable(std::string_view name) {
  MOORING_RETURN_IF_ERROR(ValidateTableName(name));
  const ReaderToken token(&gate_);
  if (!token.entered()) return ClosedError();
  engine::TablePtr table = FindTable(name);
  if (table != nullptr) return table;
  MOORING_RETURN_IF_ERROR(queue_->RunExclusively([&]() -> absl::Status {
    table = FindTable(name);  // Another thread may have made it meanwhile.
    if (table != nullptr) return absl::OkStatus();
    if (engine_->Tables().size() >= kMaxTables) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "making table ", ToAbsl(name), ": there are ", kMaxTables, " tables, which is the most"));
    }
    MOORING_RETURN_IF_ERROR(volume_monitor_->AdmitTable());
    MOORING_ASSIGN_OR_RETURN(table, engine_->CreateTable(name));
    return absl::OkStatus();
  }));
  return table;
}

absl::StatusOr<std::vector<std::string>> StoreCore::ListTables() {
  const ReaderToken token(&gate_);
  if (!token.entered()) return ClosedError();
  std::vector<std::string> names;
  for (const engine::TablePtr& table : engine_->Tables()) names.push_back(table->name());
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status StoreCore::DropTable(std::string_view name) {
  const ReaderToken token(&gate_);
  if (!token.entered()) return ClosedError();
  return queue_->RunExclusively([&]() -> absl::Status {
    const engine::TablePtr table = FindTable(name);
    if (table == nullptr) {
      return absl::NotFoundError(absl::StrCat("there is no table ", ToAbsl(name)));
    }
    return engine_->DropTable(*table);
  });
}

absl::StatusOr<Version> StoreCore::Commit(const WriteBatch& batch, const CommitOptions& options) {
  MOORING_RETURN_IF_ERROR(ValidateBatch(batch, tag_));
  const ReaderToken token(&gate_);
  if (!token.entered()) return ClosedError();
  if (batch.empty()) return Version{epoch_, engine_->LastSequence()};
  MOORING_RETURN_IF_ERROR(volume_monitor_->Admit(BatchAccess::Operations(batch)));
  return queue_->Add(BatchAccess::Operations(batch), static_cast<uint32_t>(batch.size()), options);
}

Version StoreCore::version() const {
  const ReaderToken token(&gate_);
  if (token.entered()) return {epoch_, engine_->LastSequence()};
  absl::MutexLock lock(&close_mutex_);
  return {epoch_, engine_ != nullptr ? engine_->LastSequence() : last_sequence_};
}

CloseReport StoreCore::Close(absl::Duration timeout, bool wait_for_readers) {
  const Deadline deadline(timeout);
  {
    absl::MutexLock lock(&close_mutex_);
    if (!std::exchange(closing_, true)) {
      monitor_->Set(Health::State::kClosed);
      queue_->Refuse();
      gate_.Shut();
      space_gate_->Stop();
      // On a thread that nobody joins: a volume that hangs may hold it past the deadline.
      std::thread([self = shared_from_this()] { self->RunClose(); }).detach();
    }
  }
  absl::MutexLock lock(&close_mutex_);
  const auto done = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(close_mutex_) {
    return report_.released || (!wait_for_readers && left_to_readers_);
  };
  AwaitSteadily(&close_mutex_, absl::Condition(&done), deadline);
  CloseReport report = report_;
  report.readers = gate_.Readers();
  if (report.released) report.readers = 0;
  if (report.status.ok() && !report.released) {
    report.status = absl::DeadlineExceededError(absl::StrCat(
        "after ", absl::FormatDuration(timeout),
        " the volume is not released: ", report.synced ? "" : "the log is not synced yet, ",
        report.readers, " reads, iterators and snapshots are in use"));
  }
  return report;
}

void StoreCore::RunClose() {
  queue_->Stop();
  const absl::Status synced = engine_->Sync();
  {
    absl::MutexLock lock(&close_mutex_);
    report_.synced = synced.ok();
    report_.status = synced.ok() ? synced : Annotate(synced, "closing the store");
  }
  WaitForReaders();
  volume_monitor_.reset();
  std::unique_ptr<engine::Engine> engine;
  {
    absl::MutexLock lock(&close_mutex_);  // version() may be looking.
    last_sequence_ = engine_->LastSequence();
    engine = std::move(engine_);
  }
  const absl::Status closed = engine->Close();
  queue_.reset();  // Failures of the engine are told to it.
  engine.reset();
  volume_.reset();
  absl::MutexLock lock(&close_mutex_);
  if (report_.status.ok()) report_.status = closed;
  report_.released = true;
}

// Readers leave without a signal, to keep reads fast; a close can afford to look. Those that stay
// are iterators and snapshots: a read that is just ending is not worth telling.
void StoreCore::WaitForReaders() {
  constexpr int kPatience = 100;
  for (int looks = 0; gate_.Readers() > 0; ++looks) {
    if (looks == kPatience) {
      absl::MutexLock lock(&close_mutex_);
      left_to_readers_ = true;
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
}

absl::Status StoreCore::ClosedError() {
  return absl::FailedPreconditionError("the store is closed");
}

}  // namespace mooring::internal
