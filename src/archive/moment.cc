#include "src/archive/moment.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/engine/log_cut.h"

namespace mooring::archive {
namespace {

std::string TimeText(int64_t time_us) {
  return absl::FormatTime(absl::FromUnixMicros(time_us), absl::UTCTimeZone());
}

uint64_t EpochOf(const State& state, uint64_t sequence) {
  const HistoryEntry* writer = state.history.WriterOf(sequence);
  return writer == nullptr ? 0 : writer->epoch;
}

std::string VersionText(const State& state, uint64_t sequence) {
  return absl::StrCat("version ", Version{EpochOf(state, sequence), sequence}.ToString());
}

// Whether the version is of this state's past. An opening's epoch also stands for what it found.
bool WasGiven(const State& state, Version version, bool exactly) {
  if (version.sequence > state.last_sequence) return false;
  const auto& entries = state.history.entries();
  const HistoryEntry* writer = state.history.WriterOf(version.sequence);
  if (writer == nullptr) return version.sequence == 0;
  if (exactly || writer->epoch >= version.epoch) return writer->epoch == version.epoch;
  const bool last = writer == &entries.back();
  return last || version.epoch <= (writer + 1)->epoch;
}

absl::Status AddCommits(const LogPiece& piece, std::vector<engine::LoggedCommit>* commits) {
  const Segment& info = piece.info();
  const std::string_view bytes = piece.entry->As<LogEntry>()->bytes;
  return engine::ReadLoggedCommits(SlotKey(piece.entry->slot), info.begin,
                                   bytes.substr(piece.offset, info.end - info.begin), commits);
}

class Finder {
 public:
  Finder(const std::vector<JournalItem>& journal, const MomentOptions& options)
      : journal_(journal), options_(options) {}

  absl::StatusOr<Moment> At(Version version) {
    // The journal's own lineage, and each that a later claim left.
    std::vector<uint64_t> ends = {options_.last_slot};
    uint64_t newest_epoch = 0;
    for (auto item = journal_.rbegin(); item != journal_.rend(); ++item) {
      const auto* claim = item->entry ? item->entry->As<ClaimEntry>() : nullptr;
      if (claim == nullptr || item->slot > options_.last_slot) continue;
      newest_epoch = std::max(newest_epoch, claim->epoch);
      if (claim->continues_from) ends.push_back(item->slot - 1);
    }
    MOORING_ASSIGN_OR_RETURN(const RestorePlan newest, Plan(ends.front(), ~uint64_t{0}));
    for (const bool exactly : {true, false}) {
      if (!exactly && version.epoch > newest_epoch) break;
      for (const uint64_t end : ends) {
        const absl::StatusOr<RestorePlan> whole = Plan(end, ~uint64_t{0});
        if (!whole.ok() || !WasGiven(whole->state, version, exactly)) continue;
        const bool left = end != ends.front();
        if (left && !options_.may_be_left_behind) return LeftBehindError(version, newest);
        return Take(end, version.sequence, left);
      }
    }
    return absl::OutOfRangeError(absl::StrCat(
        "version ", version.ToString(), " is not in the archive, which reaches ",
        VersionText(newest.state, newest.state.last_sequence), NoSuchVersion(version, newest)));
  }

  absl::StatusOr<Moment> Latest() {
    MOORING_ASSIGN_OR_RETURN(const RestorePlan plan, Plan(options_.last_slot, ~uint64_t{0}));
    if (!plan.complete) {
      return absl::DataLossError(absl::StrCat("the archive is damaged: what is left of it reaches ",
                                              VersionText(plan.state, plan.state.last_sequence),
                                              ", which can be asked for. ",
                                              plan.notes.empty() ? "" : plan.notes.front()));
    }
    return Take(options_.last_slot, plan.state.last_sequence, false);
  }

  // A checkpoint that was made at or before the time holds nothing later. One that was made later
  // is a base where what follows it is not beyond the time either.
  absl::StatusOr<Moment> At(int64_t time_us) {
    MOORING_RETURN_IF_ERROR(CheckNotBeyond(time_us));
    const std::vector<EntryPtr> bases = Bases();
    auto later = std::find_if(bases.begin(), bases.end(),
                              [&](const EntryPtr& base) { return base->time_us > time_us; });
    absl::Status error = absl::OutOfRangeError(absl::StrCat(
        "the archive has nothing as old as ", TimeText(time_us), ". ", FirstPoint(bases)));
    std::optional<uint64_t> reached;  // Nothing up to here is later than the time,
    uint64_t from = 0;                // as the checkpoint in this slot tells.
    for (auto base = later; base != bases.begin();) {
      --base;
      const absl::StatusOr<Search> search = SearchFrom(*base, time_us);
      if (!search.ok()) {
        error = search.status();
        continue;
      }
      if (search->exact) return TakeFrom((*base)->slot, *search);
      reached = search->last_sequence;
      from = (*base)->slot;
      break;
    }
    for (; later != bases.end() && reached; ++later) {
      const auto& checkpoint = *(*later)->As<CheckpointEntry>();
      const uint64_t max_sequence = checkpoint.max_sequence;
      // The checkpoint's time is at most that of its last commit; here there is no other.
      if (max_sequence == *reached + 1 && checkpoint.max_time_us > time_us) {
        return TakeFrom(from, {*reached, true});
      }
      const absl::StatusOr<Search> search = SearchFrom(*later, time_us);
      if (!search.ok()) continue;
      const bool proved = max_sequence <= *reached || search->last_sequence > max_sequence;
      if (!proved) return Gap(time_us, *reached, max_sequence);
      // Tables may have been dropped since: a later base is taken only for later commits.
      if (search->last_sequence > *reached) {
        reached = search->last_sequence;
        from = (*later)->slot;
      }
      if (search->exact) return TakeFrom(from, {*reached, true});
    }
    return reached ? Gap(time_us, *reached, 0) : error;
  }

 private:
  struct Search {
    uint64_t last_sequence = 0;  // The last one not beyond the time, of those that were found.
    bool exact = false;          // What comes next is beyond, or there is nothing.
  };

  absl::StatusOr<RestorePlan> Plan(uint64_t last_slot, uint64_t last_sequence,
                                   uint64_t base_slot = 0) const {
    RestoreTarget target;
    target.last_slot = last_slot;
    target.last_sequence = last_sequence;
    target.unusable = options_.unusable;
    if (base_slot != 0) {
      for (const JournalItem& item : journal_) {
        if (item.slot != base_slot) {
          target.unusable.emplace(item.slot, absl::DataLossError("another one is wanted"));
        }
      }
    }
    return PlanRestore(journal_, target);
  }

  // The checkpoints of the lineage, the oldest first.
  std::vector<EntryPtr> Bases() const {
    std::vector<EntryPtr> bases;
    for (const JournalItem& item : journal_) {
      if (item.slot > options_.last_slot || !item.entry) continue;
      const auto* checkpoint = item.entry->As<CheckpointEntry>();
      if (checkpoint == nullptr || options_.unusable.count(item.slot) != 0) continue;
      const auto plan = Plan(options_.last_slot, ~uint64_t{0}, item.slot);
      if (plan.ok() && plan->checkpoint->slot == item.slot) bases.push_back(item.entry);
    }
    return bases;
  }

  absl::StatusOr<Search> SearchFrom(const EntryPtr& base, int64_t time_us) const {
    MOORING_ASSIGN_OR_RETURN(const RestorePlan plan,
                             Plan(options_.last_slot, ~uint64_t{0}, base->slot));
    Search search;
    search.last_sequence = base->As<CheckpointEntry>()->max_sequence;
    for (const LogPiece& piece : plan.logs) {
      std::vector<engine::LoggedCommit> commits;
      MOORING_RETURN_IF_ERROR(AddCommits(piece, &commits));
      for (const engine::LoggedCommit& commit : commits) {
        if (commit.last_sequence > plan.state.last_sequence) break;
        if (commit.last_sequence <= search.last_sequence) continue;
        if (commit.time_us > time_us) {
          search.exact = true;
          return search;
        }
        search.last_sequence = commit.last_sequence;
      }
    }
    search.exact = NothingFollows(search.last_sequence, time_us);
    return search;
  }

  // Nothing of the lineage that follows the sequence can be at or before the time.
  bool NothingFollows(uint64_t sequence, int64_t time_us) const {
    const auto left = FindLeftBehind(journal_, options_.last_slot);
    const auto is_left = [&](uint64_t slot) {
      return std::any_of(left.begin(), left.end(), [slot](const auto& range) {
        return range.first < slot && slot < range.second;
      });
    };
    for (const JournalItem& item : journal_) {
      if (item.slot > options_.last_slot || is_left(item.slot)) continue;
      if (!item.entry) return false;
      if (const auto* log = item.entry->As<LogEntry>()) {
        for (const Segment& segment : log->segments) {
          if (segment.first_sequence != sequence + 1) continue;
          return segment.first_time_us > time_us;
        }
      }
    }
    const auto newest = Plan(options_.last_slot, ~uint64_t{0});
    return newest.ok() && newest->complete && newest->state.last_sequence <= sequence;
  }

  // Later than the newest entry nobody knows what the owner has not sent yet.
  absl::Status CheckNotBeyond(int64_t time_us) const {
    int64_t newest = 0;
    for (const JournalItem& item : journal_) {
      if (item.entry && item.slot <= options_.last_slot) {
        newest = std::max(newest, item.entry->time_us);
      }
    }
    if (time_us <= newest) return absl::OkStatus();
    return absl::OutOfRangeError(
        absl::StrCat(TimeText(time_us), " is not in the archive, to which was last written at ",
                     TimeText(newest), ". Ask for a time up to then, or for the latest state."));
  }

  std::string FirstPoint(const std::vector<EntryPtr>& bases) const {
    if (bases.empty()) return "It has no checkpoint that could be used.";
    const auto& first = *bases.front()->As<CheckpointEntry>();
    return absl::StrCat("The oldest moment that it has is ",
                        VersionText({first.history, first.max_sequence}, first.max_sequence),
                        ", of ", TimeText(bases.front()->time_us), " or before.");
  }

  absl::Status Gap(int64_t time_us, uint64_t below, uint64_t above) const {
    const auto newest = Plan(options_.last_slot, ~uint64_t{0});
    const State state = newest.ok() ? newest->state : State();
    return absl::OutOfRangeError(absl::StrCat(
        "the archive does not tell which commit was the last at ", TimeText(time_us),
        ": of what follows ", VersionText(state, below), " it has the state only. One can go there",
        above == 0 ? "" : absl::StrCat(", or to ", VersionText(state, above)), "."));
  }

  absl::Status LeftBehindError(Version version, const RestorePlan& newest) const {
    return absl::OutOfRangeError(
        absl::StrCat("version ", version.ToString(),
                     " is not in the store's past: it was left behind when the "
                     "store was rewound. RestoreCopy() gets it. The past reaches ",
                     VersionText(newest.state, newest.state.last_sequence), "."));
  }

  static std::string NoSuchVersion(Version version, const RestorePlan& newest) {
    const auto& state = newest.state;
    if (version.sequence > state.last_sequence || version.sequence == 0) return ".";
    return absl::StrCat("; sequence ", version.sequence, " of its past is ",
                        VersionText(state, version.sequence), ".");
  }

  // The nearest moments on both sides of a sequence that cannot be reached.
  absl::Status NotReached(uint64_t end, uint64_t sequence, const absl::Status& why) const {
    RestoreTarget below;
    below.last_slot = end;
    below.unusable = options_.unusable;
    std::optional<uint64_t> above;
    for (const JournalItem& item : journal_) {
      const auto* checkpoint = item.entry ? item.entry->As<CheckpointEntry>() : nullptr;
      if (checkpoint == nullptr || checkpoint->max_sequence <= sequence) continue;
      below.unusable.emplace(item.slot, absl::OutOfRangeError("it lies beyond"));
      if (item.slot <= end)
        above = std::min(above.value_or(~uint64_t{0}), checkpoint->max_sequence);
    }
    const auto newest = Plan(end, ~uint64_t{0});
    const auto plan = PlanRestore(journal_, below);
    const State state = newest.ok() ? newest->state : State();
    return absl::OutOfRangeError(absl::StrCat(
        "sequence ", sequence, " cannot be restored from the archive: ", why.message(),
        ". Nearest before: ",
        plan.ok() ? VersionText(state, plan->state.last_sequence) : std::string("nothing"),
        "; nearest after: ", above ? VersionText(state, *above) : std::string("nothing"), "."));
  }

  absl::StatusOr<Moment> TakeFrom(uint64_t base, const Search& search) const {
    return Make(Plan(options_.last_slot, search.last_sequence, base), search.last_sequence, false);
  }

  absl::StatusOr<Moment> Take(uint64_t end, uint64_t sequence, bool left) const {
    absl::StatusOr<RestorePlan> plan = Plan(end, sequence);
    if (absl::IsOutOfRange(plan.status()) || absl::IsNotFound(plan.status())) {
      return NotReached(end, sequence, plan.status());
    }
    return Make(std::move(plan), sequence, left);
  }

  static absl::StatusOr<Moment> Make(absl::StatusOr<RestorePlan> plan, uint64_t sequence,
                                     bool left) {
    MOORING_RETURN_IF_ERROR(plan.status());
    Moment moment;
    moment.plan = *std::move(plan);
    if (moment.plan.state.last_sequence != sequence) {
      return absl::DataLossError(absl::StrCat("the archive's plan for sequence ", sequence,
                                              " ends at ", moment.plan.state.last_sequence));
    }
    moment.left_behind = left;
    moment.version = {EpochOf(moment.plan.state, sequence), sequence};
    moment.last_slot = moment.plan.checkpoint->slot;
    const auto& checkpoint = *moment.plan.checkpoint->As<CheckpointEntry>();
    moment.time_us = checkpoint.max_sequence == sequence ? checkpoint.max_time_us : 0;
    moment.plan.state.history = moment.plan.state.history.Until(sequence);
    if (!moment.plan.logs.empty()) {
      moment.last_slot = std::max(moment.last_slot, moment.plan.logs.back().entry->slot);
      MOORING_RETURN_IF_ERROR(CheckIsACommit(checkpoint.max_sequence, sequence, &moment));
    }
    return moment;
  }

  static absl::Status CheckIsACommit(uint64_t max_sequence, uint64_t sequence, Moment* moment) {
    const LogPiece& last = moment->plan.logs.back();
    std::vector<engine::LoggedCommit> commits;
    MOORING_RETURN_IF_ERROR(AddCommits(last, &commits));
    const auto it = std::find_if(commits.begin(), commits.end(), [&](const auto& commit) {
      return commit.last_sequence >= sequence;
    });
    if (it != commits.end() && it->last_sequence == sequence) {
      moment->time_us = it->time_us;
      return absl::OkStatus();
    }
    if (sequence <= max_sequence) return absl::OkStatus();  // The checkpoint's.
    const uint64_t before =
        it == commits.begin() ? last.info().first_sequence - 1 : std::prev(it)->last_sequence;
    return absl::InvalidArgumentError(absl::StrCat(
        "sequence ", sequence, " lies inside a commit: the ones around it end at ", before, " and ",
        it == commits.end() ? last.info().last_sequence : it->last_sequence));
  }

  const std::vector<JournalItem>& journal_;
  const MomentOptions& options_;
};

}  // namespace

absl::StatusOr<Moment> FindMoment(const std::vector<JournalItem>& journal,
                                  const RewindTarget& target, const MomentOptions& options) {
  Finder finder(journal, options);
  if (target.version()) return finder.At(*target.version());
  if (target.time()) return finder.At(absl::ToUnixMicros(*target.time()));
  return finder.Latest();
}

}  // namespace mooring::archive
