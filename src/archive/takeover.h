#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/rewind.h"
#include "src/archive/journal_protocol.h"
#include "src/archive/opening.h"
#include "src/archive/remote.h"
#include "src/archive/restore_plan.h"

namespace mooring::archive {

struct TakeoverOptions {
  std::string incarnation;  // Of this open: a new RandomId().
  uint64_t epoch = 0;       // Of the volume, where none in the archive is as high.
  // Versions were given with it: an archive that saw another opening with as high a one is fenced
  // off, for no version may come again.
  bool epoch_is_in_use = false;
  std::string owner;  // For people.
  OpeningOptions opening;
  absl::Duration takeover_wait;
  absl::Duration acquire_timeout;  // For a living owner to go.
  std::function<void()> waiting;   // Called now and then while one is watched; may be empty.
  // Where set, the claim goes back to there (A11), and the archive must hold a state.
  std::optional<RewindTarget> rewind;
  // Called with what would have to be restored, before anything is claimed: to see that there is
  // room and to fetch files. An error ends the takeover with nobody fenced.
  std::function<absl::Status(const RestorePlan&)> prepare;
};

// What an open found, and the archive in its hands.
struct Takeover {
  OpeningAction action = OpeningAction::kServe;
  std::optional<RestorePlan> plan;  // Where the archive holds a state.
  // In phase kOwning: its restorable() is the state of `plan`, or nothing, as after a rewind.
  std::unique_ptr<JournalProtocol> protocol;
  std::vector<ArchivedFile> known_files;  // That kept checkpoints name.
  uint64_t max_epoch = 0;                 // The highest that any opening seen in the archive had.
};

// Watches for a living owner, claims the archive, and decides what the open does (DESIGN 3, steps 3
// to 6). `volume` is what the volume holds. Established by Remote::Establish().
//
// FAILED_PRECONDITION  another owner lives, another store or another archive; nobody was fenced.
// DATA_LOSS            see DecideOpening(); nobody was fenced where it was seen before the claim.
// OUT_OF_RANGE, INVALID_ARGUMENT  `rewind` cannot be reached, see FindMoment(); nobody was fenced.
// UNAVAILABLE          the archive went away.
absl::StatusOr<Takeover> TakeOver(Remote& remote, const VolumeView& volume,
                                  const TakeoverOptions& options);

}  // namespace mooring::archive
