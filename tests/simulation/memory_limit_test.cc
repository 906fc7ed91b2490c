// A store with many times the data of its container's memory: it is loaded, read and scanned, and
// not killed.

#include <signal.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/child_process.h"
#include "tests/testing/memory_group.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

// A number that the environment may raise, for a long run.
int64_t Setting(const char* name, int64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::atoll(given);
}

class MemoryLimitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (group_.path().empty()) GTEST_SKIP() << "needs a memory control group that it may make";
  }

  // What the child ended with, and said.
  int Run(int64_t mib, int64_t budget_mib, std::string* said) {
    std::vector<std::string> arguments = group_.Launcher();
    for (const std::string& argument : {std::string(MOORING_MEMORY_CHILD), directory_.path(),
                                        absl::StrCat(mib), absl::StrCat(budget_mib)}) {
      arguments.push_back(argument);
    }
    ChildProcess child(arguments);
    *said = child.ReadLine(absl::Hours(2));
    return child.Wait(absl::Hours(2));
  }

  const int64_t limit_mib_ = Setting("MOORING_MEMORY_LIMIT_MIB", 128);
  const MemoryGroup group_{limit_mib_ << 20};
  const TempDirectory directory_;
};

TEST_F(MemoryLimitTest, AStoreManyTimesItsContainersMemoryIsServedWithin) {
  const int64_t mib = Setting("MOORING_MEMORY_DATA_MIB", 512);
  std::string said;
  EXPECT_EQ(Run(mib, /*budget_mib=*/0, &said), 0) << said;
  std::cout << mib << " MiB in a container of " << limit_mib_ << " MiB: " << said << std::endl;
}

// The container kills what takes more: the test above could fail.
TEST_F(MemoryLimitTest, ABudgetBeyondTheContainerIsKilled) {
  std::string said;
  EXPECT_EQ(Run(4 * limit_mib_, /*budget_mib=*/16 * limit_mib_, &said), -SIGKILL) << said;
}

}  // namespace
}  // namespace mooring::testing
