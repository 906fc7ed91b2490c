// Where in a journal a moment is, and what is said of one that is not there.
#include "src/archive/moment.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/commit_marker.h"
#include "src/engine/log_records.h"
#include "tests/archive/entries.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Commit {
  uint32_t operations = 0;
  int64_t time_us = 0;
};

void AppendInteger(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// A record of the engine's log, in one fragment. Nobody checks its checksum here.
std::string LogRecordOf(uint64_t first_sequence, const std::vector<Commit>& commits) {
  std::string operations;
  uint64_t count = 0;
  for (const Commit& commit : commits) {
    std::string marker(engine::kCommitMarkerBytes, '\0');
    engine::EncodeCommitMarker({commit.operations, commit.time_us}, marker.data());
    operations += "\x03" + std::string(1, static_cast<char>(marker.size())) + marker;
    for (uint32_t i = 0; i < commit.operations; ++i) operations += std::string("\x01\x01k\x01v", 5);
    count += commit.operations;
  }
  std::string record;
  AppendInteger(0, 4, &record);
  AppendInteger(engine::kBatchHeaderBytes + operations.size(), 2, &record);
  AppendInteger(static_cast<uint64_t>(engine::FragmentType::kWhole), 1, &record);
  AppendInteger(first_sequence, 8, &record);
  AppendInteger(count, 4, &record);
  return record + operations;
}

absl::Time At(int64_t time_us) { return absl::FromUnixMicros(time_us); }

class MomentTest : public ::testing::Test {
 protected:
  template <typename Body>
  void Append(int64_t time_us, Body body) {
    const uint64_t slot = journal_.size() + 1;
    Entry entry = MakeEntry(slot, 1, std::move(body));
    entry.time_us = time_us;
    journal_.push_back({slot, std::make_shared<const Entry>(std::move(entry)), {}});
  }

  // What follows in the log of that incarnation. A checkpoint begins another one: StartLog().
  LogEntry Commits(int incarnation, const std::vector<Commit>& commits) {
    LogEntry log;
    Segment segment = MakeSegment(incarnation, last_sequence_ + 1, last_sequence_ + 1);
    log.predecessor = last_sequence_;
    log.bytes = LogRecordOf(last_sequence_ + 1, commits);
    for (const Commit& commit : commits) last_sequence_ += commit.operations;
    segment.log = log_;
    segment.begin = log_bytes_;
    segment.end = log_bytes_ += log.bytes.size();
    segment.last_sequence = last_sequence_;
    segment.first_time_us = commits.front().time_us;
    segment.last_time_us = commits.back().time_us;
    log.segments = {segment};
    return log;
  }
  void StartLog() {
    ++log_;
    log_bytes_ = 0;
  }

  // 1 CLAIM, 2 empty CHECKPOINT, 3 LOG with commits that end at 2, 3 and 5.
  void SetUp() override {
    Append(900, Claim(1, 1));
    Append(1000, Checkpoint(2, 0, {}));
    Append(1035, Commits(1, {{2, 1010}, {1, 1020}, {2, 1030}}));
  }

  // 4 LOG with commits to a table that the checkpoint in slot 2 lacks, which end at 6 and 8;
  // 5 CHECKPOINT with the table, 6 LOG with a commit that ends at 9.
  void MakeTable() {
    LogEntry log = Commits(1, {{1, 1040}, {2, 1050}});
    log.least_checkpoint = 5;
    Append(1055, std::move(log));
    CheckpointEntry checkpoint = Checkpoint(6, 8, MakeHistory({{1, 1}}), log_ + 1);
    checkpoint.max_time_us = 1050;
    Append(1060, std::move(checkpoint));
    StartLog();
    Append(1075, Commits(1, {{1, 1070}}));
  }

  // 4 CLAIM that goes on from sequence 3, 5 CHECKPOINT of that, 6 LOG with a commit that ends at 4.
  void GoBack() {
    ClaimEntry claim = Claim(4, 2, 3);
    claim.continues_slot = 3;
    claim.continues_from = 3;
    Append(2000, std::move(claim));
    last_sequence_ = 3;
    StartLog();
    Append(2010, Checkpoint(6, 3, MakeHistory({{1, 1}}), log_));
    Append(2035, Commits(2, {{1, 2030}}));
  }

  absl::StatusOr<Moment> Find(const RewindTarget& target, bool may_be_left_behind = false) {
    MomentOptions options;
    options.may_be_left_behind = may_be_left_behind;
    return FindMoment(journal_, target, options);
  }

  std::vector<JournalItem> journal_;
  uint64_t last_sequence_ = 0;
  uint64_t log_ = 11;
  uint64_t log_bytes_ = 0;
};

TEST_F(MomentTest, AVersionIsTheStateRightAfterItsCommit) {
  ASSERT_OK_AND_ASSIGN(const Moment moment, Find(RewindTarget::To(Version{1, 3})));
  EXPECT_EQ(moment.version, (Version{1, 3}));
  EXPECT_EQ(moment.plan.state.last_sequence, 3u);
  EXPECT_EQ(moment.plan.checkpoint->slot, 2u);
  EXPECT_EQ(moment.last_slot, 3u);
  EXPECT_EQ(moment.time_us, 1020);
  EXPECT_FALSE(moment.left_behind);
}

TEST_F(MomentTest, AVersionInsideACommitIsRefusedWithTheOnesAroundIt) {
  EXPECT_THAT(Find(RewindTarget::To(Version{1, 4})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("end at 3 and 5")));
}

TEST_F(MomentTest, AVersionThatIsNotThereIsRefusedWithHowFarTheArchiveReaches) {
  EXPECT_THAT(Find(RewindTarget::To(Version{1, 6})),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("reaches version 1.5")));
  EXPECT_THAT(Find(RewindTarget::To(Version{7, 2})),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("of its past is version 1.2")));
}

TEST_F(MomentTest, ATimeIsTheLastCommitAtOrBeforeIt) {
  const std::vector<std::pair<int64_t, uint64_t>> cases = {
      {1000, 0}, {1009, 0}, {1010, 2}, {1019, 2}, {1020, 3}, {1029, 3}, {1030, 5}, {1035, 5}};
  for (const auto& [time_us, sequence] : cases) {
    SCOPED_TRACE(time_us);
    ASSERT_OK_AND_ASSIGN(const Moment moment, Find(RewindTarget::To(At(time_us))));
    EXPECT_EQ(moment.plan.state.last_sequence, sequence);
  }
}

TEST_F(MomentTest, ATimeOutsideWhatIsKnownIsRefused) {
  EXPECT_THAT(Find(RewindTarget::To(At(1036))),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("was last written at")));
  EXPECT_THAT(Find(RewindTarget::To(At(899))),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("nothing as old as")));
}

TEST_F(MomentTest, TheLatestIsAllThatIsArchivedOrNothingWhereThatIsDamaged) {
  ASSERT_OK_AND_ASSIGN(const Moment moment, Find(RewindTarget::Latest()));
  EXPECT_EQ(moment.version, (Version{1, 5}));
  journal_.push_back({4, nullptr, absl::DataLossError("slot 4 is damaged")});
  EXPECT_THAT(Find(RewindTarget::Latest()),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("reaches version 1.5"), HasSubstr("slot 4 is damaged"))));
}

// The known gap: a new table's first commits, up to the first checkpoint that has it.
TEST_F(MomentTest, BetweenANewTableAndItsCheckpointTheNearestMomentsAreNamed) {
  MakeTable();
  ASSERT_OK_AND_ASSIGN(const Moment before, Find(RewindTarget::To(At(1039))));
  EXPECT_EQ(before.plan.state.last_sequence, 5u);
  EXPECT_THAT(Find(RewindTarget::To(At(1045))),
              StatusIs(absl::StatusCode::kOutOfRange,
                       AllOf(HasSubstr("version 1.5 "), HasSubstr("or to version 1.8"))));
  EXPECT_THAT(
      Find(RewindTarget::To(Version{1, 6})),
      StatusIs(absl::StatusCode::kOutOfRange, AllOf(HasSubstr("Nearest before: version 1.5"),
                                                    HasSubstr("nearest after: version 1.8"))));
  // Both of them can be gone to, as was said.
  for (const uint64_t sequence : {uint64_t{5}, uint64_t{8}}) {
    ASSERT_OK_AND_ASSIGN(const Moment named, Find(RewindTarget::To(Version{1, sequence})));
    EXPECT_EQ(named.plan.state.last_sequence, sequence);
  }
  ASSERT_OK_AND_ASSIGN(const Moment after, Find(RewindTarget::To(At(1070))));
  EXPECT_EQ(after.plan.state.last_sequence, 9u);
}

TEST_F(MomentTest, WhatWasLeftBehindIsReachedByVersionWhereItMayBe) {
  GoBack();
  EXPECT_THAT(Find(RewindTarget::To(Version{1, 5})),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("left behind")));
  ASSERT_OK_AND_ASSIGN(const Moment left, Find(RewindTarget::To(Version{1, 5}), true));
  EXPECT_TRUE(left.left_behind);
  EXPECT_EQ(left.version, (Version{1, 5}));
  EXPECT_EQ(left.time_us, 1030);
  ASSERT_OK_AND_ASSIGN(const Moment gone_on, Find(RewindTarget::To(Version{2, 4})));
  EXPECT_FALSE(gone_on.left_behind);
  EXPECT_EQ(gone_on.version, (Version{2, 4}));
}

TEST_F(MomentTest, AfterGoingBackATimeIsOneOfTheNewPast) {
  GoBack();
  ASSERT_OK_AND_ASSIGN(const Moment before, Find(RewindTarget::To(At(1025))));
  EXPECT_EQ(before.version, (Version{1, 3}));
  ASSERT_OK_AND_ASSIGN(const Moment between, Find(RewindTarget::To(At(2029))));
  EXPECT_EQ(between.version, (Version{1, 3}));
  ASSERT_OK_AND_ASSIGN(const Moment after, Find(RewindTarget::To(At(2030))));
  EXPECT_EQ(after.version, (Version{2, 4}));
}

}  // namespace
}  // namespace mooring::archive
