#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "src/archive/history.h"

// DESIGN 3, step 6: what an open does, from what the volume and the archive hold.
namespace mooring::archive {

struct VolumeView {
  enum class Kind {
    kEmpty = 0,
    kGood = 1,
    kDamaged = 2,    // The logs or files fail their proofs.
    kRestoring = 3,  // A restore onto it was cut short.
  };
  Kind kind = Kind::kEmpty;
  std::string store_id;            // Empty where there is none.
  std::string archive_id;          // The archive it remembers; empty where it never saw one.
  bool archive_had_state = false;  // As it remembers.
  State state;                     // After its logs were recovered (A10); for kGood.
  // As it remembers, opens that wrote nothing among it.
  History recorded;
};

struct ArchiveView {
  enum class Kind {
    kNone = 0,        // Not configured.
    kEmpty = 1,       // No entry at all.
    kClaimsOnly = 2,  // Entries, but no checkpoint.
    kState = 3,
  };
  Kind kind = Kind::kNone;
  std::string archive_id;
  std::string store_id;
  State state;  // For kState: below one's own claim.
  // RestorePlan::forked_by: where not empty, a volume that none of these opened is of the lineage
  // that was left.
  std::vector<std::string> forked_by;
};

struct OpeningOptions {
  bool adopt_archive = false;         // The volume may go on with another archive.
  bool accept_loss = false;           // Restore a state that may lack archived commits.
  bool create_without_state = false;  // Make a new store though an archive holds claims.
};

enum class OpeningAction {
  kCreate = 0,                 // A new store; with an archive, ship an empty checkpoint first.
  kServe = 1,                  // No archive.
  kUploadFirstCheckpoint = 2,  // Serve; nothing is archived before the checkpoint stands.
  kKeep = 3,                   // Ship what the archive lacks, and serve.
  kRollForward = 4,            // Fetch what the volume lacks.
  kRestore = 5,                // Onto an empty volume.
  kSetAsideAndRestore = 6,     // The volume holds what belongs to no lineage.
  kHeal = 7,                   // Fetch what is damaged, replay the local log beyond the archive.
  kResumeRestore = 8,
  kRewind = 9,  // As was asked for.
};
std::string_view ToString(OpeningAction action);

// Whether an opening that claimed after the fork wrote to the volume; true where there is no fork.
bool IsOfTheFork(const VolumeView& volume, const std::vector<std::string>& forked_by);

// FAILED_PRECONDITION  another store or another archive; nothing is touched.
// DATA_LOSS            what was there cannot be brought back from anywhere.
absl::StatusOr<OpeningAction> DecideOpening(const VolumeView& volume, const ArchiveView& archive,
                                            const OpeningOptions& options = {});

}  // namespace mooring::archive
