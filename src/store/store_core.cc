#include "src/store/store_core.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/archive/unarchived.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"
#include "src/base/steady_wait.h"
#include "src/engine/batch_operations.h"
#include "src/engine/open.h"
#include "src/store/batch_access.h"
#include "src/store/memory_budget.h"
#include "src/store/serial_log.h"
#include "src/store/transfer.h"
#include "src/store/validation.h"

namespace mooring::internal {

namespace {

// An operation on the volume that has not answered for so long is a stall.
constexpr absl::Duration kStallAge = absl::Seconds(1);

// What the archive gets of a close without a deadline, and its share of one with.
constexpr absl::Duration kArchiveCloseTime = absl::Seconds(10);
constexpr double kArchiveCloseShare = 0.8;
constexpr std::string_view kForkTable;  // Empty, as no table's name is; the first of all in order.
// How long Open() tries to reach an archive that it may serve without.
constexpr absl::Duration kUnreachedAfter = absl::Seconds(5);

Options WithSerialLog(Options options) {
  options.log = OneAtATime(std::move(options.log));
  return options;
}

}  // namespace

StoreCore::StoreCore(const Options& options, std::optional<RewindTarget> rewind)
    : options_(WithSerialLog(options)),
      rewind_(std::move(rewind)),
      tag_(RandomUint64() | 1),
      monitor_(options.health_monitor != nullptr ? options.health_monitor
                                                 : std::make_shared<HealthMonitor>()),
      incarnation_(RandomId()) {}

StoreCore::~StoreCore() = default;

absl::StatusOr<std::shared_ptr<StoreCore>> StoreCore::Open(const Options& options,
                                                           std::optional<RewindTarget> rewind) {
  std::shared_ptr<StoreCore> core(new StoreCore(options, std::move(rewind)));
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
  MOORING_ASSIGN_OR_RETURN(memory_, DivideMemory(options_));
  monitor_->SetStallProbe([watch = watch_]() -> std::optional<Health::Stall> {
    const auto oldest = watch->OldestBeyond(kStallAge);
    if (!oldest.has_value()) return std::nullopt;
    return Health::Stall{oldest->name, oldest->age};
  });
  const bool may_serve_without = options_.archive.serve_unreached;
  MOORING_RETURN_IF_ERROR(ReachArchive(may_serve_without));
  MOORING_RETURN_IF_ERROR(AcquireVolume());
  const absl::Status opened = OpenState();
  if (!absl::IsUnavailable(opened) || !may_serve_without || remote_ != nullptr) return opened;
  // The volume holds no state that could be served.
  MOORING_RETURN_IF_ERROR(ReachArchive(/*may_serve_without=*/false));
  return OpenState();
}

// Before the volume is touched: what it must hold, the archive knows.
absl::Status StoreCore::ReachArchive(bool may_serve_without) {
  if (options_.archive.url.empty()) return absl::OkStatus();
  Report(Progress::Phase::kReachingArchive);
  archive::Remote::ConnectOptions connect;
  connect.timeout = options_.archive.reach_timeout;
  if (may_serve_without) connect.timeout = std::min(connect.timeout, kUnreachedAfter);
  connect.retrying = [this](const absl::Status& status) {
    Report(Progress::Phase::kReachingArchive);
    if (options_.log) {
      options_.log(LogSeverity::kWarning,
                   absl::StrCat("the archive is not reached: ", status.message()));
    }
  };
  auto reached = archive::Remote::Connect(options_.archive.url, connect);
  if (absl::IsUnavailable(reached.status()) && may_serve_without) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(remote_, std::move(reached));
  return absl::OkStatus();
}

absl::Status StoreCore::AcquireVolume() {
  Report(Progress::Phase::kInspectingVolume);
  volume::AcquireOptions acquire;
  acquire.path = options_.volume;
  acquire.create_if_missing = options_.create_if_missing;
  acquire.mounts = volume::MountPolicy::kDurable;
  if (!options_.archive.url.empty()) acquire.mounts = volume::MountPolicy::kAnyThatLocks;
  if (options_.allow_unsafe_volume) acquire.mounts = volume::MountPolicy::kAny;
  acquire.accept_missing_data = !options_.archive.url.empty();
  acquire.expected_store_id = options_.store_id;
  if (remote_ != nullptr && remote_->identity()) {
    const std::string& archived = remote_->identity()->store_id;
    if (!options_.store_id.empty() && options_.store_id != archived) {
      return absl::FailedPreconditionError(
          absl::StrCat("the archive at ", options_.archive.url, " holds store ", archived,
                       ", and store_id asks for ", options_.store_id, ". Correct one of them."));
    }
    acquire.expected_store_id = archived;
  }
  acquire.timeout = options_.acquire_timeout;
  acquire.waiting = [this] { Report(Progress::Phase::kAcquiringLock); };
  acquire.before_create = CheckNoImport;
  // A new store gets the id that its archive has, if there is one.
  const bool id_is_unknown = !options_.archive.url.empty() && remote_ == nullptr;
  if (id_is_unknown) acquire.create_if_missing = false;
  auto acquired = volume::Volume::Acquire(acquire);
  if (id_is_unknown && options_.create_if_missing && absl::IsNotFound(acquired.status())) {
    MOORING_RETURN_IF_ERROR(ReachArchive(/*may_serve_without=*/false));
    return AcquireVolume();
  }
  MOORING_ASSIGN_OR_RETURN(volume_, std::move(acquired));
  MOORING_RETURN_IF_ERROR(ClearTransfers(*volume_));
  id_ = volume_->store_id();
  epoch_ = volume_->epoch();
  volume::SpaceReserve::RemoveBallastWhereLow(DirectoryOf(volume_->data_directory()));
  return absl::OkStatus();
}

void StoreCore::StartScrubber() {
  FileHealer::Fetch fetch;
  if (archiver_ != nullptr) {
    fetch = [this](const engine::LiveFile& file, const std::string& to) {
      return archiver_->FetchFile(file, to);
    };
  }
  engine::FileKeeper* const keeper = engine_->file_keeper();
  Scrubber::Settings settings;
  settings.bytes_per_second = options_.scrub_bytes_per_second;
  settings.period = options_.scrub_period;
  settings.repairs = archiver_ != nullptr;
  settings.report = [monitor = monitor_](const Health::Scrub& figures) {
    monitor->SetScrub(figures);
  };
  const std::string scratch = volume_->path() + "/healing";
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);  // What a process that was killed had fetched.
  scrubber_ = std::make_unique<Scrubber>(
      keeper, FileHealer(keeper, scratch, std::move(fetch), options_.log), settings, options_.log);
  absl::MutexLock lock(&close_mutex_);
  scrubber_in_use_ = scrubber_.get();
}

absl::Status StoreCore::OnDamagedRead(const absl::Status& status) const {
  return absl::Status(status.code(), absl::StrCat(status.message(), "; ",
                                                  scrubber_->Suspect(ToStd(status.message()))));
}

void StoreCore::OnDamage(const absl::Status& damage) {
  absl::MutexLock lock(&close_mutex_);
  if (scrubber_in_use_ != nullptr) scrubber_in_use_->Suspect(ToStd(damage.message()));
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
  if (!early.ok()) OnFailureOfVolume(early);
  VolumeMonitor::Callbacks callbacks;
  callbacks.space_changed = [this](const absl::Status& refusal) { OnSpaceChanged(refusal); };
  callbacks.set_aside_removed = [this](const std::string& path) {
    if (!options_.log) return;
    options_.log(LogSeverity::kWarning,
                 absl::StrCat("the volume is nearly full: ", path, " was removed"));
  };
  callbacks.read_only = [this](const absl::Status& reason) { OnFailureOfVolume(reason); };
  volume_monitor_ = std::make_unique<VolumeMonitor>(DirectoryOf(volume_->data_directory()),
                                                    space_gate_, watch_, std::move(callbacks));
}

Opening::Environment StoreCore::MakeEnvironment() {
  Opening::Environment environment;
  environment.options = &options_;
  environment.volume = volume_.get();
  environment.incarnation = incarnation_;
  environment.rewind = rewind_;
  environment.open_engine = [this](EngineStart start) { return OpenEngine(start); };
  environment.open_file_keeper = [this] {
    return engine::OpenFileKeeper(MakeEngineOptions(EngineStart::kOpen));
  };
  environment.report = [this](Progress::Phase phase, int64_t done, int64_t total) {
    Report(phase, done, total);
  };
  return environment;
}

absl::Status StoreCore::OpenState() {
  MakeArchiver();
  MOORING_ASSIGN_OR_RETURN(Opening::Result opened, Opening(MakeEnvironment()).Run(remote_.get()));
  epoch_ = volume_->epoch();
  engine_ = std::move(opened.engine);
  const bool restored = opened.takeover && opened.takeover->plan;
  queue_ = std::make_unique<CommitQueue>(
      engine_.get(), epoch_, [this](const absl::Status& reason) { OnFailure(reason); },
      restored ? opened.takeover->plan->last_time_us : 0,
      std::min(CommitQueue::kMaxCopiedBytes, static_cast<size_t>(memory_.beside_bytes / 4)));
  if (const absl::Status marked = opened.forked ? MarkFork() : absl::OkStatus(); !marked.ok()) {
    queue_->Stop();
    return Annotate(marked, "beginning a new lineage");
  }
  StartScrubber();
  StartMonitor();
  if (archiver_ != nullptr) StartArchiver(std::move(opened));
  Report(Progress::Phase::kServing);
  return absl::OkStatus();
}

// The first operation of a fork is the fork's own: from then on its history differs from that of
// what was left behind, wherever a volume holds it. It deletes what is not there; an empty range
// would not do, for no file holds one. A store without tables gets one for this, by a name that
// nobody else can give.
absl::Status StoreCore::MarkFork() {
  const std::vector<engine::TablePtr> tables = engine_->Tables();
  engine::TablePtr table = tables.empty() ? nullptr : tables.front();
  if (table == nullptr) {
    MOORING_ASSIGN_OR_RETURN(table, engine_->CreateTable(kForkTable));
  }
  const std::string key = absl::StrCat("fork by ", incarnation_);
  std::string operations;
  engine::AppendOperation({engine::OperationKind::kDelete, table->id(), key, ""}, &operations);
  MOORING_RETURN_IF_ERROR(queue_->Add(operations, 1, CommitOptions()).status());
  return table->name() == kForkTable ? engine_->DropTable(*table) : absl::OkStatus();
}

engine::EngineOptions StoreCore::MakeEngineOptions(EngineStart start) {
  engine::EngineOptions engine;
  engine.directory = volume_->data_directory();
  engine.store_id = id_;
  engine.create = start == EngineStart::kCreate;
  engine.stop_at_unknown_tables = start == EngineStart::kOpenBeyond;
  engine.cache_bytes = memory_.cache_bytes;
  engine.write_buffer_bytes = memory_.write_buffer_bytes;
  engine.wal_file_bytes = options_.wal_file_bytes;
  engine.max_wal_bytes = options_.max_wal_bytes;
  engine.progress = options_.progress;
  engine.log = options_.log;
  engine.failed = [this](const absl::Status& reason) { OnFailureOfVolume(reason); };
  engine.watch = watch_;
  engine.space_gate = space_gate_;
  engine.keep_logs = archiver_ != nullptr;
  if (archiver_ != nullptr) engine.durable = [this] { archiver_->OnDurable(); };
  return engine;
}

absl::StatusOr<std::unique_ptr<engine::Engine>> StoreCore::OpenEngine(EngineStart start) {
  auto opened = engine::Open(MakeEngineOptions(start));
  if (opened.ok() || !space_gate_->refused()) return opened;
  return absl::ResourceExhaustedError(absl::StrCat(
      "the volume at ", options_.volume,
      " has no room to open the store on. Nothing was lost. Free space beside the store or grow "
      "the volume, and open again: ",
      opened.status().message()));
}

void StoreCore::MakeArchiver() {
  if (options_.archive.url.empty()) return;
  Archiver::Callbacks callbacks;
  // A close ends the writes before it closes the archive.
  callbacks.exclusively = [this](const std::function<absl::Status()>& work) {
    return writes_ended_ ? work() : queue_->RunExclusively(work);
  };
  callbacks.sync = [this] { return queue_->RunExclusively([this] { return engine_->Sync(); }); };
  callbacks.sync_unsynced = [this, sync = callbacks.sync] {
    // Where it fails, the engine tells the queue.
    if (engine_->LastSequence() > engine_->log_source()->DurableSequence()) sync().IgnoreError();
  };
  callbacks.fenced = [this](const absl::Status& reason) { OnFenced(reason); };
  callbacks.damaged = [this](const absl::Status& damage) { OnDamage(damage); };
  archiver_ = std::make_unique<Archiver>(options_.archive, volume_->path() + "/staging",
                                         options_.log, std::move(callbacks));
}

void StoreCore::StartArchiver(Opening::Result opened) {
  engine::LogSource* const source = engine_->log_source();
  if (opened.takeover) {
    archiver_->Start(remote_, *std::move(opened.takeover), source, std::move(opened.history));
    return;
  }
  archiver_->StartLater(
      [this, history = opened.history] { return ClaimLate(MakeEnvironment(), *engine_, history); },
      source, opened.history);
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
    if (queue != nullptr && absl::IsDataLoss(reason)) {
      scrubber_in_use_->Suspect(ToStd(reason.message()));
    }
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

// Called by the archive's threads: another owner took over.
void StoreCore::OnFenced(const absl::Status& reason) { OnFailureOfVolume(reason); }

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
  const bool archive = options.durability == Durability::kArchive;
  if (archive && archiver_ == nullptr) return NoArchive("a commit at Durability::kArchive");
  const ReaderToken token(&gate_);
  if (!token.entered()) return ClosedError();
  if (batch.empty()) return Version{epoch_, engine_->LastSequence()};
  MOORING_RETURN_IF_ERROR(volume_monitor_->Admit(BatchAccess::Operations(batch)));
  const Deadline deadline(options.timeout);
  if (archiver_ != nullptr) MOORING_RETURN_IF_ERROR(archiver_->Admit(deadline));
  absl::StatusOr<Version> version =
      queue_->Add(BatchAccess::Operations(batch), static_cast<uint32_t>(batch.size()), options);
  if (!archive || !version.ok()) return version;
  return Archived(*version, deadline);
}

absl::StatusOr<Version> StoreCore::Archived(Version version, const Deadline& deadline) {
  const absl::Status archived = archiver_->WaitArchived(version, deadline);
  if (archived.ok()) return version;
  return archive::WithVersion(
      Annotate(archived, absl::StrCat("version ", version.ToString(),
                                      " is on the volume; unknown whether it is archived")),
      version);
}

absl::Status StoreCore::WaitArchived(Version version, absl::Duration timeout) {
  if (archiver_ == nullptr) return NoArchive("WaitArchived()");
  const ReaderToken token(&gate_);
  if (!token.entered()) return ClosedError();
  // One of an earlier epoch was given, but a takeover may have left it behind: the lineage tells.
  if (const Version newest{epoch_, engine_->LastSequence()}; version > newest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "version ", version.ToString(), " was never given: the newest is ", newest.ToString()));
  }
  return archiver_->WaitArchived(version, Deadline(timeout));
}

ArchiveStatus StoreCore::archive_status() const {
  return archiver_ == nullptr ? ArchiveStatus() : archiver_->status();
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
      const Deadline for_archive(
          timeout == absl::InfiniteDuration() ? kArchiveCloseTime : timeout * kArchiveCloseShare);
      monitor_->Set(Health::State::kClosed);
      queue_->Refuse();
      gate_.Shut();
      space_gate_->Stop();
      // On a thread that nobody joins: a volume that hangs may hold it past the deadline.
      std::thread([self = shared_from_this(), for_archive] {
        self->RunClose(for_archive);
      }).detach();
    }
  }
  CloseReport report;
  {
    absl::MutexLock lock(&close_mutex_);
    const auto done = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(close_mutex_) {
      return report_.released || (!wait_for_readers && left_to_readers_);
    };
    AwaitSteadily(&close_mutex_, absl::Condition(&done), deadline);
    report = report_;
  }
  report.readers = gate_.Readers();
  if (report.released) report.readers = 0;
  report.archive = archive_status();
  if (report.status.ok() && !report.released) {
    report.status = absl::DeadlineExceededError(absl::StrCat(
        "after ", absl::FormatDuration(timeout),
        " the volume is not released: ", report.synced ? "" : "the log is not synced yet, ",
        report.readers, " reads, iterators and snapshots are in use"));
  }
  return report;
}

void StoreCore::RunClose(Deadline for_archive) {
  scrubber_->Stop();
  queue_->Stop();
  writes_ended_ = true;
  const absl::Status synced = engine_->Sync();
  {
    absl::MutexLock lock(&close_mutex_);
    report_.synced = synced.ok();
    report_.status = synced.ok() ? synced : Annotate(synced, "closing the store");
  }
  if (archiver_ != nullptr) CloseArchive(for_archive);
  WaitForReaders();
  scrubber_->Join();  // Not before the archive's close, which ends a transfer that is under way.
  volume_monitor_.reset();
  std::unique_ptr<engine::Engine> engine;
  {
    absl::MutexLock lock(&close_mutex_);  // version() may be looking.
    last_sequence_ = engine_->LastSequence();
    engine = std::move(engine_);
    scrubber_in_use_ = nullptr;
  }
  const absl::Status closed = engine->Close();
  queue_.reset();  // Failures of the engine are told to it.
  engine.reset();
  volume_.reset();
  absl::MutexLock lock(&close_mutex_);
  if (report_.status.ok()) report_.status = closed;
  report_.released = true;
}

void StoreCore::CloseArchive(const Deadline& deadline) {
  const absl::Status closed = archiver_->Close(deadline);
  absl::MutexLock lock(&close_mutex_);
  report_.archived = closed.ok() && report_.synced;
  if (report_.status.ok()) report_.status = closed;
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

absl::Status StoreCore::NoArchive(std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(ToAbsl(what), " needs an archive, and the store has none: set archive.url"));
}

absl::Status StoreCore::ClosedError() {
  return absl::FailedPreconditionError("the store is closed");
}

}  // namespace mooring::internal
