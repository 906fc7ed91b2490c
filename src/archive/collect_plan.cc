#include "src/archive/collect_plan.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "src/archive/collected.h"

namespace mooring::archive {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
// How old logs are merged by how much time.
constexpr int64_t kBucketsUs[] = {3600 * kSecondUs, 300 * kSecondUs};
// What is larger is not small: merging it would cost more than it saves.
constexpr uint64_t kLargestMergedBytes = uint64_t{4} << 20;

const CheckpointEntry* CheckpointOf(const JournalItem& item) {
  return item.entry ? item.entry->As<CheckpointEntry>() : nullptr;
}

const LogEntry* LogOf(const JournalItem& item) {
  return item.entry ? item.entry->As<LogEntry>() : nullptr;
}

uint64_t LastSlotOf(const JournalItem& item) { return std::max(item.slot, item.last_slot); }

uint64_t BytesOf(const LogEntry& log) {
  uint64_t bytes = 0;
  for (const Segment& segment : log.segments) bytes += segment.end - segment.begin;
  return bytes;
}

// Whether the two can be one entry: no byte and no sequence lies between them.
bool Follows(const LogEntry& before, const LogEntry& log) {
  const Segment& last = before.segments.back();
  const Segment& first = log.segments.front();
  if (log.least_checkpoint != before.least_checkpoint) return false;
  if (first.first_sequence != last.last_sequence + 1) return false;
  if (first.log == last.log) {
    return first.generation == last.generation && first.begin == last.end;
  }
  return first.log > last.log && first.begin == 0;
}

class Planner {
 public:
  explicit Planner(const CollectInput& input)
      : input_(input), journal_(*input.journal), old_(journal_) {}

  CollectPlan Run() {
    if (!FindKept() || !IsWholeFromTheFloor()) return {};
    FindMerges();
    FindSlots();
    FindFiles();
    return std::move(plan_);
  }

 private:
  // C1 and C2. False where the journal's end cannot be told for sure.
  bool FindKept() {
    const absl::StatusOr<RestorePlan> end = PlanRestore(journal_);
    if (!end.ok() || !end->complete || !end->notes.empty()) return false;
    for (const JournalItem& item : journal_) {
      const auto* claim = item.entry ? item.entry->As<ClaimEntry>() : nullptr;
      // A11: the new lineage has no checkpoint of its own yet.
      if (claim == nullptr || old_.IsGone(item)) continue;
      if (claim->continues_from && item.slot > end->checkpoint->slot) {
        return false;
      }
    }
    const auto left = FindLeftBehind(journal_, ~uint64_t{0});
    const auto is_left = [&](uint64_t slot) {
      return std::any_of(left.begin(), left.end(), [slot](const auto& range) {
        return range.first < slot && slot < range.second;
      });
    };
    const int64_t window = input_.now_us - absl::ToInt64Microseconds(input_.retention.age);
    int of_lineage = 0;
    bool before = false, lineage_before = false;
    for (auto item = journal_.rbegin(); item != journal_.rend(); ++item) {
      const CheckpointEntry* checkpoint = CheckpointOf(*item);
      if (checkpoint == nullptr || !old_.Keeps(*item, *checkpoint)) continue;
      const bool recent = item->entry->time_us >= window;
      const bool lineage = !is_left(item->slot) && IsOfLineage(*checkpoint, end->state);
      const bool first_before = !recent && !std::exchange(before, before || !recent);
      const bool needed = lineage && (of_lineage < std::max(2, input_.retention.checkpoints) ||
                                      (!recent && !lineage_before));
      if (lineage) {
        ++of_lineage;
        lineage_before = lineage_before || !recent;
      }
      if (recent || first_before || needed) Keep(*item, *checkpoint);
    }
    return true;
  }

  static bool IsOfLineage(const CheckpointEntry& checkpoint, const State& end) {
    const Relation relation = Compare({checkpoint.history, checkpoint.max_sequence}, end);
    return relation == Relation::kEqual || relation == Relation::kStrictPrefix;
  }

  void Keep(const JournalItem& item, const CheckpointEntry& checkpoint) {
    floor_ = std::min({floor_, item.slot, checkpoint.replay_from});
    for (const ArchivedFile& file : checkpoint.files) files_.insert(file.name);
  }

  // C5.
  bool IsWholeFromTheFloor() const {
    uint64_t expected = floor_;
    for (const JournalItem& item : journal_) {
      if (LastSlotOf(item) < floor_ || old_.IsGone(item)) continue;
      if (!item.entry || item.slot > expected) return false;
      expected = std::max(expected, LastSlotOf(item) + 1);
    }
    return true;
  }

  // C4. The size of the stretch of time that the item is merged by, and which of them it is in.
  std::optional<std::pair<int64_t, int64_t>> BucketOf(const JournalItem& item) const {
    for (const int64_t size : kBucketsUs) {
      const int64_t bucket = item.entry->time_us / size;
      if ((bucket + 1) * size + size <= input_.now_us) return std::pair(size, bucket);
    }
    return std::nullopt;
  }

  void FindMerges() {
    Merge run;
    std::optional<std::pair<int64_t, int64_t>> bucket;
    uint64_t bytes = 0;
    const auto finish = [&] {
      if (run.logs.size() > 1) plan_.merges.push_back(std::move(run));
      run = {};
      bytes = 0;
    };
    for (const JournalItem& item : journal_) {
      if (LastSlotOf(item) < floor_ || old_.IsGone(item)) continue;
      const LogEntry* log = LogOf(item);
      if (log == nullptr) {
        if (item.entry->As<ClaimEntry>() != nullptr) finish();
        continue;
      }
      const auto its_bucket = BucketOf(item);
      const uint64_t its_bytes = BytesOf(*log);
      if (!its_bucket || its_bytes > kLargestMergedBytes) {
        finish();
        continue;
      }
      if (!run.logs.empty() && (its_bucket != bucket || bytes + its_bytes > kMaxPayloadBytes ||
                                !Follows(*run.logs.back()->As<LogEntry>(), *log))) {
        finish();
      }
      if (run.logs.empty()) run.slots.first = item.slot;
      run.slots.last = LastSlotOf(item);
      run.logs.push_back(item.entry);
      bucket = its_bucket;
      bytes += its_bytes;
    }
    finish();
  }

  // What lies below the floor, and what merged logs stand for.
  void FindSlots() {
    for (const MergedLog& merged : old_.entry() ? old_.entry()->merged : std::vector<MergedLog>()) {
      if (merged.slots.last >= floor_ && !IsMergedAnew(merged.slots)) {
        plan_.entry.merged.push_back(merged);
      }
    }
    for (const Merge& merge : plan_.merges) plan_.entry.merged.push_back({merge.slots, "", 0});
    std::sort(plan_.entry.merged.begin(), plan_.entry.merged.end(),
              [](const MergedLog& a, const MergedLog& b) { return a.slots.first < b.slots.first; });
    if (floor_ > 1) AddSlots(1, floor_ - 1);
    for (const MergedLog& merged : plan_.entry.merged) {
      uint64_t first = std::max(merged.slots.first, floor_);
      for (const JournalItem& item : journal_) {
        if (item.slot < first || item.slot > merged.slots.last || item.last_slot != 0) continue;
        // One that cannot be read was a LOG or a COLLECT when it was merged.
        if (!item.entry || LogOf(item) != nullptr || item.entry->As<CollectEntry>()) continue;
        if (item.slot > first) AddSlots(first, item.slot - 1);
        first = item.slot + 1;
      }
      if (first <= merged.slots.last) AddSlots(first, merged.slots.last);
    }
    const CollectEntry& entry = plan_.entry;
    plan_.is_new = std::any_of(journal_.begin(), journal_.end(),
                               [&](const JournalItem& item) {
                                 const bool claim =
                                     item.entry && item.entry->As<ClaimEntry>() != nullptr;
                                 return !claim && item.last_slot == 0 && !old_.IsGone(item) &&
                                        Holds(entry.slots, item.slot);
                               }) ||
                   !plan_.merges.empty();
  }

  bool IsMergedAnew(const SlotRange& slots) const {
    return std::any_of(plan_.merges.begin(), plan_.merges.end(), [&](const Merge& merge) {
      return merge.slots.first <= slots.first && slots.last <= merge.slots.last;
    });
  }

  static bool Holds(const std::vector<SlotRange>& ranges, uint64_t slot) {
    return std::any_of(ranges.begin(), ranges.end(), [slot](const SlotRange& range) {
      return range.first <= slot && slot <= range.last;
    });
  }

  // They come in ascending order.
  void AddSlots(uint64_t first, uint64_t last) {
    std::vector<SlotRange>& slots = plan_.entry.slots;
    if (!slots.empty() && slots.back().last + 1 == first) {
      slots.back().last = last;
    } else {
      slots.push_back({first, last});
    }
  }

  // C3.
  void FindFiles() {
    std::set<std::string> known;
    if (old_.entry() != nullptr)
      known.insert(old_.entry()->files.begin(), old_.entry()->files.end());
    std::set<std::string> going(input_.files.begin(), input_.files.end());
    if (input_.files.empty()) going = known;
    // Also what is deleted already: a checkpoint that stays in its slot would count again.
    for (const JournalItem& item : journal_) {
      const CheckpointEntry* checkpoint = CheckpointOf(item);
      if (checkpoint == nullptr || old_.IsGone(item)) continue;
      for (const ArchivedFile& file : checkpoint->files) going.insert(file.name);
    }
    for (const std::string& name : going) {
      if (files_.count(name) != 0) continue;
      plan_.entry.files.push_back(name);
      if (known.count(name) == 0) plan_.is_new = true;
    }
  }

  const CollectInput& input_;
  const std::vector<JournalItem>& journal_;
  const Collected old_;
  uint64_t floor_ = ~uint64_t{0};
  std::set<std::string> files_;  // That kept checkpoints name.
  CollectPlan plan_;
};

}  // namespace

CollectPlan PlanCollection(const CollectInput& input) { return Planner(input).Run(); }

LogEntry Join(const Merge& merge) {
  const LogEntry& first = *merge.logs.front()->As<LogEntry>();
  LogEntry joined;
  joined.predecessor = first.predecessor;
  joined.least_checkpoint = first.least_checkpoint;
  joined.last_slot = merge.slots.last;
  for (const EntryPtr& entry : merge.logs) {
    const LogEntry& log = *entry->As<LogEntry>();
    for (const Segment& segment : log.segments) {
      Segment* last = joined.segments.empty() ? nullptr : &joined.segments.back();
      const bool goes_on = last != nullptr && last->incarnation == segment.incarnation &&
                           last->log == segment.log && last->generation == segment.generation;
      if (!goes_on) {
        joined.segments.push_back(segment);
        continue;
      }
      last->end = segment.end;
      last->last_sequence = segment.last_sequence;
      last->last_time_us = segment.last_time_us;
    }
    joined.bytes += log.bytes;
  }
  return joined;
}

}  // namespace mooring::archive
