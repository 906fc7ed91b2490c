#include "src/archive/takeover.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/archive/collected.h"
#include "src/archive/journal.h"
#include "src/archive/moment.h"
#include "src/archive/pin.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::archive {
namespace {

using Phase = JournalProtocol::Phase;

constexpr int kLooks = 5;  // In takeover_wait.
constexpr absl::Duration kReadTimeout = absl::Seconds(60);
constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(5);

bool Restores(OpeningAction action) {
  switch (action) {
    case OpeningAction::kRollForward:
    case OpeningAction::kRestore:
    case OpeningAction::kSetAsideAndRestore:
    case OpeningAction::kHeal:
    case OpeningAction::kResumeRestore:
    case OpeningAction::kRewind:
      return true;
    case OpeningAction::kCreate:
    case OpeningAction::kServe:
    case OpeningAction::kUploadFirstCheckpoint:
    case OpeningAction::kKeep:
      return false;
  }
  return false;
}

// Whether it was the volume's own openings that wrote what is not known.
bool HoldsTheUnknown(const VolumeView& volume, const RestorePlan& plan) {
  const auto opened = [](const History& history, const std::string& who) {
    const auto& opens = history.entries();
    return std::any_of(opens.begin(), opens.end(),
                       [&](const HistoryEntry& open) { return open.incarnation == who; });
  };
  return std::all_of(plan.unknown_of.begin(), plan.unknown_of.end(), [&](const std::string& who) {
    return opened(volume.recorded, who) || opened(volume.state.history, who);
  });
}

bool Same(const RestorePlan& a, const RestorePlan& b) {
  return a.checkpoint->slot == b.checkpoint->slot && a.logs.size() == b.logs.size() &&
         Compare(a.state, b.state) == Relation::kEqual;
}

// What the journal below a claim holds, and what the open does with it.
struct View {
  std::optional<RestorePlan> plan;
  OpeningAction action = OpeningAction::kServe;
  State newest;            // What the archive's end gives, also where the plan goes back.
  uint64_t last_slot = 0;  // Of the journal, for a plan that goes back; else 0.
  std::vector<ArchivedFile> files;
  uint64_t max_epoch = 0;
};

uint64_t MaxEpoch(const std::vector<JournalItem>& items, const std::string& own) {
  uint64_t epoch = 0;
  const auto see = [&](const History& history) {
    for (const HistoryEntry& entry : history.entries()) epoch = std::max(epoch, entry.epoch);
  };
  for (const JournalItem& item : items) {
    if (!item.entry || item.entry->writer == own) continue;  // An earlier attempt's claim.
    if (const auto* claim = item.entry->As<ClaimEntry>()) {
      epoch = std::max(epoch, claim->epoch);
      see(claim->history);
    }
    if (const auto* checkpoint = item.entry->As<CheckpointEntry>()) see(checkpoint->history);
  }
  return epoch;
}

// The files of the checkpoints that were not collected and can be used.
std::vector<ArchivedFile> KeptFiles(const std::vector<JournalItem>& items,
                                    const std::map<uint64_t, absl::Status>& unusable) {
  const Collected collected(items);
  std::vector<ArchivedFile> files;
  for (const JournalItem& item : items) {
    const auto* checkpoint = item.entry ? item.entry->As<CheckpointEntry>() : nullptr;
    if (checkpoint == nullptr || !collected.Keeps(item, *checkpoint)) continue;
    if (unusable.count(item.slot) == 0) {
      files.insert(files.end(), checkpoint->files.begin(), checkpoint->files.end());
    }
  }
  return files;
}

class Run {
 public:
  Run(Remote& remote, const VolumeView& volume, const TakeoverOptions& options)
      : remote_(remote),
        volume_(volume),
        options_(options),
        deadline_(options.acquire_timeout),
        protocol_(std::make_unique<JournalProtocol>(remote.identity()->archive_id,
                                                    options.incarnation)) {}

  absl::StatusOr<Takeover> TakeOver() {
    do {
      MOORING_RETURN_IF_ERROR(protocol_->FindHead());
      MOORING_RETURN_IF_ERROR(Drive());
      MOORING_RETURN_IF_ERROR(AwaitQuiet());
      MOORING_RETURN_IF_ERROR(Claim());
    } while (protocol_->phase() != Phase::kClaimed);
    return Own();
  }

 private:
  // An outcome that stays unknown is like a crash: a claim that stands holds no data, and the next
  // open claims the slot after it.
  absl::Status Drive() {
    MOORING_RETURN_IF_ERROR(archive::Drive(*protocol_, remote_.store()));
    return protocol_->phase() == Phase::kFailed ? protocol_->status() : absl::OkStatus();
  }

  // Returns when nobody is at work: the last owner closed, or wrote nothing for `takeover_wait`.
  absl::Status AwaitQuiet() {
    while (true) {
      MOORING_ASSIGN_OR_RETURN(const bool closed, Closed());
      if (closed) return absl::OkStatus();
      // A claim was lost: somebody lives, whatever a watch would say of it now.
      if (lost_ && deadline_.Passed()) return AnotherLives();
      MOORING_ASSIGN_OR_RETURN(const bool moved, WatchOnce());
      if (!moved) return absl::OkStatus();
      // Whoever waits for a living owner must not keep it from collecting. What was fetched is held
      // against the journal again.
      pin_.reset();
      if (deadline_.Passed()) return AnotherLives();
    }
  }

  // The journal is empty, or ends with a CLOSE.
  absl::StatusOr<bool> Closed() {
    const uint64_t head = protocol_->head();
    if (head == 0) return true;
    const std::string key = SlotKey(head);
    absl::StatusOr<std::string> object;
    MOORING_RETURN_IF_ERROR(Retry([&] {
      object = remote_.store().Get(key, {});
      return object.status();
    }));
    const absl::StatusOr<Entry> entry = DecodeEntry(key, head, *object);
    if (absl::IsFailedPrecondition(entry.status())) return entry.status();
    return entry.ok() && entry->As<CloseEntry>() != nullptr;
  }

  // Whether the head moved within `takeover_wait`.
  absl::StatusOr<bool> WatchOnce() {
    const uint64_t head = protocol_->head();
    for (int i = 0; i < kLooks; ++i) {
      if (options_.waiting) options_.waiting();
      absl::SleepFor(options_.takeover_wait / kLooks);
      MOORING_RETURN_IF_ERROR(protocol_->Watch());
      MOORING_RETURN_IF_ERROR(Drive());
      if (protocol_->head() != head) return true;
    }
    return false;
  }

  absl::Status AnotherLives() {
    return absl::FailedPreconditionError(absl::StrCat(
        "another owner of this store is at work: ", DescribeOwner(), " wrote to the archive at ",
        remote_.store().name(), " during the last ",
        absl::FormatDuration(std::max(options_.acquire_timeout, options_.takeover_wait)),
        ". Stop it, or wait for it to close."));
  }

  // The last claim's owner where that is among what is read, else the last entry's writer.
  std::string DescribeOwner() {
    const absl::StatusOr<std::vector<JournalItem>> items = remote_.ReadRecent();
    std::string who = "one that cannot be named";
    if (!items.ok()) return who;
    for (const JournalItem& item : *items) {
      if (!item.entry) continue;
      if (const auto* claim = item.entry->As<ClaimEntry>()) {
        who = absl::StrCat(claim->owner, " (incarnation ", item.entry->writer, ", epoch ",
                           claim->epoch, ")");
      } else if (who.find(item.entry->writer) == std::string::npos) {
        who = absl::StrCat("incarnation ", item.entry->writer);
      }
    }
    return who;
  }

  // The journal up to `last_slot`, and what it means for this open.
  absl::StatusOr<View> Look(uint64_t last_slot) {
    std::vector<JournalItem> items;
    MOORING_RETURN_IF_ERROR(Retry([&]() -> absl::Status {
      const bool recent = unusable_.empty() && !options_.rewind;
      MOORING_ASSIGN_OR_RETURN(items, recent ? remote_.ReadRecent(last_slot) : remote_.ReadAll());
      return absl::OkStatus();
    }));
    const auto beyond = [&](const JournalItem& item) { return item.slot > last_slot; };
    const bool empty = std::all_of(items.begin(), items.end(), beyond);
    if (empty && last_slot > 0) {
      return absl::UnavailableError(absl::StrCat(
          "the archive's journal up to slot ", last_slot,
          " is gone: another owner went on while this opening was under way. Open again."));
    }
    ArchiveView archive;
    archive.archive_id = remote_.identity()->archive_id;
    archive.store_id = remote_.identity()->store_id;
    archive.kind = empty ? ArchiveView::Kind::kEmpty : ArchiveView::Kind::kClaimsOnly;
    View view;
    RestoreTarget target;
    target.last_slot = last_slot;
    target.unusable = unusable_;
    absl::StatusOr<RestorePlan> plan = PlanRestore(items, target);
    if (plan.ok()) {
      archive.kind = ArchiveView::Kind::kState;
      archive.state = view.newest = plan->state;
      archive.forked_by = plan->forked_by;
      view.plan = *std::move(plan);
    } else if (!absl::IsNotFound(plan.status())) {
      return plan.status();
    }
    MOORING_ASSIGN_OR_RETURN(view.action, DecideOpening(volume_, archive, options_.opening));
    if (options_.rewind) MOORING_RETURN_IF_ERROR(GoBack(items, last_slot, &view));
    const bool lacks =
        Restores(view.action) || (view.plan && !HoldsTheUnknown(volume_, *view.plan));
    if (lacks && !view.plan->complete && !options_.opening.accept_loss) {
      return Incomplete(*view.plan);
    }
    view.files = KeptFiles(items, unusable_);
    items.erase(std::remove_if(items.begin(), items.end(), beyond), items.end());
    // A claim of one's own hides the one before.
    view.max_epoch = max_epoch_ = std::max(max_epoch_, MaxEpoch(items, options_.incarnation));
    return view;
  }

  absl::Status GoBack(const std::vector<JournalItem>& items, uint64_t last_slot, View* view) {
    MomentOptions moment_options;
    moment_options.last_slot = last_slot;
    moment_options.unusable = unusable_;
    MOORING_ASSIGN_OR_RETURN(Moment moment, FindMoment(items, *options_.rewind, moment_options));
    view->action = OpeningAction::kRewind;
    view->plan = std::move(moment.plan);
    view->last_slot = moment.last_slot;
    return absl::OkStatus();
  }

  static absl::Status Incomplete(const RestorePlan& plan) {
    return absl::DataLossError(absl::StrCat(
        "the archive is damaged: what is left of it reaches sequence ", plan.state.last_sequence,
        ", and commits beyond that were archived. Bring the objects back, or set "
        "archive.accept_loss to go on without those commits. ",
        absl::StrJoin(plan.notes, "; ")));
  }

  // What the journal up to `last_slot` means, with what it takes prepared. Where a file of the
  // newest checkpoint is missing or damaged, an older one and more of the log may do.
  absl::StatusOr<View> LookAndPrepare(uint64_t last_slot) {
    while (true) {
      MOORING_ASSIGN_OR_RETURN(View view, Look(last_slot));
      if (Restores(view.action) && pin_ == nullptr) {
        // The owner that is about to be taken over may collect until then (P1).
        MOORING_ASSIGN_OR_RETURN(pin_, PinHolder::Take(&remote_.store(), options_.owner));
        continue;
      }
      const absl::Status prepared = Prepare(view);
      if (prepared.ok()) return view;
      if (!absl::IsDataLoss(prepared)) return prepared;
      unusable_[view.plan->checkpoint->slot] = prepared;
    }
  }

  absl::Status Prepare(const View& view) {
    if (!Restores(view.action) || !options_.prepare) return absl::OkStatus();
    if (prepared_ && Same(*prepared_, *view.plan)) return absl::OkStatus();
    MOORING_RETURN_IF_ERROR(options_.prepare(*view.plan));
    prepared_ = view.plan;
    return absl::OkStatus();
  }

  // Claims the slot after the head, once it is seen that the open can go on. Preparing may take
  // long: whatever is written meanwhile takes the slot.
  absl::Status Claim() {
    const uint64_t head = protocol_->head();
    MOORING_ASSIGN_OR_RETURN(const View view, LookAndPrepare(head));
    if (options_.epoch_is_in_use && view.max_epoch >= options_.epoch) {
      return FencedError(head, absl::StrCat("what came after an opening at epoch ", view.max_epoch,
                                            "; this one is at epoch ", options_.epoch));
    }
    ClaimEntry claim;
    claim.epoch = EpochAbove(view.max_epoch);
    claim.owner = options_.owner;
    claim.taken_over_slot = head;
    if (view.plan) {
      claim.history = view.newest.history;
      claim.taken_over_sequence = view.newest.last_sequence;
    }
    if (view.last_slot != 0) {
      claim.continues_from = view.plan->state.last_sequence;
      claim.continues_slot = view.last_slot;
    }
    MOORING_RETURN_IF_ERROR(
        protocol_->Claim(std::move(claim), RandomId(), absl::ToUnixMicros(absl::Now())));
    MOORING_RETURN_IF_ERROR(Drive());
    lost_ = protocol_->phase() == Phase::kClaimLost;
    return absl::OkStatus();
  }

  // What the volume's epoch is once it was raised above that. It must stand in the claim, for an
  // owner who ships nothing leaves no other trace, and no later one may give its versions again.
  uint64_t EpochAbove(uint64_t max_epoch) const {
    return options_.epoch > max_epoch ? options_.epoch : max_epoch + 2;
  }

  absl::StatusOr<Takeover> Own() {
    MOORING_ASSIGN_OR_RETURN(View view, LookAndPrepare(protocol_->head() - 1));
    JournalProtocol::Found found;
    if (view.last_slot != 0) {
      found.files = view.files;  // A11: what comes after it is no lineage of its own yet.
    } else if (view.plan) {
      found.restorable = view.plan->state;
      found.logs = view.plan->log_slots;
      found.min_log = view.plan->min_log;
      found.files = view.files;
      for (const ArchivedFile& file : view.plan->checkpoint->As<CheckpointEntry>()->files) {
        found.checkpoint_files.insert(file.name);
      }
    }
    MOORING_RETURN_IF_ERROR(protocol_->BeginOwning(std::move(found)));
    if (!view.plan) view.files.clear();
    return Takeover{view.action, std::move(view.plan), std::move(protocol_), std::move(view.files),
                    view.max_epoch};
  }

  // Calls `attempt` again, with growing pauses, while it answers UNAVAILABLE.
  template <typename Attempt>
  absl::Status Retry(Attempt attempt) {
    const Deadline deadline(kReadTimeout);
    for (absl::Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
      const absl::Status status = attempt();
      if (!absl::IsUnavailable(status) || deadline.Left() <= pause) return status;
      absl::SleepFor(pause);
    }
  }

  Remote& remote_;
  const VolumeView& volume_;
  const TakeoverOptions& options_;
  const Deadline deadline_;
  std::unique_ptr<JournalProtocol> protocol_;
  std::unique_ptr<PinHolder> pin_;  // Once anything is to be fetched.
  std::optional<RestorePlan> prepared_;
  uint64_t max_epoch_ = 0;                     // Seen in the archive.
  std::map<uint64_t, absl::Status> unusable_;  // Checkpoints whose files failed, by slot.
  bool lost_ = false;                          // The last claim was.
};

}  // namespace

absl::StatusOr<Takeover> TakeOver(Remote& remote, const VolumeView& volume,
                                  const TakeoverOptions& options) {
  if (!remote.identity()) {
    return absl::FailedPreconditionError("an archive is established before it is taken over");
  }
  return Run(remote, volume, options).TakeOver();
}

}  // namespace mooring::archive
