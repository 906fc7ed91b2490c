#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/store/contract_fixture.h"

namespace mooring {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WritesTest : public ContractTest {};
MOORING_CONTRACT(WritesTest);

TEST_P(WritesTest, APutIsReadBackOverwrittenAndDeleted) {
  EXPECT_THAT(table_.Get("k"), IsAbsent());
  EXPECT_OK(table_.Put("k", "1"));
  EXPECT_THAT(table_.Get("k"), Holds("1"));
  EXPECT_OK(table_.Put("k", "2"));
  EXPECT_THAT(table_.Get("k"), Holds("2"));
  EXPECT_OK(table_.Delete("k"));
  EXPECT_THAT(table_.Get("k"), IsAbsent());
  EXPECT_OK(table_.Delete("k")) << "deleting what is not there is no error";
}

TEST_P(WritesTest, KeysAndValuesAreAnyBytes) {
  const std::vector<std::string> all = {"",
                                        std::string(1, '\0'),
                                        std::string("\0\0", 2),
                                        "a",
                                        std::string("a\0", 2),
                                        "\x7f",
                                        "\x80",
                                        "\xff",
                                        "\xff\xff"};
  for (const std::string& bytes : all) EXPECT_OK(table_.Put(bytes, bytes));
  EXPECT_EQ(Keys(table_.Scan()), all) << "keys are ordered as unsigned bytes";
  Reopen();
  for (const std::string& bytes : all) EXPECT_THAT(table_.Get(bytes), Holds(bytes));
  EXPECT_EQ(Keys(table_.Scan()), all);
  EXPECT_OK(table_.Delete(""));
  EXPECT_THAT(table_.Get(""), IsAbsent());
}

TEST_P(WritesTest, TheLongestKeyHas64KiB) {
  const std::string longest(kMaxKeyBytes, 'k');
  const std::string longer(kMaxKeyBytes + 1, 'k');
  EXPECT_OK(table_.Put(longest, "v"));
  EXPECT_THAT(table_.Get(longest), Holds("v"));
  EXPECT_THAT(table_.Get(longer), IsAbsent());
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65536"));
  EXPECT_THAT(table_.Put(longer, "v"), refused);
  EXPECT_THAT(table_.Delete(longer), refused);
  EXPECT_THAT(table_.DeleteRange("a", longer), refused);
  EXPECT_OK(table_.DeleteRange("a", longest));
  EXPECT_THAT(table_.Get(longest), Holds("v"));
  EXPECT_OK(table_.Delete(longest));
  EXPECT_THAT(Keys(table_.Scan()), IsEmpty());
}

TEST_P(WritesTest, ValuesMayBeLargerThanAGroupALogFileAndTheMemory) {
  std::vector<std::string> values;
  for (const size_t bytes : {size_t{1} << 20, (size_t{1} << 20) + 1, size_t{5} << 20}) {
    values.emplace_back(bytes, static_cast<char>('a' + values.size()));
    EXPECT_OK(table_.Put(absl::StrCat(bytes), values.back()));
    EXPECT_THAT(table_.Get(absl::StrCat(bytes)), Holds(values.back()));
  }
  Reopen();
  for (const std::string& value : values) {
    EXPECT_THAT(table_.Get(absl::StrCat(value.size())), Holds(value));
  }
}

TEST_P(WritesTest, DeleteRangeTakesItsBeginAndNotItsEnd) {
  for (const char* key : {"a", "b", "ba", "c", "d"}) EXPECT_OK(table_.Put(key, "v"));
  EXPECT_OK(table_.DeleteRange("b", "c"));
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("a", "c", "d"));
  EXPECT_OK(table_.DeleteRange("", "b"));
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("c", "d"));
  EXPECT_OK(table_.Put("b", "again"));
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("b", "c", "d"));
  Reopen();
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("b", "c", "d"));
}

TEST_P(WritesTest, AnEmptyRangeDeletesNothing) {
  EXPECT_OK(table_.Put("k", "v"));
  const Version before = store_->version();
  ASSERT_OK_AND_ASSIGN(const Version version, table_.DeleteRange("k", "k"));
  EXPECT_EQ(version, before) << "an empty commit returns the current version";
  EXPECT_THAT(table_.Get("k"), Holds("v"));
}

// Such an operation in a merged write would poison the engine for good.
TEST_P(WritesTest, AReversedRangeIsRefusedAndHarmsNothing) {
  EXPECT_OK(table_.Put("k", "v"));
  EXPECT_THAT(table_.DeleteRange("z", "a"), StatusIs(absl::StatusCode::kInvalidArgument));
  WriteBatch batch;
  batch.Put(table_, "other", "v");
  batch.DeleteRange(table_, "b", "a");
  EXPECT_THAT(store_->Commit(batch),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("operation 2")));
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("k"));
  EXPECT_OK(table_.Put("k", "w"));
  Reopen();
  EXPECT_THAT(Entries(table_.Scan()), ElementsAre(Entry("k", "w")));
}

TEST_P(WritesTest, ABatchAppliesItsOperationsInOrderOverItsTables) {
  Table other = Open("other");
  EXPECT_OK(table_.Put("old", "v"));
  WriteBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.Put(table_, "a", "1");
  batch.Put(other, "a", "of other");
  batch.Put(table_, "a", "2");
  batch.Put(table_, "gone", "v");
  batch.Delete(table_, "gone");
  batch.DeleteRange(table_, "o", "p");
  batch.Put(table_, "out", "after the range");
  EXPECT_EQ(batch.size(), 7U);
  EXPECT_FALSE(batch.empty());
  EXPECT_GT(batch.bytes(), 0U);
  EXPECT_OK(store_->Commit(batch));
  const auto t = ElementsAre(Entry("a", "2"), Entry("out", "after the range"));
  EXPECT_THAT(Entries(table_.Scan()), t);
  EXPECT_THAT(Entries(other.Scan()), ElementsAre(Entry("a", "of other")));
  Reopen();
  EXPECT_THAT(Entries(table_.Scan()), t);
  EXPECT_THAT(Entries(Open("other").Scan()), ElementsAre(Entry("a", "of other")));
}

TEST_P(WritesTest, ABatchMayBeCommittedAgainClearedAndReused) {
  WriteBatch batch;
  batch.Put(table_, "k", "batch");
  EXPECT_OK(store_->Commit(batch));
  EXPECT_OK(table_.Put("k", "other"));
  EXPECT_OK(store_->Commit(batch));
  EXPECT_THAT(table_.Get("k"), Holds("batch"));
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.size(), 0U);
  EXPECT_EQ(batch.bytes(), 0U);
  batch.Put(table_, "l", "reused");
  EXPECT_OK(store_->Commit(batch));
  EXPECT_THAT(Entries(table_.Scan()), ElementsAre(Entry("k", "batch"), Entry("l", "reused")));
  WriteBatch copy = batch;
  copy.Put(table_, "m", "copy");
  EXPECT_EQ(batch.size(), 1U);
  EXPECT_OK(store_->Commit(std::move(copy)));
  EXPECT_THAT(table_.Get("m"), Holds("copy"));
}

TEST_P(WritesTest, ABatchCopiesWhatItIsGiven) {
  std::string key = "key";
  std::string value = "value";
  WriteBatch batch;
  batch.Put(table_, key, value);
  key.assign("xxx");
  value.assign("yyyyy");
  EXPECT_OK(store_->Commit(batch));
  EXPECT_THAT(table_.Get("key"), Holds("value"));
}

TEST_P(WritesTest, ABatchOfTwoStoresIsRefused) {
  TempDirectory elsewhere;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> other,
                       GetParam().open(SmallOptions(elsewhere.path())));
  ASSERT_OK_AND_ASSIGN(Table theirs, other->OpenTable("t"));
  WriteBatch batch;
  batch.Put(table_, "k", "v");
  batch.Put(theirs, "k", "v");
  EXPECT_THAT(store_->Commit(batch), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(other->Commit(batch), StatusIs(absl::StatusCode::kInvalidArgument));
  batch.Clear();
  batch.Put(theirs, "k", "v");
  EXPECT_THAT(store_->Commit(batch), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(other->Commit(batch));
  batch.Clear();
  batch.Put(table_, "k", "v");
  EXPECT_OK(store_->Commit(batch)) << "Clear() forgets the other store";
  EXPECT_THAT(Keys(theirs.Scan()), ElementsAre("k"));
}

// A table's number could mean another table in a store that was opened anew.
TEST_P(WritesTest, ABatchOfAnEarlierOpenIsRefused) {
  WriteBatch batch;
  batch.Put(table_, "k", "v");
  Reopen();
  EXPECT_THAT(store_->Commit(batch), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(table_.Get("k"), IsAbsent());
}

TEST_P(WritesTest, ABatchHoldsAtMost256MiB) {
  WriteBatch batch;
  {
    const std::string quarter(kMaxBatchBytes / 4, 'v');
    for (const char* key : {"a", "b", "c", "d"}) batch.Put(table_, key, quarter);
  }
  EXPECT_GT(batch.bytes(), kMaxBatchBytes);
  EXPECT_THAT(store_->Commit(batch), StatusIs(absl::StatusCode::kInvalidArgument,
                                              HasSubstr(absl::StrCat(kMaxBatchBytes))));
  EXPECT_THAT(Keys(table_.Scan()), IsEmpty());
  EXPECT_OK(table_.Put("k", "v"));
}

TEST_P(WritesTest, ManyOperationsInOneBatch) {
  WriteBatch batch;
  for (int i = 0; i < 20000; ++i) batch.Put(table_, absl::StrCat(i), absl::StrCat("value", i));
  const Version before = store_->version();
  ASSERT_OK_AND_ASSIGN(const Version version, store_->Commit(batch));
  EXPECT_EQ(version.sequence, before.sequence + 20000);
  Reopen();
  EXPECT_EQ(Keys(table_.Scan()).size(), 20000U);
  EXPECT_THAT(table_.Get("19999"), Holds("value19999"));
}

TEST_P(WritesTest, EachOperationHasAVersion) {
  ASSERT_OK_AND_ASSIGN(const Version first, table_.Put("a", "v"));
  EXPECT_EQ(store_->version(), first);
  WriteBatch batch;
  batch.Put(table_, "a", "1");
  batch.Delete(table_, "b");
  batch.DeleteRange(table_, "c", "c");  // Deletes nothing and takes no version.
  batch.DeleteRange(table_, "c", "d");
  ASSERT_OK_AND_ASSIGN(const Version second, store_->Commit(batch, kUnsynced));
  EXPECT_EQ(second, (Version{first.epoch, first.sequence + 3}));
  EXPECT_EQ(store_->version(), second);
  ASSERT_OK_AND_ASSIGN(const Version third, table_.Delete("a"));
  EXPECT_EQ(third, (Version{first.epoch, first.sequence + 4}));
}

TEST_P(WritesTest, AnEmptyCommitChangesNothingAndReturnsTheCurrentVersion) {
  ASSERT_OK_AND_ASSIGN(const Version last, table_.Put("a", "v"));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const Version version, store_->Commit(WriteBatch()));
    EXPECT_EQ(version, last);
  }
  EXPECT_EQ(store_->version(), last);
  ASSERT_OK_AND_ASSIGN(const Version next, table_.Put("a", "w"));
  EXPECT_EQ(next.sequence, last.sequence + 1);
}

TEST_P(WritesTest, VersionsGrowAlsoOverReopeningsAndTables) {
  Version last;
  for (int life = 0; life < 4; ++life) {
    EXPECT_GT(store_->version().epoch, last.epoch);
    for (int i = 0; i < 3; ++i) {
      ASSERT_OK_AND_ASSIGN(const Version version,
                           table_.Put("k", "v", i == 1 ? kUnsynced : CommitOptions()));
      EXPECT_GT(version, last);
      EXPECT_GT(version.sequence, last.sequence);
      last = version;
      Open(absl::StrCat("table", life, ".", i));
      EXPECT_GE(store_->version(), last);
    }
    Reopen();
    EXPECT_GT(store_->version(), last);
  }
}

TEST_P(WritesTest, EitherDurabilityIsReadAtOnceAndThereAfterReopening) {
  EXPECT_OK(table_.Put("process", "1", {Durability::kProcess, absl::InfiniteDuration()}));
  EXPECT_THAT(table_.Get("process"), Holds("1"));
  EXPECT_OK(table_.Put("volume", "2", {Durability::kVolume, absl::InfiniteDuration()}));
  EXPECT_THAT(table_.Get("volume"), Holds("2"));
  EXPECT_OK(table_.Put("process again", "3", kUnsynced));
  Reopen();
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("process", "process again", "volume"));
}

TEST_P(WritesTest, ACommitWithinItsTimeoutIsAnOrdinaryOne) {
  const Version before = store_->version();
  const CommitOptions within{Durability::kVolume, absl::Hours(1)};
  ASSERT_OK_AND_ASSIGN(const Version version, table_.Put("a", "v", within));
  EXPECT_EQ(version.sequence, before.sequence + 1);
  EXPECT_OK(table_.Put("b", "v", {Durability::kProcess, absl::Hours(1)}));
  EXPECT_OK(table_.DeleteRange("a", "b", within));
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("b"));
  Reopen();
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("b"));
}

TEST_P(WritesTest, ACommitWhoseTimeIsUpIsWholeOrAbsent) {
  for (int i = 0; i < 200; ++i) {
    const absl::Duration timeout = absl::Microseconds(i / 2);
    Table other = Open("other");
    WriteBatch batch;
    batch.Put(table_, absl::StrCat(i), "v");
    batch.Put(other, absl::StrCat(i), "v");
    const absl::StatusOr<Version> version = store_->Commit(batch, {Durability::kVolume, timeout});
    const Snapshot now = Take();
    if (version.ok()) {
      EXPECT_THAT(table_.Get(absl::StrCat(i), now), Holds("v"));
    } else {
      EXPECT_THAT(version, StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("unknown")));
    }
    EXPECT_EQ(Keys(table_.Scan(AsOf(now))), Keys(other.Scan(AsOf(now))));
  }
  Reopen();
  EXPECT_EQ(Keys(table_.Scan()), Keys(Open("other").Scan()));
}

}  // namespace
}  // namespace mooring
