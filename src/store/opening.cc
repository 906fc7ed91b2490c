#include "src/store/opening.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/archive/beyond.h"
#include "src/base/status.h"
#include "src/engine/restored_directory.h"
#include "src/store/file_healer.h"

namespace mooring::internal {

using archive::OpeningAction;
using archive::VolumeView;

namespace {

// Who this is, for people who look at an archive.
std::string DescribeOwner() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return absl::StrCat("pid ", ::getpid(), " on host ", host[0] != '\0' ? host.data() : "unknown");
}

archive::TakeoverOptions MakeTakeoverOptions(const Opening::Environment& environment) {
  const Options& options = *environment.options;
  archive::TakeoverOptions takeover;
  takeover.incarnation = environment.incarnation;
  takeover.epoch = environment.volume->epoch();
  takeover.owner = DescribeOwner();
  takeover.opening.adopt_archive = options.archive.adopt_archive;
  takeover.opening.accept_loss = options.archive.accept_loss;
  takeover.opening.create_without_state = options.archive.create_without_state;
  takeover.takeover_wait = options.archive.takeover_wait;
  takeover.acquire_timeout = options.acquire_timeout;
  return takeover;
}

std::string RecordPath(const volume::Volume& volume) { return volume.path() + "/HISTORY"; }

absl::Status ArchiveIsGone(const Options& options, const archive::VolumeRecord& record) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the volume was archived to archive ", record.archive_id, ", but at ", options.archive.url,
      " there is none. Correct the url, bring the archive back, or set archive.adopt_archive to "
      "begin a new one."));
}

}  // namespace

Opening::Opening(Environment environment)
    : environment_(std::move(environment)),
      options_(*environment_.options),
      volume_(*environment_.volume) {}

absl::StatusOr<Opening::Result> Opening::Run(archive::Remote* remote) {
  MOORING_RETURN_IF_ERROR(Look(remote));
  if (remote != nullptr) {
    MOORING_RETURN_IF_ERROR(TakeOver(*remote));
  } else {
    MOORING_RETURN_IF_ERROR(CheckWithoutArchive());
    if (result_.engine == nullptr) MOORING_RETURN_IF_ERROR(OpenEngine(EngineStart::kCreate));
  }
  MOORING_RETURN_IF_ERROR(BeginIncarnation(remote));
  return std::move(result_);
}

// What the volume holds, after its own logs were replayed (A10).
absl::Status Opening::Look(archive::Remote* remote) {
  MOORING_ASSIGN_OR_RETURN(record_,
                           archive::ReadVolumeRecord(RecordPath(volume_), volume_.store_id()));
  view_.store_id = volume_.store_id();
  view_.archive_id = record_.archive_id;
  view_.archive_had_state = record_.archive_had_state;
  view_.recorded = record_.history;
  view_.kind = VolumeView::Kind::kEmpty;
  if (record_.restoring) {
    view_.kind = VolumeView::Kind::kRestoring;
    return absl::OkStatus();
  }
  if (volume_.created()) return absl::OkStatus();
  const absl::Status opened =
      volume_.data_missing()
          ? absl::DataLossError(absl::StrCat(volume_.data_directory(), " is missing or empty"))
          : OpenOrHealFiles(remote);
  if (absl::IsDataLoss(opened)) {
    damage_ = opened;
    view_.kind = VolumeView::Kind::kDamaged;
    return absl::OkStatus();
  }
  MOORING_RETURN_IF_ERROR(opened);
  view_.kind = VolumeView::Kind::kGood;
  view_.state = {record_.history, result_.engine->LastSequence()};
  // A store that was made before there were histories: one incarnation, which the store names.
  if (view_.state.history.empty() && view_.state.last_sequence > 0) {
    MOORING_RETURN_IF_ERROR(view_.state.history.Append({volume_.store_id(), 0, 1}));
  }
  view_.state.history = view_.state.history.Until(view_.state.last_sequence);
  return absl::OkStatus();
}

// Where files of the engine alone are damaged, they are fetched, and the volume is as good as ever.
absl::Status Opening::OpenOrHealFiles(archive::Remote* remote) {
  const absl::Status opened = OpenEngine(EngineStart::kOpen);
  if (!absl::IsDataLoss(opened) || remote == nullptr || !remote->identity()) return opened;
  const absl::StatusOr<std::unique_ptr<engine::FileKeeper>> keeper =
      environment_.open_file_keeper();
  if (!keeper.ok()) return opened;  // It is more than files.
  const absl::StatusOr<int> healed =
      HealFromArchive(**keeper, *remote, volume_.path() + "/healing", options_.log);
  if (!healed.ok()) {
    Log(LogSeverity::kWarning, absl::StrCat("files are not repaired: ", healed.status().message()));
  }
  return healed.value_or(0) > 0 ? OpenEngine(EngineStart::kOpen) : opened;
}

absl::Status Opening::CheckWithoutArchive() const {
  const bool unreached = !options_.archive.url.empty();
  if (!damage_.ok() && !unreached) return damage_;
  if (view_.kind == VolumeView::Kind::kRestoring ||
      (unreached && view_.kind != VolumeView::Kind::kGood)) {
    return absl::UnavailableError(
        absl::StrCat("the volume at ", options_.volume,
                     " must be restored from its archive first, which is not ",
                     unreached ? "reached" : "configured", ". Nothing was changed."));
  }
  if (record_.archive_id.empty() || unreached || options_.archive.adopt_archive)
    return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the volume at ", options_.volume, " was archived to archive ", record_.archive_id,
      ", but no archive is configured, so nobody would notice another owner. Set archive.url, or "
      "archive.adopt_archive to go on without it."));
}

archive::RestoreOptions Opening::MakeRestoreOptions() const {
  archive::RestoreOptions restore;
  restore.data_directory = volume_.data_directory();
  restore.store_id = volume_.store_id();
  restore.resumed = record_.restoring;
  restore.trim_aside = view_.kind == VolumeView::Kind::kDamaged;
  restore.begin = engine::RestoredDirectory::Begin;
  restore.progress = [this](int64_t done, int64_t total) {
    environment_.report(Progress::Phase::kRestoring, done, total);
  };
  return restore;
}

absl::Status Opening::TakeOver(archive::Remote& remote) {
  if (!record_.archive_id.empty() && !remote.identity() && !options_.archive.adopt_archive) {
    return ArchiveIsGone(options_, record_);
  }
  // A new store on a new archive: a claim that stands beside a volume without a state would look
  // like one whose state was lost, were this opening killed in between.
  if (view_.kind == VolumeView::Kind::kEmpty && !remote.identity()) {
    MOORING_RETURN_IF_ERROR(OpenEngine(EngineStart::kCreate));
    view_.kind = VolumeView::Kind::kGood;
  }
  MOORING_RETURN_IF_ERROR(remote.Establish(volume_.store_id()));
  restorer_.emplace(&remote.store(), MakeRestoreOptions());
  archive::TakeoverOptions takeover = MakeTakeoverOptions(environment_);
  takeover.rewind = environment_.rewind;
  takeover.waiting = [this] { environment_.report(Progress::Phase::kWatchingArchive, 0, 0); };
  takeover.prepare = [&](const archive::RestorePlan& plan) { return restorer_->Fetch(plan); };
  MOORING_ASSIGN_OR_RETURN(result_.takeover, archive::TakeOver(remote, view_, takeover));
  // Versions never go back, whichever volume the state was on before (DESIGN 1). Before the engine
  // opens: its compactions keep the device busy.
  MOORING_RETURN_IF_ERROR(volume_.RaiseEpochAbove(result_.takeover->max_epoch));
  return Act(remote);
}

absl::Status Opening::Act(archive::Remote& remote) {
  switch (result_.takeover->action) {
    case OpeningAction::kCreate:
      return OpenEngine(EngineStart::kCreate);
    case OpeningAction::kServe:
    case OpeningAction::kUploadFirstCheckpoint:
    case OpeningAction::kKeep:
      return absl::OkStatus();
    case OpeningAction::kRollForward:
    case OpeningAction::kRestore:
    case OpeningAction::kSetAsideAndRestore:
    case OpeningAction::kHeal:
    case OpeningAction::kResumeRestore:
    case OpeningAction::kRewind:
      return Restore(remote);
  }
  return absl::InternalError("an opening without an action");
}

// What a damaged volume still holds intact of its log, beyond the archive. A restore that is
// resumed may have been of one.
std::vector<engine::LogPiece> Opening::FindBeyond() const {
  const bool resumed = view_.kind == VolumeView::Kind::kRestoring;
  if (view_.kind != VolumeView::Kind::kDamaged && !resumed) return {};
  // Its log goes on with what was left behind.
  if (!archive::IsOfTheFork(view_, result_.takeover->plan->forked_by)) return {};
  const std::string data = volume_.data_directory();
  auto intact = engine::ReadIntactLogs(resumed ? archive::Restorer::ReplacedDirectory(data) : data,
                                       volume_.store_id());
  if (!intact.ok()) return {};
  return archive::SelectBeyond(*result_.takeover->plan, record_.history, *std::move(intact));
}

absl::Status Opening::Restore(archive::Remote& remote) {
  const archive::RestorePlan& plan = *result_.takeover->plan;
  const std::string why(archive::ToString(result_.takeover->action));
  Log(LogSeverity::kWarning,
      absl::StrCat("the archive decides: ", why, ", up to sequence ", plan.state.last_sequence,
                   damage_.ok() ? "" : absl::StrCat("; ", damage_.message())));
  for (const std::string& note : plan.notes) Log(LogSeverity::kWarning, note);
  if (!plan.complete) {
    Log(LogSeverity::kError,
        absl::StrCat("an object of the archive is damaged, and what it held beyond sequence ",
                     plan.state.last_sequence, " is not known: commits may be missing"));
  }
  const std::vector<engine::LogPiece> beyond = FindBeyond();
  if (result_.engine != nullptr) MOORING_RETURN_IF_ERROR(result_.engine->Close());
  result_.engine.reset();
  archive::VolumeRecord restored = record_;
  restored.restoring = true;
  restored.archive_id = remote.identity()->archive_id;
  restored.archive_had_state = true;
  MOORING_RETURN_IF_ERROR(
      archive::WriteVolumeRecord(RecordPath(volume_), volume_.store_id(), restored));
  if (!beyond.empty()) {
    Log(LogSeverity::kWarning,
        absl::StrCat("the volume's own log is intact up to sequence ", beyond.back().last_sequence,
                     " and is replayed beyond the archive"));
  }
  MOORING_ASSIGN_OR_RETURN(const archive::RestoreReport report,
                           restorer_->PutInPlace(plan, beyond));
  MOORING_RETURN_IF_ERROR(volume_.MarkComplete());
  const uint64_t wanted = beyond.empty() ? plan.state.last_sequence : beyond.back().last_sequence;
  // What the engine leaves out of the logs is in files, and they are gone, before this counts.
  MOORING_RETURN_IF_ERROR(
      OpenEngine(beyond.empty() ? EngineStart::kOpen : EngineStart::kOpenBeyond));
  const uint64_t reached = result_.engine->LastSequence();
  if (reached > wanted || reached < plan.state.last_sequence) {
    return absl::DataLossError(absl::StrCat(
        "the archive's state reaches sequence ", wanted, ", but what was restored from it ",
        reached, ". Open again; if that does not help, the archive is damaged."));
  }
  if (reached < wanted) {
    Log(LogSeverity::kError,
        absl::StrCat("the volume's own log is replayed up to sequence ", reached,
                     " only: what follows writes to a table that was made since the archive's last "
                     "checkpoint, and ",
                     wanted - reached, " operations on the volume are lost"));
  }
  restored.restoring = false;
  restored.history = beyond.empty() ? plan.state.history : record_.history.Until(reached);
  MOORING_RETURN_IF_ERROR(
      archive::WriteVolumeRecord(RecordPath(volume_), volume_.store_id(), restored));
  record_ = std::move(restored);
  Log(LogSeverity::kInfo,
      absl::StrCat("restored up to sequence ", reached, ": ", report.files_fetched,
                   " files fetched, ", report.files_reused, " reused",
                   report.set_aside.empty()
                       ? ""
                       : absl::StrCat("; what the volume held is in ", report.set_aside)));
  return absl::OkStatus();
}

absl::Status Opening::OpenEngine(EngineStart start) {
  MOORING_ASSIGN_OR_RETURN(result_.engine, environment_.open_engine(start));
  return volume_.MarkComplete();
}

// Durable before the first commit: whose commits come next, and to which archive.
absl::Status Opening::BeginIncarnation(const archive::Remote* remote) {
  const uint64_t last_sequence = result_.engine->LastSequence();
  if (view_.kind == VolumeView::Kind::kGood && record_.history.empty()) {
    record_.history = view_.state.history;
  }
  record_.history = record_.history.Until(last_sequence);
  MOORING_RETURN_IF_ERROR(
      record_.history.Append({environment_.incarnation, volume_.epoch(), last_sequence + 1}));
  if (remote != nullptr) {
    record_.archive_id = remote->identity()->archive_id;
    record_.archive_had_state = result_.takeover->plan.has_value();
  } else if (options_.archive.url.empty()) {
    record_.archive_id.clear();
    record_.archive_had_state = false;
  }
  result_.history = record_.history;
  if (result_.takeover && result_.takeover->plan) {
    const archive::RestorePlan& plan = *result_.takeover->plan;
    result_.forked = last_sequence == plan.state.last_sequence &&
                     (environment_.rewind.has_value() || !plan.forked_by.empty());
  }
  return archive::WriteVolumeRecord(RecordPath(volume_), volume_.store_id(), record_);
}

void Opening::Log(LogSeverity severity, const std::string& text) const {
  if (options_.log) options_.log(severity, text);
}

absl::StatusOr<LateClaim> ClaimLate(const Opening::Environment& environment,
                                    const engine::Engine& engine, const archive::History& history) {
  const Options& options = *environment.options;
  volume::Volume& volume = *environment.volume;
  const std::string path = RecordPath(volume);
  MOORING_ASSIGN_OR_RETURN(archive::VolumeRecord record,
                           archive::ReadVolumeRecord(path, volume.store_id()));
  archive::Remote::ConnectOptions connect;
  connect.timeout = absl::Seconds(5);
  LateClaim claim;
  MOORING_ASSIGN_OR_RETURN(claim.remote, archive::Remote::Connect(options.archive.url, connect));
  if (!record.archive_id.empty() && !claim.remote->identity() && !options.archive.adopt_archive) {
    return ArchiveIsGone(options, record);
  }
  MOORING_RETURN_IF_ERROR(claim.remote->Establish(volume.store_id()));
  archive::VolumeView view;
  view.kind = archive::VolumeView::Kind::kGood;
  view.store_id = volume.store_id();
  view.archive_id = record.archive_id;
  view.archive_had_state = record.archive_had_state;
  view.recorded = record.history;
  view.state = {history, engine.LastSequence()};
  view.state.history = history.Until(view.state.last_sequence);
  archive::TakeoverOptions takeover = MakeTakeoverOptions(environment);
  takeover.epoch_is_in_use = true;
  takeover.acquire_timeout = absl::ZeroDuration();  // Another owner that lives is the owner.
  takeover.prepare = [](const archive::RestorePlan& plan) {
    return archive::FencedError(plan.checkpoint->slot, "a state that this volume lacks");
  };
  MOORING_ASSIGN_OR_RETURN(claim.takeover, archive::TakeOver(*claim.remote, view, takeover));
  record.archive_id = claim.remote->identity()->archive_id;
  record.archive_had_state = claim.takeover.plan.has_value();
  MOORING_RETURN_IF_ERROR(archive::WriteVolumeRecord(path, volume.store_id(), record));
  return claim;
}

}  // namespace mooring::internal
