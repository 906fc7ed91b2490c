#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "src/archive/restore_plan.h"

namespace mooring::archive {

// What the newest COLLECT of a journal says: what is gone, or about to be (A8).
class Collected {
 public:
  explicit Collected(const std::vector<JournalItem>& journal);

  // Whether the item counts no more. A claim is never collected (A4), whatever anyone names, and a
  // merged log stands for what is. But none is merged across a claim: one among a merged log's
  // slots landed late, in a hole, and is void (A3).
  bool IsGone(const JournalItem& item) const;
  // Whether the slot is gone, and no merged log stands for it.
  bool IsLost(uint64_t slot) const;
  // Whether the checkpoint can still be read: its slot and all its files.
  bool Keeps(const JournalItem& item, const CheckpointEntry& checkpoint) const;

  // The newest COLLECT; null where there is none.
  const CollectEntry* entry() const { return newest_ ? newest_->As<CollectEntry>() : nullptr; }
  uint64_t slot() const { return newest_ ? newest_->slot : 0; }

 private:
  bool IsMerged(uint64_t slot) const;

  EntryPtr newest_;
  std::set<std::string> files_;
};

}  // namespace mooring::archive
