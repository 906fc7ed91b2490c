#include "tests/simulation/archive_oracle.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;
using Level = ArchiveOracle::Level;

// A store in memory, whose commits are made as the child makes them.
class ArchiveOracleTest : public ::testing::Test {
 protected:
  ArchiveOracle::Commit Add(HeldState* state, int owner, int chain) {
    std::vector<ChainRecord>& records = state->chains[static_cast<size_t>(chain)];
    ChainRecord record;
    record.number = records.size() + 1;
    record.owner = ArchiveOracle::NameOf(owner);
    record.previous = records.empty() ? "-" : records.back().hash;
    for (size_t i = 0; i < kChains; ++i) record.seen[i] = state->chains[i].size();
    record.hash = HashRecord(chain, record.number, EncodeRecord(record, "payload"));
    records.push_back(record);
    state->heads[static_cast<size_t>(chain)] = absl::StrCat(record.number, " ", record.hash);
    return {chain, record.number, record.hash, {1, ++sequence_}, absl::Seconds(++time_)};
  }
  void Open(HeldState* state, int owner) {
    for (int chain = 0; chain < kChains; ++chain) Add(state, owner, chain);
  }

  ArchiveOracle oracle_;
  uint64_t sequence_ = 0;
  int time_ = 0;
};

TEST_F(ArchiveOracleTest, ArchivedCommitsMustBeFoundByWhoeverComesLater) {
  HeldState state;
  const int a = oracle_.Begin("a", true);
  Open(&state, a);
  const HeldState before = state;
  oracle_.Acknowledge(a, Level::kArchive, Add(&state, a, 1));
  const int b = oracle_.Begin("b", true);
  EXPECT_OK(oracle_.Judge(b, state));
  EXPECT_THAT(oracle_.Judge(b, before), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lost")));
}

TEST_F(ArchiveOracleTest, ReportsOfTheArchiveCountAsAcknowledgements) {
  HeldState state;
  const int a = oracle_.Begin("a", true);
  Open(&state, a);
  const HeldState before = state;
  const ArchiveOracle::Commit commit = Add(&state, a, 0);
  oracle_.Acknowledge(a, Level::kVolume, commit);
  EXPECT_OK(oracle_.Judge(oracle_.Begin("b", true), before));
  oracle_.Archived(a, 0, commit.time);
  EXPECT_OK(oracle_.Judge(oracle_.Begin("c", true), before));
  oracle_.Archived(a, 0, commit.time + absl::Milliseconds(1));
  EXPECT_THAT(oracle_.Judge(oracle_.Begin("d", true), before),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ArchiveOracleTest, AHoleIsFound) {
  HeldState state;
  const int a = oracle_.Begin("a", true);
  Open(&state, a);
  Add(&state, a, 2);
  Add(&state, a, 2);
  state.chains[2].erase(state.chains[2].begin() + 1);
  EXPECT_THAT(oracle_.Judge(a, state), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("hole")));
}

TEST_F(ArchiveOracleTest, ACommitWithoutAnElderOfAnotherChainIsFound) {
  HeldState state;
  const int a = oracle_.Begin("a", true);
  Open(&state, a);
  HeldState cut = state;
  Add(&state, a, 0);
  Add(&state, a, 1);
  cut.chains[1] = state.chains[1];
  cut.heads[1] = state.heads[1];
  EXPECT_THAT(oracle_.Judge(a, cut), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("before")));
}

TEST_F(ArchiveOracleTest, AFencedOwnersLaterCommitIsFound) {
  HeldState state;
  const int a = oracle_.Begin("a", true);
  const int b = oracle_.Begin("b", true);
  Open(&state, a);
  Open(&state, b);
  EXPECT_OK(oracle_.Judge(b, state));
  Add(&state, a, 1);
  EXPECT_THAT(oracle_.Judge(b, state),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("overtaken")));
}

TEST_F(ArchiveOracleTest, OnItsOwnVolumeAnOwnersCommitsAreThereUnlessAnotherCame) {
  HeldState state;
  const int a = oracle_.Begin("a", true);
  Open(&state, a);
  const HeldState before = state;
  oracle_.Acknowledge(a, Level::kVolume, Add(&state, a, 0));
  oracle_.End(a);
  const int again = oracle_.Begin("a", true);
  EXPECT_THAT(oracle_.Judge(again, before), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_OK(oracle_.Judge(oracle_.Begin("a", /*as_left=*/false), before));

  HeldState taken_over = before;
  const int b = oracle_.Begin("b", true);
  Open(&taken_over, b);
  const auto finding = oracle_.Judge(oracle_.Begin("a", true), taken_over);
  ASSERT_OK(finding);
  EXPECT_TRUE(finding->left_behind.has_value());
  // Who came and wrote nothing left nothing behind.
  EXPECT_THAT(oracle_.Judge(oracle_.Begin("a", true), before),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace mooring::testing
