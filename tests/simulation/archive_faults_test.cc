// Row 14 of the fault table: the archive is away, slow, refuses, or loses its answers, while the
// owner is under load. The service goes on at kVolume, says how far behind the archive is, and
// ships everything once, afterwards.

#include <iostream>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/simulation/archive_rounds.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

class ArchiveFaultsTest : public ::testing::Test {
 protected:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  std::string NewVolume() { return directory_.File(absl::StrCat("volume", ++volumes_)); }

  ObjectFaults AtRandom() {
    ObjectFaults faults;
    switch (Below(5)) {
      case 0:
        faults.away = true;
        break;
      case 1:
        faults.failed = 20 + Below(80);
        break;
      case 2:
        faults.reply_lost = 20 + Below(60);
        break;
      case 3:
        faults.late = 20 + Below(60);
        faults.late_us = 100000;
        break;
      default:
        faults.delay_us = 1000 + Below(100000);
        break;
    }
    return faults;
  }

  void Begin() {
    ArchiveOwners::Options options;
    options.url = place_.NewArchive();
    options.seed = seed_;
    options.arguments = {"archive_timeout_us=100000"};
    owners_ = std::make_unique<ArchiveOwners>(options);
  }
  Owner* StartOn(const std::string& volume, const std::vector<std::string>& arguments = {}) {
    OwnerOptions options;
    options.volume = volume;
    options.arguments = arguments;
    return owners_->Start(options);
  }

  // While the archive is in trouble the service goes on.
  void Endure(Owner* owner, const ObjectFaults& faults) {
    ASSERT_OK(place_.SetFaults(owners_->url(), faults));
    const int enough = owner->on_volume + 20;
    ASSERT_OK(owners_->Await("commits on the volume", [&] {
      return owner->on_volume >= enough || owner->Refused() || owner->gone;
    }));
    ASSERT_GE(owner->on_volume, enough) << owner->refusal;
    if (faults.away) {
      ASSERT_OK(owners_->Await("a lag", [&] { return owner->lag > absl::Milliseconds(100); }));
    }
    ASSERT_OK(owners_->Listen(absl::Microseconds(Below(50000))));
  }
  // Afterwards everything ships.
  void Recover(Owner* owner) {
    ASSERT_OK(place_.SetFaults(owners_->url(), {}));
    const Version newest = owner->newest;
    const absl::StatusOr<absl::StatusCode> archived = owners_->AskArchived(owner, newest);
    ASSERT_OK(archived);
    ASSERT_EQ(*archived, absl::StatusCode::kOk);
    ASSERT_OK(owners_->Await("the status to say so", [&] {
      return owner->archived_sequence >= newest.sequence || owner->gone;
    }));
  }

  const uint64_t seed_ = TestSeed();
  std::mt19937_64 random_{seed_};
  const TempDirectory directory_;
  DirectoryPlace place_{directory_.path()};
  std::unique_ptr<ArchiveOwners> owners_;
  int volumes_ = 0;
};

TEST_F(ArchiveFaultsTest, WhileTheArchiveIsInTroubleTheServiceGoesOnAndAfterwardsAllShipsOnce) {
  const int trials = TestTrials(50);
  Begin();
  Owner* owner = StartOn(NewVolume());
  ASSERT_OK(owners_->AwaitArchived(owner, 1));
  for (int trial = 0; trial < trials; ++trial) {
    SCOPED_TRACE(trial);
    ASSERT_NO_FATAL_FAILURE(Endure(owner, AtRandom()));
    const bool lost = Below(8) == 0;
    if (!lost || Below(2) == 0) {
      ASSERT_NO_FATAL_FAILURE(Recover(owner));
    }
    if (!lost) continue;
    ASSERT_OK(owners_->Kill(owner));
    ASSERT_OK(place_.SetFaults(owners_->url(), {}));
    if (Below(2) == 0) {
      owner = StartOn(NewVolume());
    } else {
      owner = StartOn(owner->options.volume);
    }
    ASSERT_OK(owners_->AwaitArchived(owner, 1));
  }
  ASSERT_OK(owners_->Close(owner));
  EXPECT_TRUE(owner->closed_archived);
  ASSERT_OK(owners_->JudgeAll(NewVolume()));
  ASSERT_OK(JudgeJournal(owners_->url()));
  std::cout << trials << " trials with a bad archive, " << owners_->oracle().archived() << " of "
            << owners_->oracle().acknowledged() << " acknowledged were archived, 0 lost"
            << std::endl;
}

// An empty volume waits for an archive that is away, and a good one serves where that is allowed.
TEST_F(ArchiveFaultsTest, WhileTheArchiveIsAwayAnEmptyVolumeWaitsAndAGoodOneMayServe) {
  Begin();
  const std::string volume = NewVolume();
  Owner* owner = StartOn(volume);
  ASSERT_OK(owners_->AwaitArchived(owner, 1));
  ASSERT_OK(owners_->Kill(owner));
  ObjectFaults away;
  away.away = true;
  ASSERT_OK(place_.SetFaults(owners_->url(), away));
  Owner* const waiting = StartOn(NewVolume());
  Owner* const serving = StartOn(volume, {"serve_unreached=1"});
  ASSERT_OK(owners_->AwaitHolds(serving));
  const int enough = serving->on_volume + 10;
  ASSERT_OK(
      owners_->Await("commits", [&] { return serving->on_volume >= enough || serving->gone; }));
  EXPECT_TRUE(owners_->showed(Progress::Phase::kReachingArchive));
  EXPECT_FALSE(waiting->holds);
  ASSERT_OK(owners_->Kill(waiting));
  ASSERT_OK(place_.SetFaults(owners_->url(), {}));
  ASSERT_OK(owners_->AwaitArchived(serving, 3));
  ASSERT_OK(owners_->JudgeAll(NewVolume()));
  ASSERT_OK(JudgeJournal(owners_->url()));
}

}  // namespace
}  // namespace mooring::testing
