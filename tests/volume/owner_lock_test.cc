#include "src/volume/owner_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "src/base/posix_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "tests/volume/child_process.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using testing::ChildProcess;
using ::testing::HasSubstr;
using testing::StatusIs;

class OwnerLockTest : public ::testing::Test {
 protected:
  absl::StatusOr<OwnerLock> Take(absl::Duration timeout = absl::ZeroDuration()) {
    return OwnerLock::Acquire(path_, timeout, nullptr);
  }

  // Takes the lock, says so and keeps it.
  void Hold(const ChildProcess::Say& say) {
    const absl::StatusOr<OwnerLock> lock = Take();
    say(lock.status().ToString());
    testing::WaitToBeKilled();
  }

  testing::TempDirectory directory_;
  const std::string path_ = directory_.File("LOCK");
};

TEST_F(OwnerLockTest, TwoInOneProcessExcludeEachOther) {
  {
    ASSERT_OK_AND_ASSIGN(const OwnerLock first, Take());
    EXPECT_THAT(Take(), StatusIs(absl::StatusCode::kFailedPrecondition));
  }
  EXPECT_OK(Take());
}

// FAULTS row 22. A classic POSIX lock is lost here.
TEST_F(OwnerLockTest, OtherCodeThatOpensAndClosesTheFileDoesNotLoseIt) {
  ASSERT_OK_AND_ASSIGN(const OwnerLock lock, Take());
  { ASSERT_OK_AND_ASSIGN(const PosixFile other, PosixFile::Open(path_, O_RDWR)); }
  ASSERT_OK(ReadFile(path_));
  EXPECT_THAT(Take(), StatusIs(absl::StatusCode::kFailedPrecondition));
  ChildProcess child([&](const ChildProcess::Say& say) { say(Take().status().ToString()); });
  EXPECT_THAT(child.Hear(), HasSubstr("FAILED_PRECONDITION"));
}

TEST_F(OwnerLockTest, TheRefusalNamesHolderPathAndTheWait) {
  ChildProcess owner([&](const ChildProcess::Say& say) { Hold(say); });
  ASSERT_EQ(owner.Hear(), "OK");
  EXPECT_THAT(Take(absl::Milliseconds(60)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(path_ + " is locked by pid " + std::to_string(owner.pid())),
                             HasSubstr(" on host "), HasSubstr("waited "), HasSubstr("ms"))));
}

TEST_F(OwnerLockTest, AKilledOwnerLetsGo) {
  ChildProcess owner([&](const ChildProcess::Say& say) { Hold(say); });
  ASSERT_EQ(owner.Hear(), "OK");
  // The killing happens while the lock is waited for.
  EXPECT_OK(OwnerLock::Acquire(path_, absl::Seconds(60), [&] { owner.Kill(); }));
}

TEST_F(OwnerLockTest, AWaiterTakesOverWhenTheOwnerIsDone) {
  ASSERT_OK_AND_ASSIGN(OwnerLock lock, Take());
  std::optional<OwnerLock> owner(std::move(lock));
  int waits = 0;
  const absl::StatusOr<OwnerLock> next = OwnerLock::Acquire(path_, absl::InfiniteDuration(), [&] {
    if (++waits == 3) owner.reset();
  });
  EXPECT_OK(next);
  EXPECT_GE(waits, 3);
}

TEST_F(OwnerLockTest, OfManyWaitersOneAtATimeHoldsIt) {
  std::atomic<int> holders{0};
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        const absl::StatusOr<OwnerLock> lock = Take(absl::Seconds(60));
        if (!lock.ok()) continue;
        if (++holders == 1) ++taken;
        --holders;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 20);
}

TEST_F(OwnerLockTest, AForkedChildKeepsTheLockUntilItEndsToo) {
  ASSERT_OK_AND_ASSIGN(OwnerLock lock, Take());
  std::optional<OwnerLock> owner(std::move(lock));
  ChildProcess child([&](const ChildProcess::Say& say) { testing::WaitToBeKilled(); });
  owner.reset();
  EXPECT_THAT(Take(), StatusIs(absl::StatusCode::kFailedPrecondition));
  child.Kill();
  EXPECT_OK(Take());
}

TEST_F(OwnerLockTest, AForkedChildThatExecsDoesNotKeepTheLock) {
  ASSERT_OK_AND_ASSIGN(OwnerLock lock, Take());
  std::optional<OwnerLock> owner(std::move(lock));
  ChildProcess child([&](const ChildProcess::Say& say) {
    ::execl("/bin/sleep", "sleep", "50", static_cast<char*>(nullptr));
  });
  owner.reset();
  EXPECT_OK(Take(absl::Seconds(40)));
}

TEST_F(OwnerLockTest, AFileThatReplacedTheOneWaitedForIsLockedInstead) {
  ASSERT_OK_AND_ASSIGN(OwnerLock lock, Take());
  std::optional<OwnerLock> owner(std::move(lock));
  ASSERT_OK_AND_ASSIGN(const OwnerLock next, OwnerLock::Acquire(path_, absl::Seconds(60), [&] {
                         EXPECT_OK(RemoveFile(path_));
                         owner.reset();
                       }));
  EXPECT_THAT(Take(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace mooring::volume
