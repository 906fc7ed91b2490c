#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "src/archive/journal_protocol.h"
#include "src/archive/opening.h"
#include "src/archive/restore_plan.h"

// What an explorer of the archive's protocol moves about: an object store that may lose replies and
// let creates land late, and owners that drive the real protocol. All of it is copied at every
// step.
namespace mooring::archive::explorer {

// One commit of one operation: which volume it was made on, and a number there.
using CommitId = uint8_t;
inline constexpr int kCommitsPerVolume = 8;
inline constexpr int kVolumesPerOwner = 4;
inline int VolumeOf(CommitId commit) { return commit / kCommitsPerVolume; }

// What may happen how often, and what is switched off.
struct Scenario {
  int owners = 2;
  int claims = 2;
  int timeouts = 1;
  int crashes = 1;
  int checkpoints = 1;
  int collections = 1;
  int commits = 3;
  int offline_opens = 0;
  int rewinds = 0;
  bool volume_loss = true;
  bool power_loss = false;  // Commits are synced by a step of its own.

  ProtocolRules rules;
  bool ships_unsynced = false;         // A6
  bool entry_before_files = false;     // A2
  bool replays_from_own_slot = false;  // A7
  bool decides_by_epoch = false;       // A10
  bool rebuilds_resend = false;        // A5
  bool deletes_claims = false;         // A4
  bool deletes_uncollected = false;    // A8: without a COLLECT.
  bool collects_needed_log = false;    // A8
  bool believes_head = false;          // A2: a file that is there is taken for durable.
  bool counts_left_lineage = false;    // A11

  size_t max_states = 4'000'000;
};

// The bytes that exist in any course of events, each once.
class ObjectPool {
 public:
  struct Object {
    std::string bytes;
    EntryPtr entry;
  };
  int Intern(uint64_t slot, std::string_view bytes);
  const Object& operator[](int id) const { return objects_[id]; }

 private:
  absl::flat_hash_map<std::string, int> ids_;
  std::vector<Object> objects_;
};

using Journal = std::map<uint64_t, int>;   // Slot to object.
using Names = std::map<std::string, int>;  // Below merged/.

// A log of a volume, one byte for each commit.
struct VolumeLog {
  uint64_t number = 0;
  std::string incarnation;
  uint64_t epoch = 0;
  uint64_t first_sequence = 0;
};

struct SimulatedVolume {
  int number = 0;
  bool exists = false;
  uint64_t epoch = 0;
  History history;
  std::vector<CommitId> commits;
  size_t synced = 0;
  std::vector<VolumeLog> logs;
};

struct CapturedCheckpoint {
  std::string file;
  std::vector<CommitId> commits;
  History history;
  uint64_t min_log = 0;
  bool uploaded = false;
  bool entry_stands = false;
};

// Something that a collector deletes.
struct Doomed {
  enum class Kind { kFile = 0, kMerged = 1, kSlot = 2 };
  Kind kind = Kind::kSlot;
  std::string name;  // Of a file or of a merged log.
  uint64_t slot = 0;
};

struct Owner {
  enum class Phase { kDown = 0, kOffline = 1, kRunning = 2 };
  Phase phase = Phase::kDown;
  SimulatedVolume volume;
  int volumes_used = 0;
  int commits_made = 0;  // On this volume.
  int incarnation = 0;
  std::shared_ptr<const JournalProtocol> protocol;  // Replaced, never changed.
  uint64_t claim_epoch = 0;
  uint64_t archive_epoch = 0;  // The largest in a claim below one's own.
  bool waiting = false;        // A create is on its way.
  uint64_t sent_slot = 0;
  int sent_object = 0;
  std::optional<CapturedCheckpoint> capture;
  // Announced and not yet done, in their order. They land whatever has become of the owner.
  std::vector<Doomed> deletes;
  bool goes_back = false;  // This open leaves the last commit behind.
  uint64_t lineage = 0;    // That the volume is of: the slot of the claim that began it.
};

struct Put {
  uint64_t slot = 0;
  int object = 0;
  bool operator<(const Put& other) const {
    return slot != other.slot ? slot < other.slot : object < other.object;
  }
};

struct World {
  Journal journal;
  std::set<std::string> files;
  Names merged;
  std::set<Put> on_the_way;
  std::vector<Owner> owners;
  std::vector<CommitId> acknowledged;  // At kArchive, by sequence.
  int incarnations = 0;
  int confirmed = 0;      // The newest incarnation whose claim held.
  std::set<Put> zombies;  // Entries that landed after a newer claim was confirmed.
  int claims = 0, timeouts = 0, crashes = 0, checkpoints = 0, collections = 0, commits = 0;
  int offline_opens = 0, rewinds = 0;
  int uploads = 0;
  uint64_t lineage = 0;  // The slot of the newest claim that went back.
  // The current lineage's, as they came to stand: slot and what they reach.
  std::vector<std::pair<uint64_t, uint64_t>> checkpoints_made;
  std::vector<CommitId> left;  // Behind, by claims that went back.
  std::string violation;

  std::string Fingerprint() const;
};

// What the archive gives back, by the real plan and the simulated objects.
struct Restored {
  absl::Status status;
  std::vector<CommitId> commits;
  RestorePlan plan;
};
std::shared_ptr<const Restored> Restore(const ObjectPool& pool, const World& world,
                                        const RestoreTarget& target);
// The journal as ReadJournal() gives it.
std::vector<JournalItem> ItemsOf(const ObjectPool& pool, const World& world);

// The name of the `number`th file that is uploaded, which holds `commits`, and the other way round.
std::string FileNameOf(const std::vector<CommitId>& commits, int number);
std::vector<CommitId> CommitsOf(std::string_view file_name);

std::string ToString(const std::vector<CommitId>& commits);

}  // namespace mooring::archive::explorer
