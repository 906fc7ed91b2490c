#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/store/contract_fixture.h"

namespace mooring {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TablesTest : public ContractTest {};
MOORING_CONTRACT(TablesTest);

TEST_P(TablesTest, ATableIsMadeWhenItIsFirstOpened) {
  EXPECT_THAT(TableNames(), ElementsAre("t"));
  Table carts = Open("carts");
  EXPECT_EQ(carts.name(), "carts");
  EXPECT_THAT(TableNames(), ElementsAre("carts", "t"));
}

TEST_P(TablesTest, OpeningATableTwiceGivesTheSameTable) {
  Table again = Open("t");
  EXPECT_OK(table_.Put("k", "v"));
  EXPECT_THAT(again.Get("k"), Holds("v"));
  EXPECT_THAT(TableNames(), ElementsAre("t"));
}

TEST_P(TablesTest, ThreadsThatOpenOneNameGetOneTable) {
  std::vector<Table> tables(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < tables.size(); ++i) {
    threads.emplace_back([&, i] { tables[i] = Open("shared"); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(TableNames(), ElementsAre("shared", "t"));
  for (size_t i = 0; i < tables.size(); ++i) EXPECT_OK(tables[i].Put(absl::StrCat(i), "v"));
  EXPECT_EQ(Entries(tables[0].Scan()).size(), tables.size());
}

TEST_P(TablesTest, TablesAreApart) {
  Table other = Open("other");
  EXPECT_OK(table_.Put("k", "of t"));
  EXPECT_THAT(other.Get("k"), IsAbsent());
  EXPECT_OK(other.Put("k", "of other"));
  EXPECT_OK(table_.Delete("k"));
  EXPECT_THAT(other.Get("k"), Holds("of other"));
}

TEST_P(TablesTest, TablesAndWhatIsInThemAreThereAfterReopening) {
  EXPECT_OK(Open("a").Put("k", "1"));
  EXPECT_OK(Open("b").Put("k", "2", kUnsynced));
  Open("empty");
  Reopen();
  EXPECT_THAT(TableNames(), ElementsAre("a", "b", "empty", "t"));
  EXPECT_THAT(Open("a").Get("k"), Holds("1"));
  EXPECT_THAT(Open("b").Get("k"), Holds("2"));
  EXPECT_THAT(Entries(Open("empty").Scan()), IsEmpty());
}

TEST_P(TablesTest, ADroppedTableIsGoneAlsoAfterReopening) {
  EXPECT_OK(Open("a").Put("k", "v"));
  EXPECT_OK(store_->DropTable("a"));
  EXPECT_THAT(TableNames(), ElementsAre("t"));
  Reopen();
  EXPECT_THAT(TableNames(), ElementsAre("t"));
  EXPECT_THAT(Open("a").Get("k"), IsAbsent()) << "a new table of a dropped one's name is empty";
}

TEST_P(TablesTest, DroppingATableThatIsNotThereIsNotFound) {
  EXPECT_THAT(store_->DropTable("none"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  Open("a");
  EXPECT_OK(store_->DropTable("a"));
  EXPECT_THAT(store_->DropTable("a"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(TablesTest, CallsOnADroppedTableAreNotFoundNamingIt) {
  Table a = Open("a");
  EXPECT_OK(a.Put("k", "v"));
  EXPECT_OK(store_->DropTable("a"));
  const auto dropped = StatusIs(absl::StatusCode::kNotFound, HasSubstr("table a"));
  EXPECT_EQ(a.name(), "a");
  EXPECT_THAT(a.Get("k"), dropped);
  EXPECT_THAT(a.MultiGet({"k"}), ElementsAre(dropped));
  EXPECT_THAT(a.Scan().status(), dropped);
  EXPECT_THAT(a.Put("k", "v"), dropped);
  EXPECT_THAT(a.Delete("k"), dropped);
  EXPECT_THAT(a.DeleteRange("a", "b"), dropped);
}

TEST_P(TablesTest, ABatchWithADroppedTableIsRefusedWhole) {
  Table a = Open("a");
  WriteBatch batch;
  batch.Put(table_, "k", "v");
  batch.Put(a, "k", "v");
  EXPECT_OK(store_->DropTable("a"));
  EXPECT_THAT(store_->Commit(batch), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(table_.Get("k"), IsAbsent());
  EXPECT_OK(table_.Put("k", "later")) << "the store must go on";
  EXPECT_THAT(table_.Get("k"), Holds("later"));
}

TEST_P(TablesTest, AHandleOfADroppedTableDoesNotReachTheNextOneOfThatName) {
  Table old = Open("a");
  EXPECT_OK(store_->DropTable("a"));
  Table fresh = Open("a");
  EXPECT_THAT(old.Put("k", "v"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(fresh.Put("k", "new"));
  EXPECT_THAT(old.Get("k"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("table a")));
  EXPECT_THAT(fresh.Get("k"), Holds("new"));
}

TEST_P(TablesTest, AScanGoesOnWhenItsTableIsDropped) {
  Table a = Open("a");
  std::vector<std::string> expected;
  for (int i = 100; i < 300; ++i) {
    expected.push_back(absl::StrCat(i));
    EXPECT_OK(a.Put(expected.back(), std::string(1000, 'v'), kUnsynced));
  }
  Iterator iterator = a.Scan();
  EXPECT_OK(store_->DropTable("a"));
  a = Table();
  EXPECT_EQ(Keys(std::move(iterator)), expected);
}

TEST_P(TablesTest, ANameHasOneTo128Bytes) {
  const std::string longest(128, 'n');
  const std::vector<std::string> good = {longest, "default", ".", "..", "a/b", "\xff\x01", " "};
  for (const std::string& name : good) EXPECT_OK(Open(name).Put("k", name)) << name;
  for (const std::string& name : {std::string(), std::string(129, 'n'), std::string("a\0b", 3)}) {
    EXPECT_THAT(store_->OpenTable(name),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("128")));
  }
  Reopen();
  for (const std::string& name : good) EXPECT_THAT(Open(name).Get("k"), Holds(name));
}

TEST_P(TablesTest, AStoreHas256Tables) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "takes minutes there, on one thread";
#endif
  for (int i = 1; i < 256; ++i) ASSERT_OK(store_->OpenTable(absl::StrCat("table", i)));
  EXPECT_THAT(store_->OpenTable("one-more"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("256")));
  EXPECT_EQ(TableNames().size(), 256U);
  EXPECT_OK(store_->OpenTable("table17")) << "one that is there can still be opened";
  EXPECT_OK(store_->DropTable("table17"));
  EXPECT_OK(store_->OpenTable("one-more"));
}

TEST_P(TablesTest, TablesComeAndGoUnderWriters) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string name = absl::StrCat("own", t);
      for (int i = 0; i < 10; ++i) {
        Table own = Open(name);
        WriteBatch batch;
        batch.Put(own, "k", absl::StrCat(i));
        batch.Put(table_, name, absl::StrCat(i));
        EXPECT_OK(store_->Commit(batch, kUnsynced));
        EXPECT_THAT(own.Get("k"), Holds(absl::StrCat(i)));
        EXPECT_OK(store_->DropTable(name));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(TableNames(), ElementsAre("t"));
  for (int t = 0; t < 4; ++t) EXPECT_THAT(table_.Get(absl::StrCat("own", t)), Holds("9"));
}

TEST_P(TablesTest, ATableThatWasNeverOpenedAnswersFailedPrecondition) {
  Table none;
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("OpenTable"));
  EXPECT_EQ(none.name(), "");
  EXPECT_THAT(none.Get("k"), refused);
  EXPECT_THAT(none.MultiGet({"k", "l"}), ElementsAre(refused, refused));
  EXPECT_THAT(none.Scan().status(), refused);
  EXPECT_THAT(none.Put("k", "v"), refused);
  EXPECT_THAT(none.Delete("k"), refused);
  EXPECT_THAT(none.DeleteRange("a", "b"), refused);
  WriteBatch batch;
  batch.Put(none, "k", "v");
  EXPECT_THAT(store_->Commit(batch), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace mooring
