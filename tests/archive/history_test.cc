#include "src/archive/history.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/archive/entries.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::HasSubstr;

State At(std::vector<std::pair<int, uint64_t>> entries, uint64_t last_sequence) {
  return {MakeHistory(std::move(entries)), last_sequence};
}

TEST(HistoryTest, TheEmptyStateIsAPrefixOfEveryState) {
  EXPECT_EQ(Compare({}, {}), Relation::kEqual);
  EXPECT_EQ(Compare({}, At({{1, 1}}, 3)), Relation::kStrictPrefix);
  EXPECT_EQ(Compare(At({{1, 1}}, 3), {}), Relation::kContains);
}

TEST(HistoryTest, AStateContainsWhatItContinued) {
  EXPECT_EQ(Compare(At({{1, 1}, {2, 5}}, 9), At({{1, 1}}, 4)), Relation::kContains);
  EXPECT_EQ(Compare(At({{1, 1}, {2, 5}}, 9), At({{1, 1}}, 3)), Relation::kContains);
  EXPECT_EQ(Compare(At({{1, 1}}, 4), At({{1, 1}, {2, 5}}, 9)), Relation::kStrictPrefix);
  EXPECT_EQ(Compare(At({{1, 1}, {2, 5}}, 9), At({{1, 1}, {2, 5}}, 9)), Relation::kEqual);
}

TEST(HistoryTest, ThatSomebodyElseWroteTheSameSequenceIsDivergence) {
  EXPECT_EQ(Compare(At({{1, 1}, {2, 5}}, 9), At({{1, 1}}, 5)), Relation::kDiverged);
  EXPECT_EQ(Compare(At({{1, 1}, {2, 5}}, 9), At({{1, 1}, {3, 5}}, 9)), Relation::kDiverged);
  EXPECT_EQ(Compare(At({{1, 1}, {2, 5}}, 9), At({{1, 1}, {3, 4}}, 4)), Relation::kDiverged);
  EXPECT_EQ(Compare(At({{1, 1}}, 9), At({{2, 1}}, 1)), Relation::kDiverged);
}

// A10. A volume opened while the archive is away counts its epoch up, and a clone repeats one.
TEST(HistoryTest, EpochNumbersDecideNothing) {
  History ahead, behind;
  ASSERT_OK(ahead.Append({Id(1), 7, 1}));
  ASSERT_OK(behind.Append({Id(2), 3, 1}));
  EXPECT_EQ(Compare({ahead, 5}, {behind, 2}), Relation::kDiverged);
  History renumbered;
  ASSERT_OK(renumbered.Append({Id(1), 2, 1}));
  EXPECT_EQ(Compare({ahead, 5}, {renumbered, 5}), Relation::kEqual);
}

TEST(HistoryTest, AnOpenWithoutACommitChangesNothing) {
  EXPECT_EQ(MakeHistory({{1, 1}, {2, 5}, {3, 5}}), MakeHistory({{1, 1}, {3, 5}}));
  EXPECT_EQ(Compare(At({{1, 1}, {2, 5}}, 4), At({{1, 1}}, 4)), Relation::kEqual);
}

TEST(HistoryTest, KnowsWhoWroteASequence) {
  const History history = MakeHistory({{1, 1}, {2, 5}});
  EXPECT_EQ(history.WriterOf(0), nullptr);
  EXPECT_EQ(history.WriterOf(4)->incarnation, Id(1));
  EXPECT_EQ(history.WriterOf(5)->incarnation, Id(2));
  EXPECT_EQ(history.Until(4), MakeHistory({{1, 1}}));
}

TEST(HistoryTest, RefusesWhatNoHistoryCanBe) {
  EXPECT_THAT(History::FromEntries({{Id(1), 1, 2}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("instead of 1")));
  EXPECT_THAT(History::FromEntries({{"me", 1, 1}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'me'")));
  EXPECT_THAT(History::FromEntries({{Id(1), 1, 1}, {Id(2), 1, 1}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(History::FromEntries({{Id(1), 1, 1}, {Id(2), 1, 5}, {Id(1), 1, 7}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
  History history = MakeHistory({{1, 1}, {2, 5}});
  EXPECT_THAT(history.Append({Id(3), 1, 4}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(history.Append({Id(1), 1, 9}), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace mooring::archive
