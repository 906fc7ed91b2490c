// Rows 1, 2 and 20 of the fault table: a process with eight writers on a real store on disk is
// killed again and again, and whatever it acknowledged must be there each time it comes back.

#include <iostream>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/simulation/killed_store.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

class KillTest : public ::testing::Test {
 protected:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  absl::Duration MicrosecondsBelow(int bound) { return absl::Microseconds(Below(bound)); }

  // At a random moment of a life: mostly while it writes, sometimes while it opens.
  KillPlan AtRandom() {
    KillPlan plan;
    if (Below(8) == 0) {
      plan.moment = MicrosecondsBelow(60000);
      return plan;
    }
    plan.acknowledgements = 1 + Below(120);
    plan.moment = MicrosecondsBelow(3000);
    return plan;
  }
  static KillPlan LookOnly() {
    KillPlan plan;
    plan.acknowledgements = 1;
    return plan;
  }

  const uint64_t seed_ = TestSeed();
  std::mt19937_64 random_{seed_};
  const TempDirectory directory_;
};

// Row 1.
TEST_F(KillTest, KilledAtAnyMomentNothingAcknowledgedIsLost) {
  const int trials = TestTrials(200);
  KilledStore volume({directory_.path(), seed_});
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
  KilledStore volume({directory_.path(), seed_, /*large=*/true});
  int interrupted = 0;
  absl::Duration reach;
  for (int trial = 0; trial < trials; ++trial) {
    if (trial % kKillsForEachLog == 0) {
      KillPlan fill;
      fill.acknowledgements = 600;
      ASSERT_OK(volume.Live(fill)) << trial;
      reach = volume.last_open();
    }
    const int before = volume.interrupted();
    KillPlan plan;
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
  KilledStore volume({directory_.path(), seed_});
  for (int trial = 0; trial < trials; ++trial) {
    KillPlan plan;
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
  KilledStore volume(
      {directory_.path(), seed_, /*large=*/false, /*launcher=*/{}, {"MOORING_KILL_CHILD_LIES=1"}});
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
