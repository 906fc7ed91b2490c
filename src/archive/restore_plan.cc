#include "src/archive/restore_plan.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/archive/collected.h"
#include "src/base/status.h"

namespace mooring::archive {
namespace {

// What claims that go back have left behind (A11).
class LeftBehind {
 public:
  LeftBehind(const std::vector<JournalItem>& journal, const Collected& collected,
             uint64_t last_slot)
      : ranges_(FindLeftBehind(journal, last_slot)) {
    for (const JournalItem& item : journal) {
      const auto* claim = item.entry ? item.entry->As<ClaimEntry>() : nullptr;
      if (claim == nullptr || !claim->continues_from || item.slot > last_slot || Slot(item.slot) ||
          collected.IsGone(item)) {
        continue;
      }
      forks_.emplace_back(item.slot, *claim->continues_from);
    }
  }

  bool Slot(uint64_t slot) const { return After(slot) != slot; }
  // The slot, or the first one after it that is not left behind.
  uint64_t After(uint64_t slot) const {
    for (const auto& [last, claim] : ranges_) {
      if (slot > last && slot < claim) return claim;
    }
    return slot;
  }
  // It reaches beyond where a later claim goes on, and so is no base.
  bool Checkpoint(uint64_t slot, uint64_t max_sequence) const {
    return std::any_of(forks_.begin(), forks_.end(), [&](const auto& fork) {
      return slot < fork.first && max_sequence > fork.second;
    });
  }

 private:
  const std::vector<std::pair<uint64_t, uint64_t>> ranges_;
  std::vector<std::pair<uint64_t, uint64_t>> forks_;  // Slots of claims, and where they go on.
};

// Follows the log from one checkpoint to the target.
class Replay {
 public:
  Replay(EntryPtr checkpoint, const RestoreTarget& target, const LeftBehind& left)
      : base_(*checkpoint->As<CheckpointEntry>()),
        target_(target),
        left_(left),
        writer_(checkpoint->writer) {
    plan_.checkpoint = std::move(checkpoint);
    plan_.state = {base_.history, base_.max_sequence};
    plan_.last_time_us = base_.max_time_us;
    plan_.min_log = plan_.max_log = base_.min_log;
  }

  absl::StatusOr<RestorePlan> Run(const std::vector<JournalItem>& items,
                                  const Collected& collected) {
    uint64_t expected = base_.replay_from;
    for (const JournalItem& item : items) {
      const uint64_t last = std::max(item.slot, item.last_slot);
      if (last < base_.replay_from) continue;
      expected = left_.After(expected);
      // A merged log stands for every slot of its range; what else is there comes besides.
      if (item.slot > expected) return Missing(expected);
      expected = std::max(expected, last + 1);
      if (!item.entry) {
        Doubt(item);
        continue;
      }
      writer_ = item.entry->writer;
      if (const auto* claim = item.entry->As<ClaimEntry>()) {
        MOORING_RETURN_IF_ERROR(Follow(item.slot, *claim));
        if (claim->continues_from) plan_.forked_by.clear();
        if (claim->continues_from || !plan_.forked_by.empty()) {
          plan_.forked_by.push_back(item.entry->writer);
        }
      } else if (item.entry->As<LogEntry>() != nullptr) {
        MOORING_RETURN_IF_ERROR(Follow(item.entry));
      }
    }
    // What was cut off by the target's last slot is gone as well.
    expected = left_.After(expected);
    if (expected <= target_.last_slot && collected.IsLost(expected)) return Missing(expected);
    if (target_.last_sequence != ~uint64_t{0} &&
        plan_.state.last_sequence < target_.last_sequence) {
      return absl::OutOfRangeError(absl::StrCat("the archive ends at sequence ",
                                                plan_.state.last_sequence, " of this lineage; ",
                                                target_.last_sequence, " is not in it"));
    }
    return std::move(plan_);
  }

 private:
  absl::Status Missing(uint64_t slot) const {
    return absl::DataLossError(absl::StrCat(
        "archive object ", SlotKey(slot), " is missing; the checkpoint in slot ",
        plan_.checkpoint->slot, " needs all of the journal from slot ", base_.replay_from));
  }

  // A damaged entry was no log entry where the next one follows without a gap.
  void Doubt(const JournalItem& item) {
    plan_.notes.push_back(std::string(item.status.message()));
    plan_.complete = false;
    plan_.unknown_of.push_back(writer_);  // Or it was a claim, which holds no data.
  }

  absl::Status Follow(uint64_t slot, const ClaimEntry& claim) {
    if (!claim.continues_from) return absl::OkStatus();
    const uint64_t end = *claim.continues_from;
    if (end < base_.max_sequence) {
      return absl::DataLossError(absl::StrCat("the checkpoint in slot ", plan_.checkpoint->slot,
                                              " reaches sequence ", base_.max_sequence, ", beyond ",
                                              end, ", from where the claim in slot ", slot,
                                              " goes on"));
    }
    State& state = plan_.state;
    // What cannot be replayed or read lies beyond, where nobody goes.
    plan_.complete = state.last_sequence >= std::min(end, target_.last_sequence);
    ended_ = ended_ && !plan_.complete;
    if (plan_.complete) plan_.unknown_of.clear();
    if (!plan_.complete) {
      plan_.notes.push_back(absl::StrCat("the claim in slot ", slot, " goes on from sequence ", end,
                                         ", and what is left of that reaches ",
                                         state.last_sequence));
    }
    state = {state.history.Until(end), std::min(state.last_sequence, end)};
    while (!plan_.logs.empty() && plan_.logs.back().info().first_sequence > end) {
      plan_.logs.pop_back();
    }
    if (!plan_.logs.empty()) {
      plan_.logs.back().last_sequence = std::min(plan_.logs.back().last_sequence, end);
    }
    while (!plan_.log_slots.empty() && plan_.log_slots.back().second > end) {
      plan_.log_slots.pop_back();
    }
    return absl::OkStatus();
  }

  absl::Status Follow(const EntryPtr& entry) {
    const LogEntry& log = *entry->As<LogEntry>();
    const uint64_t base = plan_.checkpoint->slot;
    if (log.least_checkpoint > base && plan_.state.last_sequence < target_.last_sequence) {
      plan_.notes.push_back(absl::StrCat(
          SlotKey(entry->slot), " of the archive needs the checkpoint in slot ",
          log.least_checkpoint, ": the one in slot ", base, " lacks tables that were made since"));
      ended_ = true;
    }
    if (ended_) {
      plan_.complete = false;
      plan_.unknown_of.push_back(entry->writer);
      return absl::OkStatus();
    }
    size_t offset = 0;
    for (size_t i = 0; i < log.segments.size(); ++i) {
      MOORING_RETURN_IF_ERROR(Follow(entry, i, offset));
      offset += log.segments[i].end - log.segments[i].begin;
    }
    plan_.log_slots.emplace_back(entry->slot, log.segments.back().last_sequence);
    return absl::OkStatus();
  }

  absl::Status Follow(const EntryPtr& entry, size_t index, size_t offset) {
    const Segment& segment = entry->As<LogEntry>()->segments[index];
    State& state = plan_.state;
    plan_.max_log = std::max(plan_.max_log, segment.log);
    if (state.last_sequence >= target_.last_sequence) return absl::OkStatus();
    if (segment.first_sequence > state.last_sequence + 1) {
      return absl::DataLossError(absl::StrCat(
          SlotKey(entry->slot), " of the archive follows sequence ", segment.first_sequence - 1,
          ", but what comes before it ends at ", state.last_sequence));
    }
    MOORING_RETURN_IF_ERROR(CheckWriter(entry->slot, segment));
    if (segment.log >= base_.min_log) {
      MOORING_RETURN_IF_ERROR(Place(entry, index, offset));
    } else if (segment.last_sequence > state.last_sequence) {
      return absl::DataLossError(
          absl::StrCat(SlotKey(entry->slot), " of the archive has sequence ", segment.last_sequence,
                       " in log ", segment.log, ", but the checkpoint in slot ",
                       plan_.checkpoint->slot, " replays logs from ", base_.min_log, " on only"));
    }
    if (segment.last_sequence > state.last_sequence) {
      state.last_sequence = std::min(segment.last_sequence, target_.last_sequence);
      plan_.last_time_us = segment.last_time_us;
      plan_.complete = true;
      plan_.unknown_of.clear();
    }
    return absl::OkStatus();
  }

  absl::Status CheckWriter(uint64_t slot, const Segment& segment) {
    State& state = plan_.state;
    const uint64_t known = std::min(segment.last_sequence, state.last_sequence);
    const HistoryEntry* first = state.history.WriterOf(segment.first_sequence);
    if (segment.first_sequence <= known) {
      const HistoryEntry* last = state.history.WriterOf(known);
      if (first == last && first != nullptr && first->incarnation == segment.incarnation) {
        return absl::OkStatus();
      }
      return absl::DataLossError(absl::StrCat(SlotKey(slot), " of the archive has sequences ",
                                              segment.first_sequence, " to ", segment.last_sequence,
                                              " of incarnation ", segment.incarnation,
                                              ", which another one wrote"));
    }
    if (first != nullptr && first->incarnation == segment.incarnation) return absl::OkStatus();
    const absl::Status added =
        state.history.Append({segment.incarnation, segment.epoch, segment.first_sequence});
    if (added.ok()) return added;
    return absl::DataLossError(absl::StrCat(
        SlotKey(slot), " of the archive does not continue what is before it: ", added.message()));
  }

  // The bytes of each log must be there from its beginning on, and the logs in their order.
  absl::Status Place(const EntryPtr& entry, size_t index, size_t offset) {
    const Segment& segment = entry->As<LogEntry>()->segments[index];
    const Segment* before = plan_.logs.empty() ? nullptr : &plan_.logs.back().info();
    const bool same =
        before != nullptr && before->log == segment.log && before->generation == segment.generation;
    const bool next = before == nullptr || before->log < segment.log;
    if (same ? segment.begin != before->end : !next || segment.begin != 0) {
      return absl::DataLossError(absl::StrCat(SlotKey(entry->slot), " of the archive has log ",
                                              segment.log, " from byte ", segment.begin,
                                              " on; what comes before it is missing"));
    }
    plan_.logs.push_back(
        {entry, index, offset, std::min(segment.last_sequence, target_.last_sequence)});
    return absl::OkStatus();
  }

  const CheckpointEntry& base_;
  const RestoreTarget& target_;
  const LeftBehind& left_;
  std::string writer_;  // Of the last entry that could be read.
  RestorePlan plan_;
  bool ended_ = false;  // What follows cannot be replayed on this checkpoint.
};

// The newest first.
std::vector<EntryPtr> Checkpoints(const std::vector<JournalItem>& items,
                                  const Collected& collected) {
  std::vector<EntryPtr> checkpoints;
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    const auto* checkpoint = item->entry ? item->entry->As<CheckpointEntry>() : nullptr;
    if (checkpoint == nullptr || !collected.Keeps(*item, *checkpoint)) continue;
    checkpoints.push_back(item->entry);
  }
  return checkpoints;
}

std::vector<JournalItem> Remaining(const std::vector<JournalItem>& journal,
                                   const RestoreTarget& target, const Collected& collected,
                                   const LeftBehind& left) {
  std::vector<JournalItem> items;
  for (const JournalItem& item : journal) {
    if (left.Slot(item.slot)) continue;
    if (item.slot <= target.last_slot && !collected.IsGone(item)) items.push_back(item);
  }
  return items;
}

}  // namespace

std::vector<std::pair<uint64_t, uint64_t>> FindLeftBehind(const std::vector<JournalItem>& journal,
                                                          uint64_t last_slot) {
  const Collected collected(journal);
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (auto item = journal.rbegin(); item != journal.rend(); ++item) {
    const auto* claim = item->entry ? item->entry->As<ClaimEntry>() : nullptr;
    if (claim == nullptr || !claim->continues_from || item->slot > last_slot) continue;
    if (collected.IsGone(*item)) continue;
    ranges.emplace_back(claim->continues_slot, item->slot);
    last_slot = claim->continues_slot;
  }
  return ranges;
}

absl::StatusOr<RestorePlan> PlanRestore(const std::vector<JournalItem>& journal,
                                        const RestoreTarget& target) {
  const Collected collected(journal);
  const LeftBehind left(journal, collected, target.last_slot);
  const std::vector<JournalItem> items = Remaining(journal, target, collected, left);
  std::optional<absl::Status> first_error;
  std::vector<std::string> notes;
  uint64_t passed_over = 0;
  std::string passed_over_of;
  for (const EntryPtr& entry : Checkpoints(items, collected)) {
    const auto& checkpoint = *entry->As<CheckpointEntry>();
    if (checkpoint.max_sequence > target.last_sequence) continue;
    if (left.Checkpoint(entry->slot, checkpoint.max_sequence)) continue;
    const auto unusable = target.unusable.find(entry->slot);
    absl::StatusOr<RestorePlan> plan = unusable != target.unusable.end()
                                           ? unusable->second
                                           : Replay(entry, target, left).Run(items, collected);
    if (plan.ok()) {
      if (passed_over > plan->state.last_sequence) {
        plan->complete = false;
        plan->unknown_of.push_back(passed_over_of);
      }
      plan->notes.insert(plan->notes.begin(), notes.begin(), notes.end());
      return plan;
    }
    notes.push_back(absl::StrCat("the checkpoint in slot ", entry->slot,
                                 " cannot be used: ", plan.status().message()));
    if (passed_over_of.empty()) passed_over_of = entry->writer;
    passed_over = std::max(passed_over, checkpoint.max_sequence);
    if (!first_error) first_error = plan.status();
  }
  if (first_error) return *first_error;
  for (const JournalItem& item : items) {
    if (!item.entry) return item.status;
  }
  return absl::NotFoundError("the archive has no checkpoint");
}

}  // namespace mooring::archive
