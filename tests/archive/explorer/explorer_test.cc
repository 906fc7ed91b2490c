#include "tests/archive/explorer/explorer.h"

#include <cstdlib>
#include <iostream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring::archive::explorer {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// By hand: MOORING_EXPLORER_DEPTH=1 allows one more of everything, 2 two more.
int Depth() {
  const char* depth = std::getenv("MOORING_EXPLORER_DEPTH");
  return depth == nullptr ? 0 : std::atoi(depth);
}

Scenario Deeper(Scenario scenario) {
  for (int* budget :
       {&scenario.claims, &scenario.timeouts, &scenario.crashes, &scenario.checkpoints,
        &scenario.collections, &scenario.commits, &scenario.rewinds}) {
    if (*budget > 0 || budget != &scenario.rewinds) *budget += Depth();
  }
  if (Depth() > 0) scenario.max_states = 20'000'000;
  return scenario;
}

Verdict Run(const Scenario& scenario) {
  Verdict verdict = Explore(scenario);
  std::cout << verdict.states << " states, " << verdict.depth << " steps deep, "
            << (verdict.exhausted ? "exhausted" : "stopped") << "\n";
  if (!verdict.violation.empty()) {
    std::cout << verdict.violation << "\n";
    for (const std::string& step : verdict.trace) std::cout << "    " << step << "\n";
  }
  return verdict;
}

void ExpectClean(const Scenario& scenario) {
  const Verdict verdict = Run(Deeper(scenario));
  EXPECT_THAT(verdict.violation, IsEmpty());
  EXPECT_TRUE(verdict.exhausted);
}

TEST(ExplorerTest, TwoOwnersClaimShipCheckpointAndCollect) {
  Scenario scenario;
  scenario.claims = 1;
  scenario.commits = 2;
  ExpectClean(scenario);
}

TEST(ExplorerTest, TwoOwnersTakeOverFromEachOther) {
  Scenario scenario;
  scenario.claims = 2;
  scenario.checkpoints = 0;
  scenario.collections = 0;
  ExpectClean(scenario);
}

TEST(ExplorerTest, ThreeOwnersRace) {
  Scenario scenario;
  scenario.owners = 3;
  scenario.claims = 3;
  scenario.commits = 2;
  scenario.crashes = 0;
  scenario.checkpoints = 0;
  scenario.collections = 0;
  ExpectClean(scenario);
}

TEST(ExplorerTest, VolumesAreOpenedWhileTheArchiveIsAway) {
  Scenario scenario;
  scenario.timeouts = 0;
  scenario.checkpoints = 0;
  scenario.collections = 0;
  scenario.offline_opens = 1;
  ExpectClean(scenario);
}

TEST(ExplorerTest, PowerIsLost) {
  Scenario scenario;
  scenario.owners = 1;
  scenario.claims = 1;
  scenario.commits = 2;
  scenario.collections = 0;
  scenario.offline_opens = 1;
  scenario.power_loss = true;
  ExpectClean(scenario);
}

// With merged logs, and deletes that land late: of an owner that crashed, or was overtaken.
TEST(ExplorerTest, OneOwnerCollectsAgainAndAgain) {
  Scenario scenario;
  scenario.owners = 1;
  scenario.claims = 1;
  scenario.commits = 2;
  scenario.checkpoints = 3;
  scenario.collections = 2;
  scenario.timeouts = 0;
  ExpectClean(scenario);
}

TEST(ExplorerTest, TwoOwnersCollect) {
  Scenario scenario;
  scenario.claims = 1;
  scenario.commits = 2;
  scenario.checkpoints = 2;
  scenario.collections = 2;
  scenario.crashes = 0;
  scenario.timeouts = 0;
  ExpectClean(scenario);
}

TEST(ExplorerTest, AStoreGoesBackAndCollects) {
  Scenario scenario;
  scenario.claims = 1;
  scenario.rewinds = 1;
  scenario.commits = 2;
  scenario.checkpoints = 2;
  scenario.collections = 1;
  scenario.crashes = 0;
  scenario.timeouts = 0;
  ExpectClean(scenario);
}

// Each rule switched off is noticed: a harness that cannot fail proves nothing.
void ExpectCaught(const Scenario& scenario, const std::string& invariant) {
  const Verdict verdict = Run(scenario);
  EXPECT_THAT(verdict.violation, Not(IsEmpty()));
  EXPECT_THAT(verdict.violation, ::testing::ContainsRegex(invariant));
}

TEST(ExplorerControlTest, FenceCheckSkipped) {
  Scenario scenario;
  scenario.rules.collision_fences = false;
  ExpectCaught(scenario, "^I[123]");
}

TEST(ExplorerControlTest, ClaimNotVerifiedA3) {
  Scenario scenario;
  scenario.rules.claim_is_verified = false;
  scenario.claims = 1;
  scenario.crashes = 0;
  scenario.timeouts = 0;
  ExpectCaught(scenario, "^I[1234]");
}

TEST(ExplorerControlTest, CheckpointEntryBeforeItsFilesA2) {
  Scenario scenario;
  scenario.rules.files_come_first = false;
  scenario.entry_before_files = true;
  ExpectCaught(scenario, "^I[14]");
}

TEST(ExplorerControlTest, UnsyncedBytesShippedA6) {
  Scenario scenario;
  scenario.owners = 1;
  scenario.crashes = 2;
  scenario.offline_opens = 1;
  scenario.power_loss = true;
  scenario.rules.only_synced_is_sent = false;
  scenario.ships_unsynced = true;
  ExpectCaught(scenario, "^I5");
}

TEST(ExplorerControlTest, ResendRebuiltA5) {
  Scenario scenario;
  scenario.rules.resend_is_the_same = false;
  scenario.rebuilds_resend = true;
  ExpectCaught(scenario, "^I1");
}

TEST(ExplorerControlTest, ResendNotVerifiedA5) {
  Scenario scenario;
  scenario.rules.resend_is_verified = false;
  scenario.claims = 1;
  scenario.crashes = 0;
  ExpectCaught(scenario, "^I2");
}

TEST(ExplorerControlTest, LogEntryWithoutItsPredecessorA6) {
  Scenario scenario;
  scenario.owners = 1;
  scenario.rules.chain_is_unbroken = false;
  scenario.volume_loss = false;
  ExpectCaught(scenario, "^I[14]");
}

TEST(ExplorerControlTest, ReplayFromTheCheckpointsSlotA7) {
  Scenario scenario;
  scenario.owners = 1;
  scenario.rules.replay_is_complete = false;
  scenario.replays_from_own_slot = true;
  scenario.claims = 0;
  scenario.crashes = 0;
  ExpectCaught(scenario, "^I1");
}

TEST(ExplorerControlTest, ClaimCollectedA4) {
  Scenario scenario;
  scenario.deletes_claims = true;
  scenario.claims = 1;
  scenario.commits = 1;
  scenario.checkpoints = 2;
  scenario.crashes = 0;
  scenario.timeouts = 0;
  ExpectCaught(scenario, "^I[123]");
}

TEST(ExplorerControlTest, CollectedWithoutACollectA8) {
  Scenario scenario;
  scenario.owners = 1;
  scenario.deletes_uncollected = true;
  scenario.claims = 1;
  scenario.commits = 2;
  ExpectCaught(scenario, "^I[146]");
}

TEST(ExplorerControlTest, NeededLogCollectedA8) {
  Scenario scenario;
  scenario.owners = 1;
  scenario.rules.needed_is_kept = false;
  scenario.collects_needed_log = true;
  ExpectCaught(scenario, "^I[16]");
}

TEST(ExplorerControlTest, BareHeadBelievedA2) {
  Scenario scenario;
  scenario.owners = 1;
  scenario.believes_head = true;
  scenario.checkpoints = 2;
  scenario.volume_loss = false;
  ExpectCaught(scenario, "^I[16]");
}

TEST(ExplorerControlTest, CheckpointOfALineageThatWasLeftCountedA11) {
  Scenario scenario;
  scenario.counts_left_lineage = true;
  scenario.claims = 1;
  scenario.rewinds = 1;
  scenario.commits = 1;
  scenario.checkpoints = 2;
  scenario.crashes = 0;
  scenario.timeouts = 0;
  ExpectCaught(scenario, "^I6");
}

TEST(ExplorerControlTest, StalenessByEpochA10) {
  Scenario scenario;
  scenario.decides_by_epoch = true;
  scenario.timeouts = 0;
  scenario.checkpoints = 0;
  scenario.offline_opens = 1;
  scenario.volume_loss = false;
  ExpectCaught(scenario, "^I5");
}

}  // namespace
}  // namespace mooring::archive::explorer
