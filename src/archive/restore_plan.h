#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/archive/entry.h"

namespace mooring::archive {

// One slot of the journal as it was read.
struct JournalItem {
  uint64_t slot = 0;
  EntryPtr entry;       // Null where the object could not be read as an entry.
  absl::Status status;  // Then why.
  // Of a merged log: the last slot that it stands for; `slot` is the first. Else 0.
  uint64_t last_slot = 0;
};

struct RestoreTarget {
  // The journal up to this slot is looked at and no further: so a takeover sees what stands below
  // its claim, and a lineage that was left behind is reached.
  uint64_t last_slot = ~uint64_t{0};
  // The last sequence wanted; the end of the lineage unless given.
  uint64_t last_sequence = ~uint64_t{0};
  // Slots of checkpoints that are no base, because a file of theirs is missing or damaged, and why.
  std::map<uint64_t, absl::Status> unusable;
};

// A segment of a log entry, to be written behind the pieces of the same log before it.
struct LogPiece {
  EntryPtr entry;  // A LOG.
  size_t segment = 0;
  size_t offset = 0;           // Of its bytes, in the entry's.
  uint64_t last_sequence = 0;  // What comes after it is not replayed.

  const Segment& info() const { return entry->As<LogEntry>()->segments[segment]; }
};

struct RestorePlan {
  EntryPtr checkpoint;         // A CHECKPOINT.
  std::vector<LogPiece> logs;  // In the order of replay.
  State state;                 // What they give.
  int64_t last_time_us = 0;    // The commit time of the state's last sequence.
  uint64_t min_log = 0;        // What the checkpoint replays from, as in it.
  uint64_t max_log = 0;        // New logs have larger numbers than this.
  // Where the lineage goes back (A11) and has no checkpoint since: who claimed it then and later,
  // in their order. What anyone else wrote beyond `state` was left behind.
  std::vector<std::string> forked_by;
  // Log entries that a new checkpoint would need besides: slot and last sequence, ascending.
  std::vector<std::pair<uint64_t, uint64_t>> log_slots;
  // False where something of the lineage is damaged and what it held beyond `state` is not known.
  bool complete = true;
  // Who wrote that; a volume that these opened and no one else holds it, whatever it was.
  std::vector<std::string> unknown_of;
  // In words: what was passed over, and why.
  std::vector<std::string> notes;
};

// Slots that the lineage of `last_slot` left behind (A11): between those two, in falling order.
std::vector<std::pair<uint64_t, uint64_t>> FindLeftBehind(const std::vector<JournalItem>& journal,
                                                          uint64_t last_slot);

// Which checkpoint and which log entries restore `target` (A7): the newest checkpoint of its
// lineage that does not reach beyond it, and every log entry from that one's `replay_from` on.
// `journal` is ascending and without repetition; what a COLLECT names is treated as gone (A8).
// Where the newest checkpoint cannot be used, older ones are tried, and the notes say so.
//
// NOT_FOUND    there is no checkpoint at all, so nothing was ever archived.
// OUT_OF_RANGE the target is not in the archive; the message says how far it reaches.
// DATA_LOSS    something that is needed is missing or damaged; the message says what.
absl::StatusOr<RestorePlan> PlanRestore(const std::vector<JournalItem>& journal,
                                        const RestoreTarget& target = {});

}  // namespace mooring::archive
