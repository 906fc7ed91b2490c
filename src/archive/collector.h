#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/archive/collect_plan.h"
#include "src/archive/entry.h"
#include "src/archive/pin.h"
#include "src/archive/restore_plan.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

struct CollectionOptions {
  Retention retention{absl::Hours(7 * 24), 2};
  absl::Duration period = absl::Minutes(5);  // Infinite: nothing is ever collected.
  absl::Duration scrub_period = absl::Hours(24);
  // For tests: instead of a part of the retention.
  std::optional<absl::Duration> checkpoint_interval;
  // The clock of retention and of entries; absl::Now() where it is empty.
  std::function<int64_t()> now_us;
  bool pins_are_kept = true;  // For tests: without it restores fail.
};

// What a store collects with, but for its retention. Tests change it before they open one.
CollectionOptions& DefaultCollection();

// What collection needs of the owner. Each call may take long, and answers CANCELLED where the
// ownership ends or is to end.
class CollectionOwner {
 public:
  virtual ~CollectionOwner() = default;

  virtual bool Over() = 0;
  virtual uint64_t Head() = 0;  // The newest slot of the owner's.
  // Of the newest checkpoint.
  virtual uint64_t LastCheckpoint() = 0;
  // Appends it and answers its slot. No checkpoint names its files from now on. ABORTED where it
  // names files and a checkpoint is under way, or was made after the one in `last_checkpoint`.
  virtual absl::StatusOr<uint64_t> Append(CollectEntry entry, uint64_t last_checkpoint) = 0;
  // OK: when this was called nobody else owned the archive.
  [[nodiscard]] virtual absl::Status Prove() = 0;
  // Uploads the files again where the volume has them, and begins the log anew: a checkpoint.
  virtual void Mend(const std::vector<ArchivedFile>& files) = 0;
};

struct CollectionFigures {
  int64_t objects = 0;  // Of the journal, of its merged logs, and files.
  int64_t bytes = 0;
  int64_t oldest_time_us = 0;      // That one can go back to; 0: not known.
  int64_t last_collection_us = 0;  // When a COLLECT of this owner stood; 0: none did.
  // Names of objects that are needed and missing.
  std::vector<std::string> missing;
};

// Keeps the archive within its retention (A4, A8). A round:
//
//   G1  The journal's headers are brought up to date: slots are immutable, so only new ones are
//       read, and nothing is sent where the head did not move.
//   G2  Merged logs are written, then a COLLECT that names them and all that goes. Those of a round
//       that was aborted are named by the next one, or go as orphans where it merges otherwise.
//   G3  Once it stands: what there is of that is listed; a look that was sent afterwards finds no
//       other owner, so that nothing of a newer owner's is in the list; the pins are read; files
//       go first, then merged logs, then slots, so that a kill leaves nothing unnamed.
//   G4  What pins hold back, and what a kill or an outage left, goes in a later round.
//   G5  Every scrub_period what there is is held against what is kept: files that no checkpoint
//       names go, and what is missing is mended or told by name.
//
// One thread's.
class Collector {
 public:
  Collector(objectstore::ObjectStore* store, std::string archive_id, std::string incarnation,
            CollectionOwner* owner, CollectionOptions options);

  // CANCELLED    the ownership ends.
  // ABORTED      a checkpoint came between; again soon.
  // other codes  as the object store; what was begun is done in a later round.
  [[nodiscard]] absl::Status Round();

  const CollectionFigures& figures() const { return figures_; }

 private:
  struct Known {
    JournalItem item;  // Without its payload.
    int64_t size = 0;
  };
  // A merged log that was written for a COLLECT which did not stand yet.
  struct Made {
    MergedLog log;
    Known known;
  };
  using Sizes = std::map<std::string, int64_t>;  // By key.

  absl::StatusOr<Sizes> ListAll(std::string_view prefix, const std::string& after = "");
  [[nodiscard]] absl::Status Update();
  [[nodiscard]] absl::Status ReadSlots(const Sizes& listed);
  [[nodiscard]] absl::Status ReadMerged();
  absl::StatusOr<JournalItem> Read(const std::string& key, uint64_t slot);
  [[nodiscard]] absl::Status Load(Merge* merge);
  CollectPlan Plan(const std::vector<JournalItem>& journal) const;
  [[nodiscard]] absl::Status WriteMerged(const std::vector<Merge>& merges, CollectEntry* entry);
  absl::StatusOr<Made> WriteOne(Merge merge);
  [[nodiscard]] absl::Status Scrub();
  [[nodiscard]] absl::Status Delete();
  [[nodiscard]] absl::Status DeleteFiles(const std::vector<Pin>& pins);
  [[nodiscard]] absl::Status DeleteMerged(const Sizes& listed, uint64_t held);
  [[nodiscard]] absl::Status DeleteSlots(const Sizes& listed, uint64_t held);
  [[nodiscard]] absl::Status DeleteAll(const std::vector<std::string>& keys);
  std::vector<std::string> MissingEntries(const Sizes& journal, const Sizes& merged);
  std::vector<JournalItem> Journal() const;
  std::vector<const CheckpointEntry*> Kept() const;
  void SeeNewestCollect();
  void Count();
  int64_t Now() const;

  objectstore::ObjectStore* const store_;
  const std::string archive_id_;
  const std::string incarnation_;
  CollectionOwner* const owner_;
  const CollectionOptions options_;

  std::map<uint64_t, Known> slots_;      // What there is below journal/.
  std::map<std::string, Known> merged_;  // What the newest COLLECT names, by name.
  std::map<uint64_t, Made> made_;        // What no COLLECT names yet, by first slot.
  CollectEntry collect_;                 // The newest one.
  uint64_t collect_slot_ = 0;            // 0: there is none.
  uint64_t listed_ = 0;                  // Up to there slots were listed.
  std::vector<std::string> files_;       // Below files/, where they were listed just now.
  std::set<std::string> deleted_files_;  // By this owner.
  bool leftovers_ = true;                // Something may be left to delete.
  absl::Duration scrubbed_at_;
  CollectionFigures figures_;
};

}  // namespace mooring::archive
