#include "src/archive/collect_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/archive/collected.h"
#include "tests/archive/entries.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kStart = 19'000 * kDay;

// A journal of one owner, whose checkpoints and logs come at times of choice.
class CollectPlanTest : public ::testing::Test {
 protected:
  template <typename Body>
  uint64_t Append(int64_t time_us, Body body) {
    const uint64_t slot = next_++;
    Entry entry = MakeEntry(slot, 1, std::move(body));
    entry.time_us = kStart + time_us;
    journal_.push_back({slot, std::make_shared<const Entry>(std::move(entry)), {}});
    return slot;
  }
  // A checkpoint of all so far, with one file of its own and one that all share.
  uint64_t AppendCheckpoint(int64_t time_us) {
    CheckpointEntry checkpoint =
        Checkpoint(next_, sequence_, sequence_ == 0 ? History() : MakeHistory({{1, 1}}), 11);
    checkpoint.files = {{"shared", "000001.sst", 1, 1}};
    checkpoint.files.push_back({absl::StrFormat("own-%d", next_), "000002.sst", 1, 1});
    // The engine begins a log with each capture.
    log_begin_ = sequence_ + 1;
    checkpoint.min_log = ++log_;
    return Append(time_us, checkpoint);
  }
  uint64_t AppendLog(int64_t time_us) {
    ++sequence_;
    Segment segment = MakeSegment(1, sequence_, sequence_, log_begin_);
    segment.log = log_;
    return Append(time_us, Log({segment}));
  }
  CollectPlan Plan(int64_t now, int checkpoints = 2) {
    CollectInput input;
    input.journal = &journal_;
    input.files = files_;
    input.retention = {absl::Hours(7 * 24), checkpoints};
    input.now_us = kStart + now;
    return PlanCollection(input);
  }
  // As the owner does it: merged logs are written, the COLLECT stands, and what it names is
  // deleted.
  void Carry(CollectPlan plan, int64_t now) {
    std::vector<JournalItem> merged;
    for (const Merge& merge : plan.merges) {
      Entry entry = MakeEntry(merge.slots.first, 1, Join(merge));
      entry.time_us = merge.logs.back()->time_us;
      ASSERT_OK(EncodeEntry(entry));
      merged.push_back({merge.slots.first,
                        std::make_shared<const Entry>(std::move(entry)),
                        {},
                        merge.slots.last});
    }
    Append(now, plan.entry);
    std::vector<JournalItem> left;
    for (const JournalItem& item : journal_) {
      const bool claim = item.entry->As<ClaimEntry>() != nullptr;
      const auto holds = [&](const SlotRange& range) {
        return range.first <= item.slot && item.slot <= range.last;
      };
      const auto& gone = plan.entry.slots;
      if (item.last_slot != 0) {
        const auto& kept = plan.entry.merged;
        const auto is_it = [&](const MergedLog& log) {
          return log.slots == SlotRange{item.slot, item.last_slot};
        };
        if (std::any_of(kept.begin(), kept.end(), is_it)) left.push_back(item);
      } else if (claim || !std::any_of(gone.begin(), gone.end(), holds)) {
        left.push_back(item);
      }
    }
    left.insert(left.end(), merged.begin(), merged.end());
    std::stable_sort(left.begin(), left.end(),
                     [](const JournalItem& a, const JournalItem& b) { return a.slot < b.slot; });
    journal_ = std::move(left);
  }

  std::vector<JournalItem> journal_;
  std::vector<std::string> files_;
  uint64_t next_ = 1;
  uint64_t sequence_ = 0;
  uint64_t log_begin_ = 1;
  uint64_t log_ = 11;
};

TEST_F(CollectPlanTest, WithinTheRetentionNothingGoes) {
  Append(0, Claim(1, 1));
  for (int i = 0; i < 5; ++i) {
    AppendCheckpoint(i * kDay);
    AppendLog(i * kDay + kHour);
  }
  const CollectPlan plan = Plan(5 * kDay);
  EXPECT_FALSE(plan.is_new);
  EXPECT_THAT(plan.entry.slots, ElementsAre(SlotRange{1, 1}));  // The CLAIM, which stays.
  EXPECT_THAT(plan.entry.files, IsEmpty());
}

// C1 and C2: of what is older the newest checkpoint stays, and the logs from there on. C3: files
// that a kept one names, too.
TEST_F(CollectPlanTest, WhatIsOlderGoesButForTheNewestCheckpointAndClaims) {
  Append(0, Claim(1, 1));
  const uint64_t first = AppendCheckpoint(0);
  AppendLog(kHour);
  const uint64_t base = AppendCheckpoint(kDay);
  AppendLog(kDay + kHour);
  AppendCheckpoint(20 * kDay);
  files_ = {"shared", absl::StrFormat("own-%d", first), absl::StrFormat("own-%d", base), "orphan"};
  const CollectPlan plan = Plan(21 * kDay);
  EXPECT_TRUE(plan.is_new);
  EXPECT_THAT(plan.entry.slots, ElementsAre(SlotRange{1, base - 1}));
  EXPECT_THAT(plan.entry.files, ElementsAre("orphan", absl::StrFormat("own-%d", first)));
  Carry(plan, 21 * kDay);
  EXPECT_EQ(journal_.front().slot, 1u);  // A4
  EXPECT_OK(PlanRestore(journal_));
  files_.clear();
  EXPECT_FALSE(Plan(21 * kDay).is_new);
}

TEST_F(CollectPlanTest, AgeAloneNeverGoesBelowTheCount) {
  Append(0, Claim(1, 1));
  for (int i = 0; i < 5; ++i) AppendCheckpoint(i * kDay);
  EXPECT_THAT(Plan(100 * kDay).entry.slots, ElementsAre(SlotRange{1, 4}));
  EXPECT_THAT(Plan(100 * kDay, 4).entry.slots, ElementsAre(SlotRange{1, 2}));
}

// A11: two checkpoints of a lineage that was left are no reason to drop the lineage's own.
TEST_F(CollectPlanTest, CheckpointsOfAnotherLineageDoNotCount) {
  Append(0, Claim(1, 1));
  AppendCheckpoint(0);
  for (int i = 0; i < 4; ++i) AppendLog(kHour);
  const uint64_t own = AppendCheckpoint(kDay);
  for (int i = 0; i < 4; ++i) AppendLog(kDay + kHour);
  AppendCheckpoint(2 * kDay);
  AppendCheckpoint(3 * kDay);
  ClaimEntry claim = Claim(next_, 2, 8);
  claim.continues_from = 5;
  claim.continues_slot = claim.taken_over_slot;
  Append(4 * kDay, claim);
  EXPECT_FALSE(Plan(100 * kDay).is_new);  // The fork has no checkpoint of its own yet.
  CheckpointEntry fork = Checkpoint(next_, 5, MakeHistory({{1, 1}}), 20);
  fork.files = {{"fork", "000003.sst", 1, 1}};
  Append(4 * kDay, fork);
  const CollectPlan plan = Plan(100 * kDay);
  ASSERT_FALSE(plan.entry.slots.empty());
  EXPECT_EQ(plan.entry.slots[0], (SlotRange{1, own - 1}));
}

// C3. It stands above the floor, for the lineage has an older one that counts.
TEST_F(CollectPlanTest, ACheckpointWhoseFilesAreDeletedNeverCountsAgain) {
  Append(0, Claim(1, 1));
  const uint64_t base = AppendCheckpoint(0);
  AppendLog(kHour);
  const uint64_t left = AppendCheckpoint(kDay);
  ClaimEntry claim = Claim(next_, 2, 1);
  claim.continues_from = 0;
  claim.continues_slot = base;
  Append(2 * kDay, claim);
  CheckpointEntry fork = Checkpoint(next_, 1, MakeHistory({{2, 1}}), 20);
  fork.files = {{"fork", "000003.sst", 1, 1}};
  Append(2 * kDay, fork);
  const std::string gone = absl::StrFormat("own-%d", left);
  files_ = {"shared", "fork", gone, absl::StrFormat("own-%d", base)};
  const CollectPlan plan = Plan(100 * kDay);
  ASSERT_THAT(plan.entry.files, ElementsAre(gone));
  Carry(plan, 100 * kDay);
  files_ = {"shared", "fork", "orphan", absl::StrFormat("own-%d", base)};
  Carry(Plan(101 * kDay), 101 * kDay);
  const Collected collected(journal_);
  for (const JournalItem& item : journal_) {
    if (item.slot != left) continue;
    EXPECT_FALSE(collected.Keeps(item, *item.entry->As<CheckpointEntry>()));
  }
}

// C4.
TEST_F(CollectPlanTest, OldLogsAreMergedByFiveMinutesAndThenByTheHour) {
  Append(0, Claim(1, 1));
  AppendCheckpoint(0);
  for (int i = 0; i < 3 * 3600; i += 10) AppendLog(i * kSecond);
  const uint64_t logs = 3 * 360;
  CollectPlan plan = Plan(3 * kHour);
  // Two hours are old enough to be one object each, the last one in pieces but for its end.
  EXPECT_EQ(plan.merges.size(), 2u + 11u);
  EXPECT_EQ(plan.merges[0].logs.size(), 360u);
  EXPECT_EQ(plan.merges[2].logs.size(), 30u);
  Carry(plan, 3 * kHour);
  EXPECT_EQ(journal_.size(), 2 + 13 + 30 + 1u);
  ASSERT_OK_AND_ASSIGN(const RestorePlan restored, PlanRestore(journal_));
  EXPECT_EQ(restored.state.last_sequence, logs);
  EXPECT_TRUE(restored.complete);
  EXPECT_FALSE(Plan(3 * kHour).is_new);
  // An hour later the pieces become one, and the COLLECT that named them goes with them.
  plan = Plan(4 * kHour + kMinute);
  ASSERT_EQ(plan.merges.size(), 1u);
  Carry(plan, 4 * kHour);
  ASSERT_OK_AND_ASSIGN(const RestorePlan again, PlanRestore(journal_));
  EXPECT_EQ(again.state.last_sequence, logs);
}

TEST_F(CollectPlanTest, NothingIsMergedAcrossAClaimOrTablesThatWereMade) {
  Append(0, Claim(1, 1));
  AppendCheckpoint(0);
  AppendLog(0);
  AppendLog(0);
  Append(0, Claim(next_, 2, 2));
  AppendLog(0);
  const uint64_t checkpoint = AppendCheckpoint(0);
  for (int i = 0; i < 2; ++i) {
    ++sequence_;
    Segment segment = MakeSegment(1, sequence_, sequence_, log_begin_);
    segment.log = log_;
    LogEntry log = Log({segment});
    log.least_checkpoint = checkpoint;
    Append(0, log);
  }
  const CollectPlan plan = Plan(kDay);
  ASSERT_EQ(plan.merges.size(), 2u);
  EXPECT_EQ(plan.merges[0].slots, (SlotRange{3, 4}));
  EXPECT_EQ(plan.merges[1].slots, (SlotRange{checkpoint + 1, checkpoint + 2}));
}

// C4: what stands between merged logs and is needed stays in its place.
TEST_F(CollectPlanTest, ACheckpointBetweenMergedLogsStays) {
  Append(0, Claim(1, 1));
  AppendCheckpoint(0);
  AppendLog(0);
  const uint64_t checkpoint = AppendCheckpoint(0);
  AppendLog(0);
  AppendLog(0);
  const CollectPlan plan = Plan(kDay);
  ASSERT_EQ(plan.merges.size(), 1u);
  EXPECT_EQ(plan.merges[0].slots, (SlotRange{3, 6}));
  EXPECT_THAT(plan.entry.slots, ElementsAre(SlotRange{1, 1}, SlotRange{3, 3}, SlotRange{5, 6}));
  Carry(plan, kDay);
  ASSERT_OK_AND_ASSIGN(const RestorePlan restored, PlanRestore(journal_));
  EXPECT_EQ(restored.checkpoint->slot, checkpoint);
  EXPECT_EQ(restored.state.last_sequence, 3u);
  RestoreTarget target;
  target.unusable[checkpoint] = absl::DataLossError("gone");
  ASSERT_OK_AND_ASSIGN(const RestorePlan older, PlanRestore(journal_, target));
  EXPECT_EQ(older.state.last_sequence, 3u);
  EXPECT_EQ(older.logs.size(), 2u);
}

// C5.
TEST_F(CollectPlanTest, DamageOrAHoleAboveTheFloorStopsEverything) {
  Append(0, Claim(1, 1));
  for (int i = 0; i < 4; ++i) AppendCheckpoint(i * kDay);
  ASSERT_TRUE(Plan(100 * kDay).is_new);
  std::vector<JournalItem> whole = journal_;
  journal_[3].entry = nullptr;
  journal_[3].status = absl::DataLossError("damaged");
  EXPECT_FALSE(Plan(100 * kDay).is_new);
  journal_ = whole;
  journal_.erase(journal_.begin() + 3);
  AppendLog(4 * kDay);
  EXPECT_FALSE(Plan(100 * kDay, 3).is_new);
}

TEST_F(CollectPlanTest, AWeekOfOneEntryASecondStaysListable) {
  Append(0, Claim(1, 1));
  int64_t now = 0;
  size_t most = 0;
  for (int day = 0; day < 9; ++day) {
    AppendCheckpoint(now);
    for (int i = 0; i < 24 * 60; ++i, now += kMinute) {  // One a minute, to be quick.
      AppendLog(now);
      if (i % 15 != 0) continue;
      const CollectPlan plan = Plan(now);
      if (plan.is_new) Carry(plan, now);
      most = std::max(most, journal_.size());
    }
  }
  EXPECT_LT(most, 600u);
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.state.last_sequence, sequence_);
}

// A3. Of a claimant whose view was old, it landed in a hole among merged slots.
TEST_F(CollectPlanTest, AVoidClaimLeavesNothingBehindAndStopsNothing) {
  Append(0, Claim(1, 1));
  AppendCheckpoint(0);
  for (int i = 0; i < 4; ++i) AppendLog(i * kSecond);
  Carry(Plan(3 * kHour), 3 * kHour);
  ASSERT_THAT(journal_.back().entry->As<CollectEntry>()->merged, ::testing::SizeIs(1));
  ClaimEntry claim = Claim(5, 2, sequence_);
  claim.continues_from = 1;
  claim.continues_slot = 4;
  const auto place = std::find_if(journal_.begin(), journal_.end(),
                                  [](const JournalItem& item) { return item.slot > 5; });
  journal_.insert(place, {5, std::make_shared<const Entry>(MakeEntry(5, 2, claim)), {}});
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal_));
  EXPECT_EQ(plan.state.last_sequence, 4u);
  AppendCheckpoint(4 * kHour);
  AppendCheckpoint(4 * kHour);
  EXPECT_TRUE(Plan(100 * kDay).is_new);
}

// Nobody names it: an upload whose checkpoint never came to stand.
TEST_F(CollectPlanTest, AnOrphanGoesAndWhatIsNamedStays) {
  Append(0, Claim(1, 1));
  AppendCheckpoint(0);
  AppendCheckpoint(0);
  files_ = {"orphan", "own-2", "own-3", "shared"};
  EXPECT_THAT(Plan(kDay).entry.files, ElementsAre("orphan"));
}

}  // namespace
}  // namespace mooring::archive
