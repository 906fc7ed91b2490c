#include "src/volume/volume.h"

#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/posix_file.h"
#include "src/volume/epoch.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "tests/volume/child_process.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using testing::ChildProcess;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

constexpr char kId[] = "00112233445566778899aabbccddeeff";
constexpr char kOtherId[] = "ffffffffffffffffffffffffffffffff";

// The volume of each test is a directory that allows everything: where /var/tmp is a container's
// own layer the tests still hold. Refusals of mounts have tests of their own.
class VolumeTest : public ::testing::Test {
 protected:
  VolumeTest() {
    std::filesystem::create_directory(path_);
    options_.path = path_;
    options_.mounts = MountPolicy::kAny;
    options_.timeout = absl::ZeroDuration();
  }

  absl::StatusOr<std::unique_ptr<Volume>> Acquire() { return Volume::Acquire(options_); }

  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::vector<std::string> Names() const { return *ListDirectory(path_); }
  void Put(const std::string& name, const std::string& data = "x") {
    ASSERT_OK(WriteFileDurably(File(name), data));
  }

  // A store with a state: created, completed, closed.
  std::string MakeStore() {
    const absl::StatusOr<std::unique_ptr<Volume>> volume = Acquire();
    EXPECT_OK(volume);
    if (!volume.ok()) return "";
    Put("data/CURRENT");
    EXPECT_OK((*volume)->MarkComplete());
    return (*volume)->store_id();
  }

  testing::TempDirectory directory_;
  const std::string path_ = directory_.File("volume");
  AcquireOptions options_;
};

TEST_F(VolumeTest, ANewStoreGetsIdEpochAndDataDirectory) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Volume> volume, Acquire());
  EXPECT_OK(ParseStoreId(volume->store_id()));
  EXPECT_EQ(volume->epoch(), 1u);
  EXPECT_TRUE(volume->created());
  EXPECT_EQ(volume->data_directory(), File("data"));
  EXPECT_THAT(*ListDirectory(volume->data_directory()), IsEmpty());
  EXPECT_THAT(Names(), ElementsAre("EPOCH", "LOCK", "MOORING", "data"));
}

TEST_F(VolumeTest, AReopenedStoreKeepsItsIdAndRaisesItsEpoch) {
  const std::string id = MakeStore();
  options_.create_if_missing = false;
  for (uint64_t epoch = 2; epoch <= 4; ++epoch) {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Volume> volume, Acquire());
    EXPECT_EQ(volume->store_id(), id);
    EXPECT_EQ(volume->epoch(), epoch);
    EXPECT_FALSE(volume->created());
  }
}

TEST_F(VolumeTest, ThePathMayBeRelativeAndTheWorkingDirectoryMayChange) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  options_.path = "volume/";
  const absl::StatusOr<std::unique_ptr<Volume>> volume = Acquire();
  std::filesystem::current_path(before);
  ASSERT_OK(volume);
  EXPECT_EQ((*volume)->data_directory(), std::filesystem::canonical(path_).string() + "/data");
}

TEST_F(VolumeTest, AnExpectedIdBecomesTheIdAndIsCheckedLater) {
  options_.expected_store_id = kId;
  EXPECT_EQ(MakeStore(), kId);
  EXPECT_OK(Acquire());
  options_.expected_store_id = kOtherId;
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                  AllOf(HasSubstr(kId), HasSubstr(kOtherId))));
  options_.expected_store_id = "no id";
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'no id'")));
}

TEST_F(VolumeTest, PathsThatAreNoVolumeAreRefused) {
  options_.path = File("absent");
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kNotFound, HasSubstr(File("absent"))));
  Put("file");
  options_.path = File("file");
  EXPECT_THAT(Acquire(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not a directory")));
  options_.path = File("file/below");
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kInvalidArgument));
  options_.path = "";
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(VolumeTest, ADirectoryThatCannotBeWrittenIsRefused) {
  ASSERT_EQ(::chmod(path_.c_str(), 0555), 0);
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  ChildProcess child([&](const ChildProcess::Say& say) {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) {
      say("cannot become nobody");
      return;
    }
    say(Acquire().status().ToString());
  });
  EXPECT_THAT(child.Hear(), AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr(path_)));
}

TEST_F(VolumeTest, TmpfsIsRefusedAndNothingIsMadeThere) {
  std::string path = "/dev/shm/mooring-test-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) GTEST_SKIP() << "this machine has no writable /dev/shm";
  options_.path = path;
  options_.mounts = MountPolicy::kDurable;
  const absl::StatusOr<std::unique_ptr<Volume>> refused = Acquire();
  const std::vector<std::string> names = *ListDirectory(path);
  options_.mounts = MountPolicy::kAny;
  const absl::StatusOr<std::unique_ptr<Volume>> allowed = Acquire();
  std::filesystem::remove_all(path);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                AllOf(HasSubstr(path + " is on tmpfs"), HasSubstr("Mount a"))));
  EXPECT_THAT(names, IsEmpty());
  EXPECT_OK(allowed);
}

TEST_F(VolumeTest, AReadOnlyMountIsRefusedAsOne) {
  const std::string answer = testing::RunWithOwnMounts([&]() -> std::string {
    if (::mount(path_.c_str(), path_.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount("none", path_.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
      return "cannot: mount read-only";
    }
    return Acquire().status().ToString();
  });
  if (answer.rfind("cannot: ", 0) == 0) GTEST_SKIP() << answer;
  EXPECT_THAT(answer, AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("read-only")));
}

TEST_F(VolumeTest, OneOwnerAtATimeInOneProcess) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Volume> first, Acquire());
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("LOCK")));
  options_.timeout = absl::Seconds(60);
  options_.waiting = [&] { first.reset(); };
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Volume> second, Acquire());
  EXPECT_EQ(second->epoch(), 2u);
}

TEST_F(VolumeTest, AKilledOwnerIsSucceeded) {
  ChildProcess owner([&](const ChildProcess::Say& say) {
    const absl::StatusOr<std::unique_ptr<Volume>> volume = Acquire();
    say(volume.status().ToString());
    testing::WaitToBeKilled();
  });
  ASSERT_EQ(owner.Hear(), "OK");
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                  HasSubstr("pid " + std::to_string(owner.pid()))));
  options_.timeout = absl::Seconds(60);
  options_.waiting = [&] { owner.Kill(); };
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Volume> volume, Acquire());
  EXPECT_EQ(volume->epoch(), 2u);
}

// FAULTS row 12.
TEST_F(VolumeTest, WithoutCreationAnEmptyMountIsNotFoundAndLeftUntouched) {
  options_.create_if_missing = false;
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kNotFound,
                                  AllOf(HasSubstr(path_), HasSubstr("may not be mounted"))));
  EXPECT_THAT(Names(), IsEmpty());
  std::filesystem::create_directory(File("lost+found"));
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Names(), ElementsAre("lost+found"));
}

// V2.
TEST_F(VolumeTest, ADirectoryWithForeignFilesIsRefusedAndLeftUntouched) {
  std::filesystem::create_directory(File("lost+found"));
  Put("pictures");
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                  AllOf(HasSubstr("'pictures'"), HasSubstr("of its own"))));
  EXPECT_THAT(Names(), ElementsAre("lost+found", "pictures"));
  ASSERT_OK(RemoveFile(File("pictures")));
  EXPECT_OK(Acquire());
}

// V1. Each state that a crash can leave on the way to a store, as a step on from the one before.
TEST_F(VolumeTest, ACreationCutShortAtAnyStepIsCompleted) {
  const std::vector<std::pair<std::string, std::function<void()>>> steps = {
      {"lock file empty", [&] { Put("LOCK", ""); }},
      {"lock file written", [&] { Put("LOCK", "pid 1 on host gone\n"); }},
      {"data directory", [&] { std::filesystem::create_directory(File("data")); }},
      {"part of the epoch", [&] { Put("EPOCH.tmp", "MOOREP"); }},
      {"epoch", [&] { ASSERT_OK(CreateEpoch(File("EPOCH"), kOtherId)); }},
      {"part of the identity", [&] { Put("MOORING.tmp", "mooring sto"); }},
  };
  for (size_t count = 0; count <= steps.size(); ++count) {
    SCOPED_TRACE(count == 0 ? "nothing" : "after " + steps[count - 1].first);
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
    for (size_t i = 0; i < count; ++i) steps[i].second();

    options_.create_if_missing = false;
    EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kNotFound));
    options_.create_if_missing = true;
    {
      ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Volume> volume, Acquire());
      EXPECT_TRUE(volume->created());
      EXPECT_EQ(volume->epoch(), 1u);
    }
    EXPECT_OK(Acquire());
  }
}

// V4. The engine's own creation may be cut short too, with any files in the data directory.
TEST_F(VolumeTest, AStoreIsNewUntilItsDataIsComplete) {
  for (uint64_t epoch = 1; epoch <= 3; ++epoch) {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Volume> volume, Acquire());
    EXPECT_TRUE(volume->created());
    EXPECT_EQ(volume->epoch(), epoch);
    Put("data/000001.log");
  }
  {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Volume> volume, Acquire());
    EXPECT_OK(volume->MarkComplete());
    EXPECT_FALSE(volume->created());
    EXPECT_OK(volume->MarkComplete());
  }
  EXPECT_FALSE((*Acquire())->created());
}

// FAULTS row 1, at the volume's creation: killed at random moments, the next always goes on.
TEST_F(VolumeTest, KilledAtRandomMomentsTheNextOwnerAlwaysGoesOn) {
  const unsigned seed = static_cast<unsigned>(::getpid());
  SCOPED_TRACE("seed " + std::to_string(seed));
  unsigned random = seed;
  for (int round = 0; round < 40; ++round) {
    if (round % 4 == 0) {
      std::filesystem::remove_all(path_);
      std::filesystem::create_directory(path_);
    }
    {
      ChildProcess owner([&](const ChildProcess::Say& say) {
        say("started");
        while (true) {
          const absl::StatusOr<std::unique_ptr<Volume>> volume = Acquire();
          if (!volume.ok()) return;
          if (!WriteFileDurably((*volume)->data_directory() + "/CURRENT", "x").ok()) return;
          if (!(*volume)->MarkComplete().ok()) return;
        }
      });
      ASSERT_EQ(owner.Hear(), "started");
      random = random * 1664525u + 1013904223u;
      ::usleep((random >> 16) % 6000);
    }
    const absl::StatusOr<std::unique_ptr<Volume>> volume = Acquire();
    ASSERT_OK(volume) << "round " << round;
  }
}

// FAULTS rows 10 and 11.
TEST_F(VolumeTest, ALostIdentityIsDataLossAndNeverAFreshStart) {
  MakeStore();
  ASSERT_OK(RemoveFile(File("MOORING")));
  for (const bool create : {true, false}) {
    options_.create_if_missing = create;
    EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kDataLoss,
                                    AllOf(HasSubstr("MOORING is missing"), HasSubstr("CURRENT"))));
  }
  std::filesystem::remove_all(File("data"));
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("EPOCH is at epoch 1")));
  EXPECT_FALSE(*FileExists(File("MOORING")));
}

TEST_F(VolumeTest, ALostOrDamagedEpochIsDataLossAndNeverARestartAtOne) {
  MakeStore();
  const std::string epoch = *ReadFile(File("EPOCH"));
  ASSERT_OK(RemoveFile(File("EPOCH")));
  EXPECT_THAT(Acquire(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(File("EPOCH") + " is missing")));
  EXPECT_FALSE(*FileExists(File("EPOCH")));
  Put("EPOCH", std::string(epoch.size(), '\0'));
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("offset 0")));
  Put("EPOCH", epoch);
  EXPECT_EQ((*Acquire())->epoch(), 2u);
}

// V4.
TEST_F(VolumeTest, LostDataIsDataLoss) {
  const std::string id = MakeStore();
  ASSERT_OK(RemoveFile(File("data/CURRENT")));
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kDataLoss,
                                  AllOf(HasSubstr("data is empty"), HasSubstr(id))));
  std::filesystem::remove(File("data"));
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("data is missing")));
  EXPECT_FALSE(*FileExists(File("data")));
}

// V4.
TEST_F(VolumeTest, LostDataIsAcceptedFromAnOwnerThatCanBringItBack) {
  const std::string id = MakeStore();
  options_.accept_missing_data = true;
  EXPECT_FALSE((*Acquire())->data_missing());
  ASSERT_OK(RemoveFile(File("data/CURRENT")));
  EXPECT_TRUE((*Acquire())->data_missing());
  std::filesystem::remove(File("data"));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Volume> volume, Acquire());
  EXPECT_TRUE(volume->data_missing());
  EXPECT_FALSE(volume->created());
  EXPECT_EQ(volume->store_id(), id);
  EXPECT_EQ(volume->data_directory(), volume->path() + "/data");
}

// V1.
TEST_F(VolumeTest, TracesOfARestoreWithoutAnIdentityAreALostStore) {
  for (const char* name : {"HISTORY", "data.restore", "data.aside"}) {
    Put(name);
    EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(name)));
    ASSERT_OK(RemoveFile(File(name)));
  }
}

TEST_F(VolumeTest, ARefusedVolumeKeepsItsEpoch) {
  options_.expected_store_id = kId;
  MakeStore();
  const std::string before = *ReadFile(File("EPOCH"));
  options_.expected_store_id = kOtherId;
  EXPECT_THAT(Acquire(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(*ReadFile(File("EPOCH")), before);
}

TEST_F(VolumeTest, AStoresVolumeMayHoldOtherFilesOnceItIsMade) {
  MakeStore();
  Put("notes.txt");
  EXPECT_OK(Acquire());
}

}  // namespace
}  // namespace mooring::volume
