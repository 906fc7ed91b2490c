#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mooring/options.h"
#include "mooring/version.h"
#include "tests/simulation/archive_oracle.h"
#include "tests/testing/child_process.h"

namespace mooring::testing {

// Far more than any step takes: only a process that hangs meets it.
inline constexpr absl::Duration kOwnerPatience = absl::Minutes(2);

struct OwnerOptions {
  std::string volume;
  bool as_left = true;  // The volume is as its last owner left it.
  bool writes = true;   // As soon as it is open.
  absl::Duration takeover_wait = absl::Milliseconds(150);
  absl::Duration acquire_timeout = absl::Minutes(1);
  std::vector<std::string> arguments = {};  // More of archive_child.cc's.
};

// A process that opens the store, and what it said so far.
struct Owner {
  Owner(int number_given, OwnerOptions options_given, const std::vector<std::string>& arguments,
        const std::vector<std::string>& environment)
      : number(number_given), options(std::move(options_given)), process(arguments, environment) {}

  bool Refused() const { return refused == kChains; }

  const int number;
  const OwnerOptions options;
  ChildProcess process;

  std::vector<Progress::Phase> phases;
  bool holds = false;  // It opened, and what it found was judged.
  ArchiveOracle::Finding finding;
  Version opened;
  int on_volume = 0;  // Commits acknowledged.
  int archived = 0;
  Version newest;   // Acknowledged.
  int refused = 0;  // Chains whose writer was refused,
  int fenced = 0;   // of these because another owner took over.
  absl::Status refusal;
  absl::Status failure;  // Of opening.
  absl::Duration lag;
  uint64_t archived_sequence = 0;
  std::optional<absl::StatusCode> waited;
  bool closed = false;
  bool closed_archived = false;
  bool killed = false;
  bool gone = false;

  std::string unread;
  HeldState found;
};

// One archive, the volumes of its store, the processes on them, and the oracle over all of these.
// The first thing that is wrong is what every later call answers.
class ArchiveOwners {
 public:
  struct Options {
    std::string url;
    uint64_t seed = 1;
    std::vector<std::string> environment = {};
    std::vector<std::string> arguments = {};  // For every process.
  };
  explicit ArchiveOwners(Options options) : options_(std::move(options)) {}

  // Valid until Forget().
  Owner* Start(const OwnerOptions& options);
  // Reads what the processes say until `condition` holds: DEADLINE_EXCEEDED, naming `what`, when it
  // never does.
  absl::Status Await(std::string_view what, const std::function<bool()>& condition);
  absl::Status AwaitHolds(Owner* owner);
  absl::Status AwaitArchived(Owner* owner, int commits);
  // As Await(), for so long.
  absl::Status Listen(absl::Duration time);
  absl::Status Kill(Owner* owner);
  // Closes, and waits for the end.
  absl::Status Close(Owner* owner);
  // What WaitArchived() of that process answers.
  absl::StatusOr<absl::StatusCode> AskArchived(Owner* owner, Version version);
  // Kills who is left, and opens the store once more on the volume `volume`, which is empty: what
  // is found there is all that there is. Closes it again.
  absl::Status JudgeAll(const std::string& volume);
  void Forget() { owners_.clear(); }

  const ArchiveOracle& oracle() const { return oracle_; }
  const std::string& url() const { return options_.url; }
  bool showed(Progress::Phase phase) const { return phases_.count(phase) > 0; }

 private:
  bool ReadFrom(absl::Duration wait);
  void TakeIn(Owner* owner);
  absl::Status TakeIn(Owner* owner, const std::string& line);
  absl::Status TakeInAcknowledgement(Owner* owner, const std::vector<std::string>& words);
  absl::Status TakeInStatus(Owner* owner, const std::vector<std::string>& words);
  absl::Status TakeInEnd(Owner* owner);
  void Wrong(const Owner& owner, const absl::Status& status);

  const Options options_;
  ArchiveOracle oracle_;
  std::vector<std::unique_ptr<Owner>> owners_;
  std::set<Progress::Phase> phases_;
  absl::Status wrong_;
};

// Removes `path` and all that is in it.
void RemoveTree(const std::string& path);
// Makes `to` a copy of the volume `from`, of a process that is dead or stopped.
[[nodiscard]] absl::Status CopyVolume(const std::string& from, const std::string& to);

}  // namespace mooring::testing
