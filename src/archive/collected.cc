#include "src/archive/collected.h"

#include <algorithm>

namespace mooring::archive {

Collected::Collected(const std::vector<JournalItem>& journal) {
  for (const JournalItem& item : journal) {
    if (item.entry && item.entry->As<CollectEntry>() != nullptr) newest_ = item.entry;
  }
  if (entry() != nullptr) files_.insert(entry()->files.begin(), entry()->files.end());
}

bool Collected::IsGone(const JournalItem& item) const {
  if (entry() == nullptr || item.last_slot != 0) return false;
  if (item.entry && item.entry->As<ClaimEntry>() != nullptr) return false;
  const std::vector<SlotRange>& gone = entry()->slots;
  return std::any_of(gone.begin(), gone.end(), [&](const SlotRange& range) {
    return range.first <= item.slot && item.slot <= range.last;
  });
}

bool Collected::Keeps(const JournalItem& item, const CheckpointEntry& checkpoint) const {
  return !IsGone(item) &&
         std::none_of(checkpoint.files.begin(), checkpoint.files.end(),
                      [&](const ArchivedFile& file) { return files_.count(file.name) != 0; });
}

}  // namespace mooring::archive
