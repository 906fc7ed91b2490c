// FAULTS row 6: a sync that fails, and the next one would succeed. A store writes on ext4 in a
// sparse image on a tmpfs that fills up: the file system finds space, and its device has none.

#include <fcntl.h>
#include <sys/mount.h>

#include <iostream>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "tests/simulation/store_under_load.h"
#include "tests/testing/loop_volume.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"

namespace mooring::testing {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// Takes all that is left of the tmpfs.
absl::Status Fill(const std::string& directory) {
  MOORING_ASSIGN_OR_RETURN(const PosixFile file,
                           PosixFile::Open(directory + "/balloon", O_CREAT | O_WRONLY));
  MOORING_ASSIGN_OR_RETURN(uint64_t end, file.Size());
  for (uint64_t step = uint64_t{16} << 20; step >= 4096;) {
    if (::fallocate(file.fd(), 0, static_cast<off_t>(end), static_cast<off_t>(step)) == 0) {
      end += step;
    } else {
      step /= 2;
    }
  }
  return absl::OkStatus();
}

// One life: it ends when the device has no room for what the store writes. The space is given back
// before the store is closed, so that the next sync succeeds.
void FailAndHeal(const std::string& directory, uint64_t seed, std::string* refusal) {
  std::mt19937_64 random(seed);
  const std::string memory = directory + "/memory";
  ASSERT_OK(MakeDirectoryDurably(memory));
  ASSERT_EQ(mount("tmpfs", memory.c_str(), "tmpfs", 0, "size=96m"), 0);
  {
    ASSERT_OK_AND_ASSIGN(const auto volume,
                         LoopVolume::Make({LoopVolume::Type::kExt4, 200 * kMiB}, memory));
    StoreUnderLoad store(volume->path(), seed, /*max_value_bytes=*/1500);
    ASSERT_OK(store.Open(CommitOracle::Loss::kPowerCut));
    store.Start();
    ASSERT_TRUE(store.AwaitAcknowledged(static_cast<int64_t>(random() % 500)));
    ASSERT_OK(Fill(memory));
    ASSERT_TRUE(store.AwaitRefusal()) << store.health().ToString();
    EXPECT_EQ(store.health().state, Health::State::kReadOnly) << store.health().ToString();
    *refusal = store.refusal().ToString();
    const int64_t acknowledged = store.acknowledged();
    ASSERT_OK(RemoveFile(memory + "/balloon"));
    // The device has room again, and still nothing is acknowledged.
    EXPECT_FALSE(store.Write(1).ok());
    EXPECT_EQ(store.acknowledged(), acknowledged);
    EXPECT_OK(store.Close());
    const absl::Status in_place = store.Open(CommitOracle::Loss::kPowerCut);
    EXPECT_FALSE(absl::IsDataLoss(in_place)) << in_place;
    if (in_place.ok()) {
      EXPECT_OK(store.Write(5));
    }
    EXPECT_OK(store.Close());
    ASSERT_OK(volume->Remount(/*check=*/true));
    ASSERT_OK(store.Open(CommitOracle::Loss::kPowerCut));
    EXPECT_OK(store.Write(5));
    EXPECT_OK(store.Close());
  }
  ASSERT_EQ(umount2(memory.c_str(), MNT_DETACH), 0);
}

// Not run by CTest: on a full device ext4's own sync of a file that grows answers OK now and then
// with its last block lost, also to a program of nothing but write and sync (6 of 25 rounds), so
// this fails for what no store can see. Run it by hand with --gtest_also_run_disabled_tests.
TEST(SyncFailureTest, DISABLED_NothingIsAcknowledgedAfterAFailedSyncAndReopeningHeals) {
  RunInOwnMounts(absl::Seconds(500), [](const std::string& directory) {
    const uint64_t seed = TestSeed();
    const int trials = TestTrials(10);
    for (int trial = 0; trial < trials; ++trial) {
      SCOPED_TRACE(absl::StrCat("trial ", trial));
      std::string refusal;
      const std::string own = absl::StrCat(directory, "/", trial);
      ASSERT_OK(MakeDirectoryDurably(own));
      FailAndHeal(own, seed + static_cast<uint64_t>(trial), &refusal);
      if (::testing::Test::HasFailure()) return;
      std::cout << "trial " << trial << ": " << refusal.substr(0, 160) << std::endl;
    }
    std::cout << trials << " failed devices, 0 acknowledged commits lost" << std::endl;
  });
}

}  // namespace
}  // namespace mooring::testing
