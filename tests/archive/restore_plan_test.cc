#include "src/archive/restore_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/archive/entries.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RestorePlanTest : public ::testing::Test {
 protected:
  template <typename Body>
  void Append(Body body) {
    const uint64_t slot = journal_.empty() ? 1 : journal_.back().slot + 1;
    journal_.push_back({slot, std::make_shared<const Entry>(MakeEntry(slot, 1, body)), {}});
  }
  void Damage(uint64_t slot) {
    journal_[slot - 1].entry = nullptr;
    journal_[slot - 1].status = absl::DataLossError("slot " + std::to_string(slot) + " is damaged");
  }

  // 1 CLAIM, 2 empty CHECKPOINT, 3 and 4 LOG up to sequence 6.
  void SetUp() override {
    Append(Claim(1, 1));
    Append(Checkpoint(2, 0, {}));
    Append(Log({MakeSegment(1, 1, 4)}));
    Append(Log({MakeSegment(1, 5, 6)}));
  }
  std::vector<JournalItem> journal_;
};

TEST_F(RestorePlanTest, TakesTheCheckpointAndAllLogsAfterIt) {
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.checkpoint->slot, 2u);
  ASSERT_EQ(plan.logs.size(), 2u);
  EXPECT_EQ(plan.state.last_sequence, 6u);
  EXPECT_EQ(plan.state.history, MakeHistory({{1, 1}}));
  EXPECT_EQ(plan.last_time_us, 1006);
  EXPECT_EQ(plan.max_log, 11u);
  EXPECT_TRUE(plan.complete);
}

// A7. The checkpoint was captured at sequence 4, and shipped after the log went on.
TEST_F(RestorePlanTest, ReplaysWhatWasShippedBeforeTheCheckpointsSlot) {
  Append(Checkpoint(4, 4, MakeHistory({{1, 1}}), 12));
  Segment next = MakeSegment(1, 5, 6, 5);
  next.log = 12;
  journal_[3].entry = std::make_shared<const Entry>(MakeEntry(4, 1, Log({next})));
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.checkpoint->slot, 5u);
  ASSERT_EQ(plan.logs.size(), 1u);
  EXPECT_EQ(plan.logs[0].entry->slot, 4u);
  EXPECT_EQ(plan.state.last_sequence, 6u);
}

// A7. The engine would pass over commits to a table that the older checkpoint lacks: what comes
// before them is all that it can give, and that something is missing is known.
TEST_F(RestorePlanTest, ALogIsNotReplayedOnACheckpointWithoutItsTables) {
  Append(Checkpoint(5, 6, MakeHistory({{1, 1}}), 12));
  Segment next = MakeSegment(1, 7, 9, 7);
  next.log = 12;
  LogEntry log = Log({next});
  log.least_checkpoint = 5;
  Append(log);
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.checkpoint->slot, 5u);
  EXPECT_EQ(plan.state.last_sequence, 9u);
  RestoreTarget target;
  target.unusable[5] = absl::DataLossError("a file of it is gone");
  ASSERT_OK_AND_ASSIGN(const RestorePlan older, PlanRestore(journal_, target));
  EXPECT_EQ(older.state.last_sequence, 6u);
  EXPECT_FALSE(older.complete);
  EXPECT_THAT(older.notes, ElementsAre(HasSubstr("is gone"), HasSubstr("lacks tables")));
  target.last_sequence = 6;  // What came before the table does without it.
  ASSERT_OK_AND_ASSIGN(const RestorePlan before, PlanRestore(journal_, target));
  EXPECT_TRUE(before.complete);
}

TEST_F(RestorePlanTest, StopsAtTheTarget) {
  RestoreTarget target;
  target.last_sequence = 3;
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_, target));
  ASSERT_EQ(plan.logs.size(), 1u);
  EXPECT_EQ(plan.logs[0].last_sequence, 3u);
  EXPECT_EQ(plan.state.last_sequence, 3u);
  target.last_sequence = 7;
  EXPECT_THAT(PlanRestore(journal_, target),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("ends at sequence 6")));
}

TEST_F(RestorePlanTest, ATargetBelowTheNewestCheckpointUsesAnOlderOne) {
  Append(Checkpoint(5, 6, MakeHistory({{1, 1}}), 12));
  RestoreTarget target;
  target.last_sequence = 5;
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_, target));
  EXPECT_EQ(plan.checkpoint->slot, 2u);
  EXPECT_EQ(plan.state.last_sequence, 5u);
}

TEST_F(RestorePlanTest, ATakeoverSeesWhatStandsBelowItsClaim) {
  RestoreTarget target;
  target.last_slot = 3;
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_, target));
  EXPECT_EQ(plan.state.last_sequence, 4u);
}

TEST_F(RestorePlanTest, LogsOfSeveralIncarnationsBecomeAHistory) {
  Append(Claim(5, 2, 6));
  Append(Log({MakeSegment(2, 7, 9, 7)}));
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.state.history, MakeHistory({{1, 1}, {2, 7}}));
}

TEST_F(RestorePlanTest, AMissingSlotIsNamed) {
  journal_.erase(journal_.begin() + 2);
  EXPECT_THAT(PlanRestore(journal_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("00000000000000000003 is missing")));
}

TEST_F(RestorePlanTest, AGapBetweenLogsIsNamed) {
  Append(Log({MakeSegment(1, 8, 9)}));
  EXPECT_THAT(PlanRestore(journal_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("what comes before it ends at 6")));
}

TEST_F(RestorePlanTest, WhatACollectNamesIsGone) {
  Append(Checkpoint(5, 6, MakeHistory({{1, 1}}), 12));
  CollectEntry collect;
  collect.slots = {{2, 4}};
  Append(collect);
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.checkpoint->slot, 5u);
  RestoreTarget target;
  target.last_sequence = 5;
  EXPECT_THAT(PlanRestore(journal_, target), StatusIs(absl::StatusCode::kNotFound));
}

// A8: what is gone and was needed is never passed over in silence.
TEST_F(RestorePlanTest, ACollectThatNamesANeededLogIsNoShorterState) {
  CollectEntry collect;
  collect.slots = {{4, 4}};
  Append(collect);
  EXPECT_THAT(PlanRestore(journal_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("00000000000000000004 is missing")));
}

// Only the newest COLLECT counts, for it says all of it.
TEST_F(RestorePlanTest, AMergedLogStandsForWhatACollectNames) {
  LogEntry merged = Log({MakeSegment(1, 1, 6)});
  merged.last_slot = 5;
  Append(CollectEntry());  // Slot 5: superseded.
  CollectEntry collect;
  collect.slots = {{3, 5}};
  collect.merged = {{{3, 5}, "3-5-x", 1}};
  Append(collect);
  JournalItem item{3, std::make_shared<const Entry>(MakeEntry(3, 1, merged)), {}, 5};
  journal_.insert(journal_.begin() + 2, item);
  for (const bool deleted : {false, true}) {
    if (deleted) journal_.erase(journal_.begin() + 3, journal_.begin() + 6);
    ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
    EXPECT_EQ(plan.state.last_sequence, 6u);
    EXPECT_EQ(plan.logs.size(), 1u);
    EXPECT_TRUE(plan.complete);
  }
  journal_.erase(journal_.begin() + 2);
  EXPECT_THAT(PlanRestore(journal_), StatusIs(absl::StatusCode::kDataLoss));
}

// A3. Its claimant's view was old: it landed where a collector had made a hole.
TEST_F(RestorePlanTest, AClaimAmongMergedSlotsIsVoid) {
  LogEntry merged = Log({MakeSegment(1, 1, 4), MakeSegment(1, 5, 6)});
  merged.last_slot = 4;
  Append(CollectEntry{{{3, 4}}, {}, {{{3, 4}, "3-4-x", 1}}});
  journal_[2].entry = std::make_shared<const Entry>(MakeEntry(3, 1, merged));
  ClaimEntry claim = Claim(4, 2, 4);
  claim.continues_from = 2;
  claim.continues_slot = 3;
  journal_[2].last_slot = 4;
  journal_[3].entry = std::make_shared<const Entry>(MakeEntry(4, 2, claim));
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.state.last_sequence, 6u);
}

TEST_F(RestorePlanTest, OnlyTheNewestCollectCounts) {
  Append(CollectEntry{{{3, 3}}, {"1-000012-s-100"}, {}});
  Append(CollectEntry{});
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.state.last_sequence, 6u);
}

TEST_F(RestorePlanTest, ASlotThatIsGoneAndNeededIsALossAlsoAtTheEnd) {
  Append(CollectEntry{{{4, 4}}, {}, {}});
  EXPECT_THAT(PlanRestore(journal_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("00000000000000000004 is missing")));
  RestoreTarget target;
  target.last_slot = 4;
  EXPECT_THAT(PlanRestore(journal_, target),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("00000000000000000004 is missing")));
}

TEST_F(RestorePlanTest, ADamagedCheckpointCostsNothingWhereTheLogIsWhole) {
  Append(Checkpoint(5, 6, MakeHistory({{1, 1}}), 12));
  Append(Log({MakeSegment(1, 7, 8)}));
  Damage(5);
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.checkpoint->slot, 2u);
  EXPECT_EQ(plan.state.last_sequence, 8u);
  EXPECT_TRUE(plan.complete);
  EXPECT_EQ(plan.notes.size(), 1u);
}

TEST_F(RestorePlanTest, ADamagedLastEntryMakesThePlanSayThatSomethingMayBeMissing) {
  Damage(4);
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.state.last_sequence, 4u);
  EXPECT_FALSE(plan.complete);
}

TEST_F(RestorePlanTest, ADamagedLogInBetweenIsNoState) {
  Damage(3);
  EXPECT_THAT(PlanRestore(journal_), StatusIs(absl::StatusCode::kDataLoss));
}

// A11. What came after the fork is left behind, and stays reachable by its slots.
TEST_F(RestorePlanTest, AClaimThatGoesBackLeavesTheRestBehind) {
  Append(Checkpoint(5, 6, MakeHistory({{1, 1}}), 12));
  ClaimEntry claim = Claim(6, 2, 6);
  claim.continues_from = 4;
  claim.continues_slot = 5;
  Append(claim);
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.checkpoint->slot, 2u);
  EXPECT_EQ(plan.state.last_sequence, 4u);
  EXPECT_EQ(plan.logs.size(), 1u);
  RestoreTarget before;
  before.last_slot = 5;
  ASSERT_OK_AND_ASSIGN(const RestorePlan left, PlanRestore(journal_, before));
  EXPECT_EQ(left.state.last_sequence, 6u);
}

TEST_F(RestorePlanTest, NothingWasEverArchived) {
  journal_.resize(1);
  EXPECT_THAT(PlanRestore(journal_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(PlanRestore({}), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace mooring::archive
