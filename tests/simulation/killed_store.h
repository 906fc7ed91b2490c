#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/options.h"
#include "tests/testing/child_process.h"
#include "tests/testing/commit_oracle.h"

namespace mooring::testing {

// When and how a life ends. A moment counts from the start of the process, or, where there are
// acknowledgements or phases to await, from the last of them.
struct KillPlan {
  int acknowledgements = 0;
  int phases = 0;
  bool before_writing = false;  // Does not let it write.
  absl::Duration moment;
  bool terminate = false;   // SIGTERM first,
  bool spare = false;       // and no SIGKILL after it.
  absl::Duration grace;     // Between the two.
  bool ends_alone = false;  // Something else kills it, later.
  // Called at the moment, and each time that it has passed again, before the end. It may Pause(),
  // Look() and Resume().
  std::function<absl::Status()> at_the_moment;
  int moments = 1;
};

// What starts the process, and with what.
struct KilledStoreOptions {
  std::string directory = {};
  uint64_t seed = 1;
  bool large = false;                         // Long logs of few commits.
  std::vector<std::string> launcher = {};     // Put before the child's own arguments.
  std::vector<std::string> environment = {};  // NAME=VALUE
};

// What a process that opens the store in `directory` says that it holds. An error, with what it
// said and its result, where it does not get so far; DEADLINE_EXCEEDED where it hangs.
absl::StatusOr<OracleTables> ReadInChild(const std::string& directory, uint64_t seed);

// One volume, the processes that live on it one after the other, and what it must hold.
class KilledStore {
 public:
  explicit KilledStore(KilledStoreOptions options);

  // Starts a process, judges what it finds, lets it write, and ends it. An error tells what was
  // lost, or what else went wrong.
  absl::Status Live(const KillPlan& plan);

  // For KillPlan::at_the_moment: the life goes no further until Resume().
  void Pause() const;
  void Resume() const;
  // Opens the store that lies in `directory`, a copy made of this one, and judges what it holds by
  // what was acknowledged so far.
  absl::Status Look(const std::string& directory, CommitOracle::Loss loss);

  int64_t acknowledged() const { return acknowledged_; }
  int opened() const { return opened_; }            // Lives that came to hold the store.
  int interrupted() const { return interrupted_; }  // Lives that ended before that.
  int closed() const { return closed_; }            // Lives that ended with a Close().
  absl::Duration last_open() const { return last_open_; }
  bool showed(Progress::Phase phase) const { return phases_.count(phase) > 0; }

 private:
  struct Life {
    explicit Life(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment)
        : process(arguments, environment) {}
    ChildProcess process;
    std::string unread;
    OracleTables tables;
    int phases = 0;
    int acknowledgements = 0;
    bool holds = false;
    bool closed = false;
  };

  absl::Status AwaitItsTime(const KillPlan& plan, Life* life);
  absl::Status End(const KillPlan& plan, Life* life);
  absl::Status ListenFor(absl::Duration time, Life* life);
  // Reads for `wait` at most and takes in what was said. False at the end of the output.
  absl::StatusOr<bool> Listen(absl::Duration wait, Life* life);
  absl::Status TakeIn(std::string_view line, Life* life);
  absl::Status TakeInClose(const std::vector<std::string>& words, Life* life);
  absl::Status Judge(Life* life);

  absl::Status Acknowledge(const std::vector<std::string>& words);

  const KilledStoreOptions options_;
  CommitOracle oracle_;
  bool may_write_ = false;
  const ChildProcess* alive_ = nullptr;
  absl::Duration started_;
  int64_t acknowledged_ = 0;
  int opened_ = 0;
  int interrupted_ = 0;
  int closed_ = 0;
  absl::Duration last_open_;
  std::set<Progress::Phase> phases_;  // That any life said it was in.
};

}  // namespace mooring::testing
