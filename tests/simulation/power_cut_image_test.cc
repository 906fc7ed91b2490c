// FAULTS row 3: power cuts as the kernel makes them. A store writes on ext4 or xfs on a loop device
// whose backing file is cloned at any instant: the clone holds what the file system had sent to its
// device by then, and is mounted, opened and judged while the writers wait.

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "tests/simulation/killed_store.h"
#include "tests/simulation/store_under_load.h"
#include "tests/testing/loop_volume.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"

namespace mooring::testing {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr absl::Duration kLimit = absl::Seconds(500);

LoopVolume::Options SmallVolume(LoopVolume::Type type) {
  return {type, (type == LoopVolume::Type::kXfs ? 320 : 200) * kMiB};
}

absl::Status Clone(const std::string& from, const std::string& to) {
  MOORING_ASSIGN_OR_RETURN(const PosixFile source, PosixFile::Open(from, O_RDONLY));
  MOORING_ASSIGN_OR_RETURN(const PosixFile target,
                           PosixFile::Open(to, O_CREAT | O_TRUNC | O_WRONLY));
  if (ioctl(target.fd(), FICLONE, source.fd()) == 0) return absl::OkStatus();
  return ErrnoError("FICLONE", to, errno);
}

class Scene {
 public:
  Scene(LoopVolume::Type type, const std::string& directory)
      : type_(type), directory_(directory), random_(seed_) {}

  absl::Status Make() {
    // Clones share their blocks, so that this much is never written.
    MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(directory_ + "/outer"));
    MOORING_ASSIGN_OR_RETURN(
        outer_, LoopVolume::Make({LoopVolume::Type::kXfs, 4096 * kMiB}, directory_ + "/outer"));
    const std::string inner = outer_->path() + "/inner";
    MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(inner));
    MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(directory_ + "/cut"));
    MOORING_ASSIGN_OR_RETURN(inner_, LoopVolume::Make(SmallVolume(type_), inner));
    KilledStoreOptions options;
    options.directory = inner_->path();
    options.seed = seed_;
    if (lies_) options.environment = {"MOORING_KILL_CHILD_LIES=1"};
    store_ = std::make_unique<KilledStore>(options);
    return absl::OkStatus();
  }

  // A life during which `images` are taken, mounted and judged; SIGKILL ends it.
  absl::Status Live(int images) {
    KillPlan plan;
    if (Below(4) > 0) plan.acknowledgements = 1 + Below(300);  // Else while it opens, too.
    plan.moment = absl::Microseconds(Below(30000));
    plan.moments = images;
    plan.at_the_moment = [this] { return TakeAndJudge(); };
    return store_->Live(plan);
  }

  void Lie() { lies_ = true; }
  int images() const { return images_; }
  int64_t acknowledged() const { return store_->acknowledged(); }
  absl::Duration Moment() { return absl::Microseconds(Below(30000)); }

 private:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }

  absl::Status TakeAndJudge() {
    const std::string image = outer_->path() + "/clone";
    MOORING_RETURN_IF_ERROR(Clone(inner_->image(), image));
    store_->Pause();
    ++images_;
    const bool check = Below(2) == 0;
    MOORING_ASSIGN_OR_RETURN(const auto cut,
                             LoopVolume::Attach(type_, image, directory_ + "/cut", check));
    const absl::Status judged = store_->Look(cut->path(), CommitOracle::Loss::kPowerCut);
    store_->Resume();
    return judged;
  }

  const LoopVolume::Type type_;
  const std::string directory_;
  const uint64_t seed_ = TestSeed();
  std::mt19937_64 random_;
  bool lies_ = false;
  std::unique_ptr<LoopVolume> outer_;
  std::unique_ptr<LoopVolume> inner_;
  std::unique_ptr<KilledStore> store_;
  int images_ = 0;
};

void CutThePower(LoopVolume::Type type, const std::string& directory) {
  const int trials = TestTrials(30);
  constexpr int kImagesOfALife = 6;
  Scene scene(type, directory);
  ASSERT_OK(scene.Make());
  while (scene.images() < trials) {
    ASSERT_OK(scene.Live(std::min(kImagesOfALife, trials - scene.images())))
        << "image " << scene.images();
  }
  ASSERT_OK(scene.Live(0));
  std::cout << scene.images() << " images, " << scene.acknowledged() << " acknowledged, 0 lost"
            << std::endl;
}

TEST(PowerCutImageTest, NothingAcknowledgedIsMissingFromAnyImageOfExt4) {
  RunInOwnMounts(kLimit, [](const std::string& directory) {
    CutThePower(LoopVolume::Type::kExt4, directory);
  });
}

TEST(PowerCutImageTest, NothingAcknowledgedIsMissingFromAnyImageOfXfs) {
  RunInOwnMounts(
      kLimit, [](const std::string& directory) { CutThePower(LoopVolume::Type::kXfs, directory); });
}

// The negative control: a child that acknowledges before it commits must be caught.
TEST(PowerCutImageTest, AnAcknowledgementBeforeTheSyncIsCaught) {
  RunInOwnMounts(kLimit, [](const std::string& directory) {
    const int trials = TestTrials(30);
    Scene scene(LoopVolume::Type::kExt4, directory);
    scene.Lie();
    ASSERT_OK(scene.Make());
    while (scene.images() < trials) {
      const absl::Status status = scene.Live(1);
      if (status.ok()) continue;
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
      std::cout << "caught at image " << scene.images() << ": " << status << std::endl;
      return;
    }
    FAIL() << "not caught within " << trials << " images";
  });
}

// The file system goes down under the writers: they are refused in bounded time, health says so,
// and after a remount all that was acknowledged at kVolume before is there.
//
// Not what was acknowledged while it went down: fdatasync of a file that grows answers OK now and
// then when it meets the shutdown, on ext4 and on xfs, and its last block is gone. A program of
// nothing but pwrite and fdatasync lost one in 1 of 16 shutdowns.
void ShutDown(LoopVolume::Type type, const std::string& directory) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  ASSERT_OK_AND_ASSIGN(const auto volume, LoopVolume::Make(SmallVolume(type), directory));
  StoreUnderLoad store(volume->path(), seed);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    ASSERT_OK(store.Open(CommitOracle::Loss::kPowerCut));
    store.Start();
    ASSERT_TRUE(store.AwaitAcknowledged(100 + static_cast<int64_t>(random() % 1000)));
    store.DistrustTheVolume();
    ASSERT_OK(volume->Shutdown());
    const int64_t acknowledged = store.acknowledged();
    ASSERT_TRUE(store.AwaitRefusal()) << "the writers hang";
    // Each had one under way, and the next may still have met such an answer.
    EXPECT_LE(store.acknowledged(), acknowledged + 2 * kWorkloadWriters);
    EXPECT_EQ(store.health().state, Health::State::kReadOnly) << store.health().ToString();
    EXPECT_OK(store.Close());
    ASSERT_OK(volume->Remount(/*check=*/false));
  }
  ASSERT_OK(store.Open(CommitOracle::Loss::kPowerCut));
  ASSERT_OK(store.Close());
  std::cout << "3 shutdowns, " << store.acknowledged() << " acknowledged, 0 lost" << std::endl;
}

TEST(PowerCutImageTest, AfterAShutdownOfExt4NothingAcknowledgedIsMissing) {
  RunInOwnMounts(
      kLimit, [](const std::string& directory) { ShutDown(LoopVolume::Type::kExt4, directory); });
}

TEST(PowerCutImageTest, AfterAShutdownOfXfsNothingAcknowledgedIsMissing) {
  RunInOwnMounts(kLimit,
                 [](const std::string& directory) { ShutDown(LoopVolume::Type::kXfs, directory); });
}

}  // namespace
}  // namespace mooring::testing
