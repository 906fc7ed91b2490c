#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/version.h"
#include "tests/simulation/archive_chains.h"

namespace mooring::testing {

// Judges whether one archive and the volumes of its store tell one history, whoever owned it when.
//
// It is told what every owner acknowledged, and shown what each finds when it opens:
//
//   - What is found is whole: each chain dense and linked by its hashes, its head the last record,
//     nothing there whose elder in another chain is missing.
//   - It is one history: in every chain the same owners follow each other, each once. As an owner
//     begins with a record in all chains, a commit that a fenced owner made after the takeover
//     would stand behind its successor's first.
//   - Whatever was archived for anybody before the finder began is there: acknowledged at kArchive,
//     reported as archived, or older than the reported lag.
//   - Where the volume is as its last owner left it, all that this one acknowledged is there,
//     unless another owner on another volume came in between.
//
// Not thread-safe.
class ArchiveOracle {
 public:
  enum class Level { kVolume, kArchive };

  struct Commit {
    int chain = 0;
    uint64_t number = 0;
    std::string hash;
    Version version;
    absl::Duration time;  // When it was acknowledged, by the owner's clock.
  };

  // What a finding tells about commits that were acknowledged on a volume only.
  struct Finding {
    std::optional<Version> kept;         // One that is there,
    std::optional<Version> left_behind;  // and one that a takeover left behind.
  };

  // A process is about to open the store on `volume`; its number. `as_left`: nobody touched the
  // volume since its last owner.
  int Begin(const std::string& volume, bool as_left);
  static std::string NameOf(int owner);
  // The process is gone.
  void End(int owner) { owners_[static_cast<size_t>(owner)].ended = ++now_; }

  void Acknowledge(int owner, Level level, Commit commit);
  // The owner said that its commits up to `sequence`, and those acknowledged before `time`, are in
  // the archive.
  void Archived(int owner, uint64_t sequence, absl::Duration time);
  // The owner closed, and said that everything is.
  void ArchivedAll(int owner);

  // What `owner` found when it opened. DATA_LOSS says what is wrong with it.
  absl::StatusOr<Finding> Judge(int owner, const HeldState& found) const;

  int64_t archived() const { return static_cast<int64_t>(archived_.size()); }
  int64_t acknowledged() const { return acknowledged_; }

 private:
  struct Owner {
    std::string volume;
    bool as_left = true;
    int64_t began = 0;
    int64_t ended = INT64_MAX;
    size_t archived_before = 0;  // How much of archived_ it must find.
    std::vector<Commit> acknowledged;
    std::vector<Commit> pending;  // Of these, not known to be archived.
    uint64_t archived_sequence = 0;
    absl::Duration archived_time = -absl::InfiniteDuration();
  };

  absl::StatusOr<std::vector<int>> JudgeHistory(const HeldState& found) const;
  absl::Status JudgeArchived(const Owner& owner, const HeldState& found) const;
  absl::Status JudgeVolume(int number, const std::vector<int>& history,
                           const HeldState& found) const;
  bool HadRival(int owner, int finder) const;
  int LastWriterOn(const std::string& volume, int before) const;
  static bool Holds(const HeldState& found, const Commit& commit);
  void Promote(Owner* owner);

  std::vector<Owner> owners_;
  struct ArchivedCommit {
    int owner = 0;
    Commit commit;
    std::string_view why;
  };
  std::vector<ArchivedCommit> archived_;
  int64_t acknowledged_ = 0;
  int64_t now_ = 0;
};

}  // namespace mooring::testing
