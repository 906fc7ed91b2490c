#include "tests/testing/commit_oracle.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace mooring::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Level = CommitOracle::Level;
using Loss = CommitOracle::Loss;

auto IsDataLoss(const std::string& message) {
  return StatusIs(absl::StatusCode::kDataLoss, HasSubstr(message));
}

void ApplyAll(const OracleCommit& commit, OracleTables* tables) {
  for (const OracleOperation& operation : commit.operations) Apply(operation, tables);
}

CommitOracle::Options ForWriters(int writers, uint64_t seed = 1) {
  CommitOracle::Options options;
  options.seed = seed;
  options.writers = writers;
  return options;
}

TEST(CommitOracleTest, EveryPrefixIsRecognisedAndAcknowledgementsBoundIt) {
  CommitOracle oracle(ForWriters(1));
  std::vector<OracleTables> states(1);
  for (int i = 0; i < 100; ++i) {
    const OracleCommit commit = oracle.Next(0);
    oracle.Acknowledge(commit, i < 50 ? Level::kVolume : Level::kProcess);
    states.push_back(states.back());
    ApplyAll(commit, &states.back());
  }
  for (uint64_t number = 0; number <= 100; ++number) {
    const auto after_cut = oracle.Judge(states[number], Loss::kPowerCut);
    const auto after_kill = oracle.Judge(states[number], Loss::kProcessKill);
    if (number >= 50) {
      ASSERT_OK(after_cut);
      EXPECT_THAT(*after_cut, ElementsAre(number));
    } else {
      EXPECT_THAT(after_cut, IsDataLoss("writer 0: commit 50 was acknowledged at kVolume"));
      EXPECT_THAT(after_cut, IsDataLoss("ends at commit " + std::to_string(number)));
    }
    if (number == 100) {
      EXPECT_OK(after_kill);
    } else {
      EXPECT_THAT(after_kill, IsDataLoss("writer 0: commit 100 was acknowledged, but"));
    }
  }
}

TEST(CommitOracleTest, ADroppedCommitIsNamed) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CommitOracle oracle(ForWriters(2, seed));
    OracleTables tables;
    for (int i = 1; i <= 20; ++i) {
      ApplyAll(oracle.Next(0), &tables);
      const OracleCommit commit = oracle.Next(1);
      if (i != 18) ApplyAll(commit, &tables);
    }
    // What a later commit wrote over hides a dropped one only if it hides all of it.
    const auto judged = oracle.Judge(tables, Loss::kPowerCut);
    if (tables == oracle.StateAt({20, 20})) continue;
    EXPECT_THAT(
        judged,
        IsDataLoss(
            "writer 1: commit 18 is missing, or as good as: the state at 20 is as without it"))
        << "seed " << seed;
  }
}

TEST(CommitOracleTest, AHalfBatchIsNamedWithItsTable) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CommitOracle oracle(ForWriters(1, seed));
    OracleTables tables;
    for (int i = 1; i < 30; ++i) ApplyAll(oracle.Next(0), &tables);
    const OracleCommit last = oracle.Next(0);
    const int lacking = last.operations.front().table;
    for (const OracleOperation& operation : last.operations) {
      if (operation.table != lacking) Apply(operation, &tables);
    }
    EXPECT_THAT(oracle.Judge(tables, Loss::kPowerCut),
                IsDataLoss("writer 0: commit 30 is half present: table " + std::to_string(lacking) +
                           " lacks it"))
        << "seed " << seed;
  }
}

TEST(CommitOracleTest, ALostOperationOrAStrayOneIsFoundWithoutItsHead) {
  int differing = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CommitOracle oracle(ForWriters(1, seed));
    OracleTables whole;
    for (int i = 1; i < 30; ++i) ApplyAll(oracle.Next(0), &whole);
    OracleTables stray = whole;
    // Of commit 30, and nothing else of it. What a stray delete leaves looks as if the commit that
    // wrote the key were missing, so that only a put tells where it came from.
    const OracleOperation operation = oracle.Next(0).operations.front();
    Apply(operation, &stray);
    if (stray == whole) continue;
    ++differing;
    if (operation.kind != OracleOperation::Kind::kPut) {
      EXPECT_THAT(oracle.Judge(stray, Loss::kPowerCut), IsDataLoss("writer 0: commit "));
      continue;
    }
    EXPECT_THAT(oracle.Judge(stray, Loss::kPowerCut),
                IsDataLoss("writer 0: commit 29 is where the heads stand, but"));
  }
  EXPECT_GT(differing, 10);
}

TEST(CommitOracleTest, ALostSharedHalfIsNamed) {
  CommitOracle oracle(ForWriters(2));
  OracleTables before;
  ApplyAll(oracle.Next(0), &before);
  OracleTables half = before;
  const OracleCommit shared = oracle.NextShared({0, 1});
  for (const OracleOperation& operation : shared.operations) {
    if (operation.key.find(CommitOracle::KeyPrefixOf(1)) == 0) Apply(operation, &half);
  }
  EXPECT_THAT(oracle.Judge(half, Loss::kPowerCut),
              IsDataLoss("writer 1: commit 1 is half present: it is shared with writer 0, whose "
                         "commit 2 is missing"));
  OracleTables whole = before;
  ApplyAll(shared, &whole);
  ASSERT_OK_AND_ASSIGN(const auto position, oracle.Judge(whole, Loss::kPowerCut));
  EXPECT_THAT(position, ElementsAre(2, 1));
  EXPECT_OK(oracle.Judge(before, Loss::kPowerCut));
}

TEST(CommitOracleTest, AcknowledgedCommitsOfAllWritersAreAPrefixInTime) {
  CommitOracle oracle(ForWriters(2));
  OracleTables tables;
  const OracleCommit first = oracle.Next(0);
  oracle.Acknowledge(first, Level::kProcess);
  ApplyAll(oracle.Next(1), &tables);
  EXPECT_THAT(oracle.Judge(tables, Loss::kPowerCut),
              IsDataLoss("writer 1: commit 1 is there, but commit 1 of writer 0"));
  EXPECT_OK(oracle.Judge({}, Loss::kPowerCut));
  ApplyAll(first, &tables);
  EXPECT_OK(oracle.Judge(tables, Loss::kPowerCut));
}

TEST(CommitOracleTest, DamageAndForeignKeysAreFound) {
  CommitOracle oracle(ForWriters(1));
  OracleTables tables;
  for (int i = 0; i < 10; ++i) ApplyAll(oracle.Next(0), &tables);
  OracleTables foreign = tables;
  foreign[0]["other"] = "1";
  EXPECT_THAT(oracle.Judge(foreign, Loss::kPowerCut), IsDataLoss("1 keys were found"));
  OracleTables unreadable = tables;
  unreadable.begin()->second["w000/head"] = std::string("\0\0", 2);
  EXPECT_THAT(oracle.Judge(unreadable, Loss::kPowerCut), IsDataLoss("the head in table"));
  OracleTables beyond = tables;
  beyond.begin()->second["w000/head"] = "11 made up";
  EXPECT_THAT(oracle.Judge(beyond, Loss::kPowerCut),
              IsDataLoss("writer 0: commit 11 was found, but only 10 were made"));
}

TEST(CommitOracleTest, AChainGoesOnAfterALossAndStaleLeftoversAreFound) {
  CommitOracle oracle(ForWriters(1));
  OracleTables kept;
  for (int i = 0; i < 10; ++i) ApplyAll(oracle.Next(0), &kept);
  OracleTables lost = kept;
  for (int i = 0; i < 10; ++i) ApplyAll(oracle.Next(0), &lost);
  ASSERT_OK_AND_ASSIGN(const auto position, oracle.Judge(kept, Loss::kPowerCut));
  EXPECT_THAT(position, ElementsAre(10));
  oracle.ContinueFrom(position);
  EXPECT_EQ(oracle.StateAt(position), kept);
  EXPECT_THAT(oracle.Judge({}, Loss::kProcessKill), IsDataLoss("commit 10 was acknowledged"));
  OracleTables next = kept;
  for (int i = 0; i < 10; ++i) ApplyAll(oracle.Next(0), &next);
  EXPECT_OK(oracle.Judge(next, Loss::kPowerCut));
  EXPECT_THAT(oracle.Judge(lost, Loss::kPowerCut), IsDataLoss("commit 20"))
      << "the commits 11 to 20 of before the loss are others";
}

TEST(CommitOracleTest, ARefusedCommitIsMadeAnew) {
  CommitOracle oracle(ForWriters(1));
  const OracleCommit refused = oracle.Next(0);
  oracle.Withdraw(refused);
  const OracleCommit next = oracle.Next(0);
  EXPECT_EQ(next.parts, refused.parts);
  OracleTables tables;
  ApplyAll(next, &tables);
  EXPECT_OK(oracle.Judge(tables, Loss::kPowerCut));
  OracleTables wrong;
  ApplyAll(refused, &wrong);
  EXPECT_FALSE(oracle.Judge(wrong, Loss::kPowerCut).ok());
}

// The parent of a killed process judges what that process made of the same seed.
TEST(CommitOracleTest, AnotherProcessMakesTheSameCommits) {
  CommitOracle::Options options = ForWriters(2, 7);
  options.issued_elsewhere = true;
  CommitOracle parent(options);
  OracleTables tables;
  CommitOracle::Position position = {0, 0};
  for (int life = 0; life < 3; ++life) {
    CommitOracle child(options);
    child.LoadChains(parent.SaveChains());
    for (int i = 0; i < 5; ++i) {
      ApplyAll(child.Next(0), &tables);
      ApplyAll(child.Next(1), &tables);
      ++position[0];
      ++position[1];
      parent.AcknowledgeNumber(0, position[0], Level::kVolume);
    }
    ASSERT_OK_AND_ASSIGN(const auto recovered, parent.Judge(tables, Loss::kProcessKill));
    EXPECT_EQ(recovered, position);
    parent.ContinueFrom(recovered);
  }
}

}  // namespace
}  // namespace mooring::testing
