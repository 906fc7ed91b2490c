#include "src/volume/owner_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

absl::StatusOr<OwnerLock> Try(const std::string& path) {
  return OwnerLock::Acquire(path, absl::ZeroDuration(), nullptr);
}

TEST(OwnerLockTest, ASecondOwnerInThisProcessIsRefusedAndToldWhoHasIt) {
  testing::TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const OwnerLock first, Try(directory.File("LOCK")));
  EXPECT_THAT(Try(directory.File("LOCK")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(directory.File("LOCK")),
                             HasSubstr("process " + std::to_string(getpid())))));
}

// A classic record lock would be lost here: any close of the file in the process drops it.
TEST(OwnerLockTest, OtherCodeThatClosesTheFileDoesNotTakeTheLockAway) {
  testing::TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const OwnerLock first, Try(directory.File("LOCK")));
  close(open(directory.File("LOCK").c_str(), O_RDWR));
  EXPECT_THAT(Try(directory.File("LOCK")), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(OwnerLockTest, TheLockIsFreeWhenItsOwnerLetsGo) {
  testing::TempDirectory directory;
  { ASSERT_OK(Try(directory.File("LOCK"))); }
  EXPECT_OK(Try(directory.File("LOCK")));
}

TEST(OwnerLockTest, AKilledOwnerLetsGo) {
  testing::TempDirectory directory;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    alarm(120);
    const auto lock = Try(directory.File("LOCK"));
    (void)!write(ready[1], lock.ok() ? "y" : "n", 1);
    for (;;) pause();
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_THAT(Try(directory.File("LOCK")), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                    HasSubstr("process " + std::to_string(owner))));
  int calls = 0;
  const auto waited = OwnerLock::Acquire(directory.File("LOCK"), absl::Minutes(2), [&] {
    if (++calls == 2) kill(owner, SIGKILL);
  });
  EXPECT_OK(waited);
  EXPECT_GE(calls, 2);
  waitpid(owner, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
}

// A child that is forked and does not exec shares the owner's lock, as the header says.
TEST(OwnerLockTest, AForkedChildKeepsTheLockWithItsParent) {
  testing::TempDirectory directory;
  int end[2];
  ASSERT_EQ(pipe(end), 0);
  pid_t child;
  {
    ASSERT_OK_AND_ASSIGN(const OwnerLock lock, Try(directory.File("LOCK")));
    child = fork();
    if (child == 0) {
      alarm(120);
      char byte;
      close(end[1]);
      (void)!read(end[0], &byte, 1);
      _exit(0);
    }
  }
  EXPECT_THAT(Try(directory.File("LOCK")), StatusIs(absl::StatusCode::kFailedPrecondition));
  close(end[1]);
  waitpid(child, nullptr, 0);
  EXPECT_OK(Try(directory.File("LOCK")));
  close(end[0]);
}

}  // namespace
}  // namespace mooring::volume
