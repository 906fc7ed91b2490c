#include <string>
#include <utility>
#include <vector>

#include "tests/store/contract_fixture.h"

namespace mooring {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClosedTest : public ContractTest {
 protected:
  void ExpectTableRefuses() {
    const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed"));
    EXPECT_EQ(table_.name(), "t");
    EXPECT_THAT(table_.Get("k"), refused);
    Value value;
    EXPECT_THAT(table_.Get("k", &value), refused);
    EXPECT_THAT(table_.MultiGet({"k", "l"}), ElementsAre(refused, refused));
    Iterator iterator = table_.Scan();
    EXPECT_FALSE(iterator.Valid());
    EXPECT_THAT(iterator.status(), refused);
    EXPECT_THAT(table_.Put("k", "v"), refused);
    EXPECT_THAT(table_.Put("k", "v", kUnsynced), refused);
    EXPECT_THAT(table_.Put("k", "v", {Durability::kVolume, absl::Seconds(1)}), refused);
    EXPECT_THAT(table_.Delete("k"), refused);
    EXPECT_THAT(table_.DeleteRange("a", "z"), refused);
  }
  void ExpectStoreRefuses() {
    const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed"));
    EXPECT_THAT(store_->OpenTable("t"), refused);
    EXPECT_THAT(store_->OpenTable("new"), refused);
    EXPECT_THAT(store_->ListTables(), refused);
    EXPECT_THAT(store_->DropTable("t"), refused);
    EXPECT_THAT(store_->TakeSnapshot(), refused);
    WriteBatch batch;
    EXPECT_THAT(store_->Commit(batch), refused);
    batch.Put(table_, "k", "v");
    EXPECT_THAT(store_->Commit(batch), refused);
    EXPECT_EQ(store_->health().state, Health::State::kClosed);
    EXPECT_EQ(store_->health().ToString(), "closed");
  }
};
MOORING_CONTRACT(ClosedTest);

TEST_P(ClosedTest, AClosedStoreRefusesEverything) {
  EXPECT_OK(table_.Put("k", "v"));
  const Version last = store_->version();
  const std::string id = store_->id();
  EXPECT_TRUE(store_->Close(absl::Minutes(2)).released);
  ExpectStoreRefuses();
  ExpectTableRefuses();
  EXPECT_EQ(store_->version(), last);
  EXPECT_EQ(store_->id(), id);
}

TEST_P(ClosedTest, ATableOutlivesItsStoreAndRefusesEverything) {
  EXPECT_OK(table_.Put("k", "v"));
  store_.reset();
  ExpectTableRefuses();
  Table copy = table_;
  table_ = Table();
  WriteBatch batch;
  batch.Put(copy, "k", "v");
  ASSERT_OK_AND_ASSIGN(store_, GetParam().open(options_));
  EXPECT_THAT(store_->Commit(batch), StatusIs(absl::StatusCode::kInvalidArgument));
}

// Also where Close() may not wait at all.
TEST_P(ClosedTest, NewWorkIsRefusedFromTheMomentOfClose) {
  for (int i = 0; i < 10; ++i) {
    const Version last = store_->version();
    store_->Close(absl::ZeroDuration());
    ExpectStoreRefuses();
    ExpectTableRefuses();
    EXPECT_EQ(store_->version(), last);
    Reopen();
  }
}

}  // namespace
}  // namespace mooring
