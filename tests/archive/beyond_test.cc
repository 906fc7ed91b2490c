#include "src/archive/beyond.h"

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/archive/entries.h"

namespace mooring::archive {
namespace {

// Of incarnation 1: sequences 1 to 8 in log 11.
RestorePlan Plan() {
  RestorePlan plan;
  auto log = std::make_shared<const Entry>(MakeEntry(3, 1, Log({MakeSegment(1, 1, 8)})));
  plan.logs.push_back({log, 0, 0, 8});
  plan.state = {MakeHistory({{1, 1}}), 8};
  plan.min_log = plan.max_log = 11;
  return plan;
}

engine::LogPiece Piece(uint64_t log, uint64_t first, uint64_t last) {
  engine::LogPiece piece;
  piece.log = log;
  piece.generation = 0x1000 + log - 10;
  piece.end = 10 * (last + 1 - first);
  piece.first_sequence = first;
  piece.last_sequence = last;
  return piece;
}

std::vector<uint64_t> Selected(const RestorePlan& plan, const History& history,
                               std::vector<engine::LogPiece> intact) {
  std::vector<uint64_t> logs;
  for (const engine::LogPiece& piece : SelectBeyond(plan, history, std::move(intact))) {
    logs.push_back(piece.log);
  }
  return logs;
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BeyondTest, TheRestOfTheLastLogAndTheLogsAfterItContinue) {
  EXPECT_THAT(Selected(Plan(), MakeHistory({{1, 1}}), {Piece(11, 1, 12), Piece(12, 13, 20)}),
              ElementsAre(11, 12));
}

TEST(BeyondTest, ALogThatBeginsBehindTheStateContinues) {
  EXPECT_THAT(Selected(Plan(), MakeHistory({{1, 1}, {2, 9}}),
                       {Piece(11, 1, 8), Piece(12, 9, 20), Piece(13, 21, 21)}),
              ElementsAre(12, 13));
}

TEST(BeyondTest, NothingBehindAGapIsTaken) {
  const History history = MakeHistory({{1, 1}});
  EXPECT_THAT(Selected(Plan(), history, {Piece(11, 1, 7), Piece(12, 10, 20)}), IsEmpty());
  EXPECT_THAT(Selected(Plan(), history, {Piece(11, 1, 12), Piece(12, 14, 20), Piece(13, 13, 13)}),
              ElementsAre(11));
}

TEST(BeyondTest, AnotherLogOfTheSameNumberDoesNotContinue) {
  engine::LogPiece another = Piece(11, 1, 12);
  another.generation = 7;
  EXPECT_THAT(Selected(Plan(), MakeHistory({{1, 1}}), {another}), IsEmpty());
}

TEST(BeyondTest, AnotherLineageGivesNothing) {
  EXPECT_THAT(Selected(Plan(), MakeHistory({{2, 1}}), {Piece(11, 1, 12)}), IsEmpty());
  EXPECT_THAT(Selected(Plan(), MakeHistory({{1, 1}, {2, 5}}), {Piece(12, 9, 12)}), IsEmpty());
}

}  // namespace
}  // namespace mooring::archive
