// Rows 2, 12, 13, 16 and 17 of the fault table, on archives in directories: owners of one store,
// each a process on a volume of its own, are killed, stopped, raced against each other and robbed
// of their volumes, and the oracle asks for one history of all that any of them acknowledged.

#include <iostream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/simulation/archive_rounds.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

// With it, those who race for a new archive are owners of one store, and no strangers.
constexpr char kStoreId[] = "store_id=0123456789abcdef0123456789abcdef";

class ArchiveOwnersTest : public ::testing::Test {
 protected:
  ArchiveRounds::Options Rounds() {
    ArchiveRounds::Options options;
    options.place = &place_;
    options.directory = directory_.path();
    options.seed = seed_;
    return options;
  }
  // Bad luck at every turn, but not so much that nothing gets done.
  static ObjectFaults BadNetwork() {
    ObjectFaults faults;
    faults.writes_only = true;  // A long journal would hardly ever be read whole.
    faults.failed = 1;
    faults.reply_lost = 3;
    faults.late = 4;
    faults.late_us = 200000;
    faults.delay_us = 2000;
    return faults;
  }

  const uint64_t seed_ = TestSeed();
  const TempDirectory directory_;
  DirectoryPlace place_{directory_.path()};
};

// Row 12.
TEST_F(ArchiveOwnersTest, WithTheVolumeLostUnderLoadNothingArchivedIs) {
  EXPECT_OK(ArchiveRounds(Rounds()).LostVolumes(TestTrials(20)));
}

// Row 12.
TEST_F(ArchiveOwnersTest, AnotherStoresVolumeIsRefusedAndNobodyFenced) {
  EXPECT_OK(ArchiveRounds(Rounds()).ForeignVolume());
}

// Row 13.
TEST_F(ArchiveOwnersTest, WithTheVolumeRolledBackNothingArchivedIsLost) {
  EXPECT_OK(ArchiveRounds(Rounds()).RolledBack(TestTrials(20)));
}

// Row 13.
TEST_F(ArchiveOwnersTest, OnClonedVolumesThereIsOneHistory) {
  EXPECT_OK(ArchiveRounds(Rounds()).Clones(TestTrials(20)));
}

// Row 16.
TEST_F(ArchiveOwnersTest, NoWordOfAZombieCounts) {
  EXPECT_OK(ArchiveRounds(Rounds()).Zombies(TestTrials(60)));
}

// Row 16. What the zombie had sent arrives late besides.
TEST_F(ArchiveOwnersTest, NoWordOfAZombieCountsThoughItArrivesLate) {
  ArchiveRounds::Options options = Rounds();
  options.faults = BadNetwork();
  EXPECT_OK(ArchiveRounds(options).Zombies(TestTrials(40)));
}

// Row 17.
TEST_F(ArchiveOwnersTest, OfRacingOwnersOneWins) {
  ArchiveRounds::Options options = Rounds();
  options.rounds_per_archive = 10;
  EXPECT_OK(ArchiveRounds(options).Races(TestTrials(140)));
}

// Row 17.
TEST_F(ArchiveOwnersTest, OfRacingOwnersWhoseRepliesAreLostOneWins) {
  ArchiveRounds::Options options = Rounds();
  options.rounds_per_archive = 10;
  options.arguments = {kStoreId};
  options.faults = BadNetwork();
  EXPECT_OK(ArchiveRounds(options).Races(TestTrials(60)));
}

// Row 2.
TEST_F(ArchiveOwnersTest, KilledAgainAndAgainWhileItRestoresAndClaimsItConverges) {
  ArchiveRounds::Options options = Rounds();
  options.rounds_per_archive = 30;
  options.faults.delay_us = 5000;
  EXPECT_OK(ArchiveRounds(options).KilledOpens(TestTrials(50)));
}

// The negative controls: each must be noticed within the trials of the suite that it is for.
class CaughtArchiveOwnersTest : public ArchiveOwnersTest {
 protected:
  // Until one of `trials` rounds is caught.
  void ExpectCaught(ArchiveRounds::Options options, int trials,
                    absl::Status (ArchiveRounds::*rounds)(int)) {
    for (int trial = 0; trial < trials; ++trial) {
      options.seed = seed_ + static_cast<uint64_t>(trial);
      options.quiet = true;
      const absl::Status status = (ArchiveRounds(options).*rounds)(1);
      if (status.ok()) continue;
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
      std::cout << "caught at trial " << trial + 1 << ": " << status << std::endl;
      return;
    }
    FAIL() << "not caught within " << trials << " trials";
  }
};

TEST_F(CaughtArchiveOwnersTest, AnAcknowledgementBeforeTheEntryIsCaught) {
  ArchiveRounds::Options options = Rounds();
  options.arguments = {"lies=1", "ship_us=200000"};
  ExpectCaught(options, TestTrials(20), &ArchiveRounds::LostVolumes);
}

TEST_F(CaughtArchiveOwnersTest, AnArchiveThatReplacesAZombiesEntriesIsCaught) {
  ArchiveRounds::Options options = Rounds();
  options.faults.two_winners = true;
  ExpectCaught(options, TestTrials(100), &ArchiveRounds::Zombies);
}

TEST_F(CaughtArchiveOwnersTest, AnArchiveWithTwoWinnersIsCaught) {
  ArchiveRounds::Options options = Rounds();
  options.faults.two_winners = true;
  // All claim at once, for one store.
  options.arguments = {"takeover_wait_us=60000", kStoreId};
  ExpectCaught(options, TestTrials(200), &ArchiveRounds::Races);
}

}  // namespace
}  // namespace mooring::testing
