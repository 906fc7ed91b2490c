#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/rewind.h"
#include "mooring/version.h"
#include "src/archive/restore_plan.h"

namespace mooring::archive {

// A moment of the store that the archive can bring back: the state after one commit.
struct Moment {
  RestorePlan plan;
  // The slot up to which a claim that goes back to it takes the journal (A11).
  uint64_t last_slot = 0;
  Version version;           // As it was given.
  int64_t time_us = 0;       // Of its commit; 0 where it is not known.
  bool left_behind = false;  // It is not in the past of the journal's end.
};

struct MomentOptions {
  uint64_t last_slot = ~uint64_t{0};  // Of the journal; the newest lineage is this one's.
  bool may_be_left_behind = false;
  std::map<uint64_t, absl::Status> unusable;  // As RestoreTarget::unusable.
};

// Where `target` is in `journal`, which holds all that was not collected, and what brings it back.
//
// OUT_OF_RANGE      it is not in the archive, or left behind; the message says how far that reaches
//                   and the nearest moments that are.
// INVALID_ARGUMENT  the version lies inside a commit.
// others            as PlanRestore().
absl::StatusOr<Moment> FindMoment(const std::vector<JournalItem>& journal,
                                  const RewindTarget& target, const MomentOptions& options);

}  // namespace mooring::archive
