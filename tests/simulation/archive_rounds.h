#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/simulation/archive_owners.h"
#include "tests/simulation/fault_object_store.h"

namespace mooring::testing {

// Where a suite's archives are.
class ArchivePlace {
 public:
  virtual ~ArchivePlace() = default;
  // The url of one that holds nothing yet.
  virtual std::string NewArchive() = 0;
  // What befalls the requests to it from now on; OK and nothing where the place cannot do that.
  virtual absl::Status SetFaults(const std::string& url, const ObjectFaults& faults) = 0;
};

// Directories, with faults.
class DirectoryPlace final : public ArchivePlace {
 public:
  explicit DirectoryPlace(std::string directory) : directory_(std::move(directory)) {}
  std::string NewArchive() override;
  absl::Status SetFaults(const std::string& url, const ObjectFaults& faults) override;

 private:
  const std::string directory_;
  int archives_ = 0;
};

// Rounds of owners of one store who die, stall, race and lose their volumes, rows 2, 12, 13, 16 and
// 17 of the fault table. Each answers with the first thing that is wrong, and prints what it did.
class ArchiveRounds {
 public:
  struct Options {
    ArchivePlace* place = nullptr;
    std::string directory;  // For volumes.
    uint64_t seed = 1;
    ObjectFaults faults = {};
    std::vector<std::string> arguments = {};  // For every process.
    int rounds_per_archive = 20;
    bool quiet = false;  // Prints nothing.
  };
  explicit ArchiveRounds(Options options);

  absl::Status LostVolumes(int trials);  // Row 12.
  absl::Status RolledBack(int trials);   // Row 13.
  absl::Status Clones(int trials);       // Row 13.
  absl::Status Zombies(int trials);      // Row 16.
  absl::Status Races(int trials);        // Row 17.
  absl::Status KilledOpens(int trials);  // Row 2.
  absl::Status ForeignVolume();          // Row 12.

 private:
  struct Racer;

  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  absl::Duration MicrosecondsBelow(int bound) { return absl::Microseconds(Below(bound)); }
  std::string NewVolume();
  OwnerOptions On(const std::string& volume, bool as_left = true) const;

  absl::Status NewArchive();
  // Judges all, and the journal.
  absl::Status FinishArchive();
  absl::Status ForEach(int trials, absl::Status (ArchiveRounds::*round)());
  std::string Summary() const;

  absl::Status LoseAVolume();
  absl::Status RollBack();
  absl::Status RunOnClones();
  bool InTrouble(const Owner& owner) const;
  absl::StatusOr<Owner*> StartUntilOpen(const OwnerOptions& options);
  absl::Status MakeAZombie();
  absl::Status AskByLineage(Owner* heir);
  absl::Status BuryZombie(Owner* zombie);
  absl::Status Race();
  std::vector<Racer> StartRacers();
  absl::Status RunRacers(std::vector<Racer>* racers);
  absl::Status JudgeLosers(const std::vector<Racer>& racers);
  absl::Status FillForOpens();
  absl::Status KillAnOpen();

  const Options options_;
  std::mt19937_64 random_;
  std::unique_ptr<ArchiveOwners> owners_;
  int volumes_ = 0;

  Owner* owner_ = nullptr;          // Who owns the store between two rounds.
  std::vector<std::string> spare_;  // Volumes that earlier owners left.
  absl::Duration reach_;            // How long an open took.
  int opens_to_kill_ = 0;

  int64_t archived_ = 0;
  int64_t acknowledged_ = 0;
  int interrupted_ = 0;
  int taken_over_ = 0;
  int refused_ = 0;
};

// That the archive at `url` restores, and that nothing was shipped twice.
[[nodiscard]] absl::Status JudgeJournal(const std::string& url);

}  // namespace mooring::testing
