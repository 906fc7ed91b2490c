// Rows 1, 2 and 20 of the fault table: a process with eight writers on a real store on disk is
// killed again and again, and whatever it acknowledged must be there each time it comes back.

#include <signal.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "mooring/options.h"
#include "src/base/steady_clock.h"
#include "tests/simulation/kill_workload.h"
#include "tests/testing/child_process.h"
#include "tests/testing/commit_oracle.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

// Far more than any step takes: only a child that hangs meets it.
constexpr absl::Duration kPatience = absl::Minutes(2);

// When and how a life ends. A moment counts from the start of the process, or, where there are
// acknowledgements or phases to await, from the last of them.
struct Plan {
  int acknowledgements = 0;
  int phases = 0;
  bool before_writing = false;  // Does not let it write.
  absl::Duration moment;
  bool terminate = false;  // SIGTERM first,
  bool spare = false;      // and no SIGKILL after it.
  absl::Duration grace;    // Between the two.
};

// One volume, the processes that live on it one after the other, and what it must hold.
class Volume {
 public:
  Volume(uint64_t seed, bool large, bool lies = false)
      : seed_(seed), large_(large), lies_(lies), oracle_(WorkloadOf(seed, large)) {}

  // Starts a process, judges what it finds, lets it write, and ends it. An error tells what was
  // lost, or what else went wrong.
  absl::Status Live(const Plan& plan);

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

  absl::Status AwaitItsTime(const Plan& plan, Life* life);
  absl::Status End(const Plan& plan, Life* life);
  // Reads for `wait` at most and takes in what was said. False at the end of the output.
  absl::StatusOr<bool> Listen(absl::Duration wait, Life* life);
  absl::Status TakeIn(std::string_view line, Life* life);
  absl::Status TakeInClose(const std::vector<std::string>& words, Life* life);
  absl::Status Judge(Life* life);

  const uint64_t seed_;
  const bool large_;
  const bool lies_;
  TempDirectory directory_;
  CommitOracle oracle_;
  bool may_write_ = false;
  absl::Duration started_;
  int64_t acknowledged_ = 0;
  int opened_ = 0;
  int interrupted_ = 0;
  int closed_ = 0;
  absl::Duration last_open_;
  std::set<Progress::Phase> phases_;  // That any life said it was in.
};

absl::Status Volume::Live(const Plan& plan) {
  may_write_ = !plan.before_writing;
  started_ = SteadyNow();
  std::vector<std::string> environment;
  if (lies_) environment.push_back("MOORING_KILL_CHILD_LIES=1");
  Life life(
      {MOORING_KILL_CHILD, directory_.path(), absl::StrCat(seed_), large_ ? "large" : "small"},
      environment);
  if (absl::Status status = AwaitItsTime(plan, &life); !status.ok()) return status;
  if (absl::Status status = End(plan, &life); !status.ok()) return status;
  opened_ += life.holds;
  interrupted_ += !life.holds;
  closed_ += life.closed;
  return absl::OkStatus();
}

absl::Status Volume::AwaitItsTime(const Plan& plan, Life* life) {
  while (life->acknowledgements < plan.acknowledgements || life->phases < plan.phases) {
    if (SteadyNow() > started_ + kPatience) {
      return absl::DeadlineExceededError(absl::StrCat("the process hangs: phases ", life->phases,
                                                      ", acknowledged ", life->acknowledgements));
    }
    const absl::StatusOr<bool> goes_on = Listen(absl::Seconds(1), life);
    if (!goes_on.ok()) return goes_on.status();
    if (!*goes_on) {
      return absl::InternalError(
          absl::StrCat("the process ended by itself: ", life->process.Wait()));
    }
  }
  const absl::Duration moment = SteadyNow() + plan.moment;
  while (SteadyNow() < moment) {
    const absl::StatusOr<bool> goes_on = Listen(moment - SteadyNow(), life);
    if (!goes_on.ok()) return goes_on.status();
    if (!*goes_on) break;
  }
  return absl::OkStatus();
}

absl::Status Volume::End(const Plan& plan, Life* life) {
  if (plan.terminate) {
    life->process.Signal(SIGTERM);
    const absl::Duration kill = SteadyNow() + (plan.spare ? kPatience : plan.grace);
    for (absl::StatusOr<bool> goes_on = true; *goes_on && SteadyNow() < kill;) {
      goes_on = Listen(kill - SteadyNow(), life);
      if (!goes_on.ok()) return goes_on.status();
    }
  }
  const bool must_end_alone = plan.terminate && plan.spare;
  if (!must_end_alone) life->process.Signal(SIGKILL);
  while (!life->process.ended()) {  // What stands in the pipe was acknowledged, too.
    const absl::StatusOr<bool> goes_on = Listen(absl::Seconds(1), life);
    if (!goes_on.ok()) return goes_on.status();
  }
  const int result = life->process.Wait();
  // One that was killed may have been at its end already, after SIGTERM only.
  const bool fine = must_end_alone ? result == 0 && life->closed
                                   : result == -SIGKILL || (plan.terminate && result == 0);
  if (fine) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the process ended with ", result));
}

absl::StatusOr<bool> Volume::Listen(absl::Duration wait, Life* life) {
  const bool got = life->process.Read(&life->unread, wait);
  size_t begin = 0;
  for (size_t end; (end = life->unread.find('\n', begin)) != std::string::npos; begin = end + 1) {
    absl::Status status = TakeIn(std::string_view(life->unread).substr(begin, end - begin), life);
    if (!status.ok()) return status;
  }
  life->unread.erase(0, begin);
  return got || !life->process.ended();
}

absl::Status Volume::TakeIn(std::string_view line, Life* life) {
  const std::vector<std::string> words = absl::StrSplit(std::string(line), ' ');
  int index = 0;
  uint64_t number = 0;
  if (words[0] == "phase" && words.size() == 2 && absl::SimpleAtoi(words[1], &index)) {
    ++life->phases;
    phases_.insert(static_cast<Progress::Phase>(index));
  } else if (words[0] == "table" && words.size() == 4 && absl::SimpleAtoi(words[1], &index)) {
    life->tables[index][absl::HexStringToBytes(words[2])] = absl::HexStringToBytes(words[3]);
  } else if (words[0] == "holds") {
    return Judge(life);
  } else if (words[0] == "acknowledged" && words.size() == 3 &&
             absl::SimpleAtoi(words[1], &index) && absl::SimpleAtoi(words[2], &number)) {
    ++life->acknowledgements;
    ++acknowledged_;
    oracle_.AcknowledgeNumber(index, number, CommitOracle::Level::kProcess);
  } else if (words[0] == "closed" && words.size() == 4) {
    return TakeInClose(words, life);
  } else {
    return absl::InternalError(absl::StrCat("the process said: ", std::string(line)));
  }
  return absl::OkStatus();
}

// Row 20: Close() returns on time, and if it says that the volume is released, it was synced.
absl::Status Volume::TakeInClose(const std::vector<std::string>& words, Life* life) {
  life->closed = true;
  int64_t took_ms = 0;
  const bool synced = words[1] == "1";
  const bool released = words[2] == "1";
  if (!absl::SimpleAtoi(words[3], &took_ms) || (released && !synced)) {
    return absl::InternalError(absl::StrCat("a strange close: ", absl::StrJoin(words, " ")));
  }
  const absl::Duration took = absl::Milliseconds(took_ms);
  if (took > kCloseTimeout + absl::Minutes(1)) {
    return absl::InternalError(absl::StrCat("Close() took ", absl::FormatDuration(took)));
  }
  if (!released && took < kCloseTimeout - absl::Milliseconds(10)) {
    return absl::InternalError("Close() gave up before its time");
  }
  return absl::OkStatus();
}

absl::Status Volume::Judge(Life* life) {
  life->holds = true;
  last_open_ = SteadyNow() - started_;
  const absl::StatusOr<CommitOracle::Position> position =
      oracle_.Judge(life->tables, CommitOracle::Loss::kProcessKill);
  if (!position.ok()) return position.status();
  // A writer makes a commit when the one before it was acknowledged, so at most one is unknown.
  const CommitOracle::Position acknowledged =
      oracle_.LastAcknowledged(CommitOracle::Level::kProcess);
  for (size_t writer = 0; writer < position->size(); ++writer) {
    if ((*position)[writer] > acknowledged[writer] + 1) {
      return absl::InternalError(absl::StrCat("writer ", writer, " stands at ", (*position)[writer],
                                              " after acknowledging ", acknowledged[writer]));
    }
  }
  oracle_.ContinueFrom(*position);
  // Whatever was recovered and read is durable against kills: the model need not replay it.
  for (size_t writer = 0; writer < position->size(); ++writer) {
    oracle_.AcknowledgeNumber(static_cast<int>(writer), (*position)[writer],
                              CommitOracle::Level::kVolume);
  }
  if (may_write_) life->process.Write(oracle_.SaveChains() + "\n");
  return absl::OkStatus();
}

class KillTest : public ::testing::Test {
 protected:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  absl::Duration MicrosecondsBelow(int bound) { return absl::Microseconds(Below(bound)); }

  // At a random moment of a life: mostly while it writes, sometimes while it opens.
  Plan AtRandom() {
    Plan plan;
    if (Below(8) == 0) {
      plan.moment = MicrosecondsBelow(60000);
      return plan;
    }
    plan.acknowledgements = 1 + Below(120);
    plan.moment = MicrosecondsBelow(3000);
    return plan;
  }
  static Plan LookOnly() {
    Plan plan;
    plan.acknowledgements = 1;
    return plan;
  }

  const uint64_t seed_ = TestSeed();
  std::mt19937_64 random_{seed_};
};

// Row 1.
TEST_F(KillTest, KilledAtAnyMomentNothingAcknowledgedIsLost) {
  const int trials = TestTrials(200);
  Volume volume(seed_, /*large=*/false);
  for (int trial = 0; trial < trials; ++trial) ASSERT_OK(volume.Live(AtRandom())) << trial;
  ASSERT_OK(volume.Live(LookOnly()));
  std::cout << trials << " kills, " << volume.interrupted() << " of them during open, "
            << volume.acknowledged() << " acknowledged, 0 lost" << std::endl;
  EXPECT_GT(volume.acknowledged(), trials);
}

// Row 2. A long log is replayed, and the process is killed over and over before it is through: soon
// after one of its phases began, or at a moment up to one at which it is known to get through.
TEST_F(KillTest, KilledAgainAndAgainDuringOpenItConverges) {
  const int trials = TestTrials(50);
  constexpr int kKillsForEachLog = 10;
  Volume volume(seed_, /*large=*/true);
  int interrupted = 0;
  absl::Duration reach;
  for (int trial = 0; trial < trials; ++trial) {
    if (trial % kKillsForEachLog == 0) {
      Plan fill;
      fill.acknowledgements = 600;
      ASSERT_OK(volume.Live(fill)) << trial;
      reach = volume.last_open();
    }
    const int before = volume.interrupted();
    Plan plan;
    plan.before_writing = true;
    plan.phases = Below(5);
    const absl::Duration longest = plan.phases == 0 ? reach : absl::Milliseconds(20);
    plan.moment = MicrosecondsBelow(static_cast<int>(absl::ToInt64Microseconds(longest)));
    ASSERT_OK(volume.Live(plan)) << trial;
    const bool was_interrupted = volume.interrupted() > before;
    interrupted += was_interrupted;
    if (plan.phases == 0) reach = was_interrupted ? reach * 1.5 : volume.last_open();
  }
  ASSERT_OK(volume.Live(LookOnly()));
  std::cout << trials << " kills, " << interrupted << " of them before the store was open, "
            << volume.acknowledged() << " acknowledged, 0 lost, last open "
            << absl::FormatDuration(volume.last_open()) << std::endl;
  EXPECT_GE(interrupted, trials / 5) << "too few kills hit an open to prove anything";
  EXPECT_TRUE(volume.showed(Progress::Phase::kReadingLog));
  EXPECT_TRUE(volume.showed(Progress::Phase::kReplayingLog));
}

// Row 20.
TEST_F(KillTest, TerminatedAndKilledSoonAfterNothingAcknowledgedIsLost) {
  const int trials = TestTrials(50);
  Volume volume(seed_, /*large=*/false);
  for (int trial = 0; trial < trials; ++trial) {
    Plan plan;
    plan.acknowledgements = 1 + Below(100);
    plan.moment = MicrosecondsBelow(1000);
    plan.terminate = true;
    plan.spare = Below(5) == 0;
    plan.grace = MicrosecondsBelow(30000);
    ASSERT_OK(volume.Live(plan)) << trial;
  }
  ASSERT_OK(volume.Live(LookOnly()));
  std::cout << trials << " terminations, " << volume.closed() << " closed in time, "
            << volume.acknowledged() << " acknowledged, 0 lost" << std::endl;
}

// The negative control of row 1: with a child that acknowledges before it commits, the test above
// must fail within its trials.
TEST_F(KillTest, AnAcknowledgementBeforeTheCommitIsCaught) {
  const int trials = TestTrials(200);
  Volume volume(seed_, /*large=*/false, /*lies=*/true);
  for (int trial = 0; trial < trials; ++trial) {
    const absl::Status status = volume.Live(AtRandom());
    if (status.ok()) continue;
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
    std::cout << "caught at trial " << trial + 1 << ": " << status << std::endl;
    return;
  }
  FAIL() << "not caught within " << trials << " trials";
}

}  // namespace
}  // namespace mooring::testing
