#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/archive/entry.h"
#include "src/archive/restore_plan.h"

namespace mooring::archive {

struct Retention {
  absl::Duration age;   // How far back the store can be rewound.
  int checkpoints = 2;  // At least so many of the current lineage are kept, however old. From 2 up.
};

// LOG entries to be joined as one object, in their order: raw ones, or merged ones that grow old.
struct Merge {
  SlotRange slots;
  std::vector<EntryPtr> logs;
};

struct CollectInput {
  // All of the journal, as ReadAll() gives it; payloads are not looked at and may be empty.
  const std::vector<JournalItem>* journal = nullptr;
  std::vector<std::string> files;  // What there is below files/; empty where it was not listed.
  Retention retention;
  int64_t now_us = 0;
};

struct CollectPlan {
  std::vector<Merge> merges;
  // Complete but for the names and sizes of `merges`, which are its members with an empty name.
  CollectEntry entry;
  // Whether it says more than the newest COLLECT of the journal.
  bool is_new = false;
};

// What may go, and what is to be merged (A4, A8, A11):
//
//   C1  Kept are the checkpoints within the retention's age, the newest one before it, and at least
//       the newest `checkpoints` of the current lineage. Those of a lineage that was left are kept
//       for their age, and count for nothing.
//   C2  The floor is the least `replay_from` of what is kept. What lies below goes, but for CLAIMs.
//   C3  A file goes that no kept checkpoint names. The caller makes no checkpoint meanwhile. It
//       stays named while an entry names it: see Collected::Keeps().
//   C4  LOGs older than 5 min are merged by 5 min, and those older than 1 h by the hour, up to
//       kMaxPayloadBytes; large ones are left alone. None is merged across a CLAIM, across a change
//       of `least_checkpoint`, or where a sequence or a byte of the log lies between. The time of a
//       merged entry is the last one's.
//   C5  A damaged or missing entry above the floor stops everything: what it was is not known. So
//       does a rewind whose lineage has no checkpoint yet (A11).
CollectPlan PlanCollection(const CollectInput& input);

// One LOG of the `merge`'s segments. They need their payloads here.
LogEntry Join(const Merge& merge);

}  // namespace mooring::archive
