// FAULTS rows 18 and 19: the workload of the kill test while the wall clock jumps, and in a memory
// control group that is too small for it.

#include <iostream>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/simulation/killed_store.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/memory_group.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

// Row 18. Terminated ones must close in their time, too.
TEST(ClockTest, NoSafetyAndNoTimeoutRestsOnTheWallClock) {
  const HangGuard guard(800);
  const uint64_t seed = TestSeed();
  const int trials = TestTrials(50);
  std::mt19937_64 random(seed);
  const TempDirectory directory;
  KilledStoreOptions options;
  options.directory = directory.path();
  options.seed = seed;
  options.environment = {"LD_PRELOAD=" MOORING_CLOCK_JUMPS,
                         absl::StrCat("MOORING_CLOCK_SEED=", seed % 1000000)};
  KilledStore store(options);
  for (int trial = 0; trial < trials; ++trial) {
    KillPlan plan;
    plan.acknowledgements = 1 + static_cast<int>(random() % 200);
    plan.moment = absl::Microseconds(random() % 3000);
    plan.terminate = random() % 4 == 0;
    plan.spare = plan.terminate;
    ASSERT_OK(store.Live(plan)) << "trial " << trial;
  }
  std::cout << trials << " lives with a jumping clock, " << store.closed() << " closed in time, "
            << store.acknowledged() << " acknowledged, 0 lost" << std::endl;
}

// Row 19. Beside the store the process takes more and more memory, until the kernel kills it.
TEST(MemoryTest, KilledForItsMemoryNothingAcknowledgedIsLost) {
  const HangGuard guard(800);
  const MemoryGroup group(int64_t{64} << 20);
  if (group.path().empty()) GTEST_SKIP() << "needs a memory control group that it may make";
  const uint64_t seed = TestSeed();
  const int trials = TestTrials(20);
  const TempDirectory directory;
  KilledStoreOptions options;
  options.directory = directory.path();
  options.seed = seed;
  options.launcher = group.Launcher();
  options.environment = {"MOORING_KILL_CHILD_EATS=1"};
  KilledStore store(options);
  for (int trial = 0; trial < trials; ++trial) {
    KillPlan plan;
    plan.ends_alone = true;
    ASSERT_OK(store.Live(plan)) << "trial " << trial;
  }
  std::cout << trials << " processes out of memory, " << store.acknowledged()
            << " acknowledged, 0 lost" << std::endl;
  EXPECT_GT(store.acknowledged(), trials);
}

}  // namespace
}  // namespace mooring::testing
