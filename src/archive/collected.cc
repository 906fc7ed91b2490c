#include "src/archive/collected.h"

#include <algorithm>

namespace mooring::archive {
namespace {

bool Holds(const std::vector<SlotRange>& ranges, uint64_t slot) {
  return std::any_of(ranges.begin(), ranges.end(), [slot](const SlotRange& range) {
    return range.first <= slot && slot <= range.last;
  });
}

}  // namespace

Collected::Collected(const std::vector<JournalItem>& journal) {
  for (const JournalItem& item : journal) {
    if (item.entry && item.entry->As<CollectEntry>() != nullptr) newest_ = item.entry;
  }
  if (entry() != nullptr) files_.insert(entry()->files.begin(), entry()->files.end());
}

bool Collected::IsGone(const JournalItem& item) const {
  if (entry() == nullptr || item.last_slot != 0) return false;
  if (item.entry && item.entry->As<ClaimEntry>() != nullptr) return IsMerged(item.slot);
  return Holds(entry()->slots, item.slot);
}

bool Collected::IsLost(uint64_t slot) const {
  return entry() != nullptr && Holds(entry()->slots, slot) && !IsMerged(slot);
}

bool Collected::IsMerged(uint64_t slot) const {
  const std::vector<MergedLog>& merged = entry()->merged;
  return std::any_of(merged.begin(), merged.end(), [slot](const MergedLog& log) {
    return log.slots.first <= slot && slot <= log.slots.last;
  });
}

bool Collected::Keeps(const JournalItem& item, const CheckpointEntry& checkpoint) const {
  return !IsGone(item) &&
         std::none_of(checkpoint.files.begin(), checkpoint.files.end(),
                      [&](const ArchivedFile& file) { return files_.count(file.name) != 0; });
}

}  // namespace mooring::archive
