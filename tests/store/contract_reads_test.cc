#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/store/contract_fixture.h"

namespace mooring {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A scan told by `prefix`, `begin` and `end`.
ScanOptions Range(std::string prefix, std::string begin, std::string end, bool reverse = false) {
  ScanOptions options;
  options.prefix = std::move(prefix);
  options.begin = std::move(begin);
  options.end = std::move(end);
  options.reverse = reverse;
  return options;
}
ScanOptions Prefix(std::string prefix, bool reverse = false) {
  return Range(std::move(prefix), "", "", reverse);
}

class ReadsTest : public ContractTest {
 protected:
  void PutAll(const std::vector<std::string>& keys) {
    WriteBatch batch;
    for (const std::string& key : keys) batch.Put(table_, key, "v:" + key);
    EXPECT_OK(store_->Commit(batch, kUnsynced));
  }
};
MOORING_CONTRACT(ReadsTest);

TEST_P(ReadsTest, AScanGivesAllKeysInEitherOrder) {
  EXPECT_THAT(Entries(table_.Scan()), IsEmpty());
  EXPECT_THAT(Entries(table_.Scan(Prefix("", true))), IsEmpty());
  PutAll({"b", "a", "c"});
  EXPECT_THAT(Entries(table_.Scan()),
              ElementsAre(Entry("a", "v:a"), Entry("b", "v:b"), Entry("c", "v:c")));
  EXPECT_THAT(Keys(table_.Scan(Prefix("", true))), ElementsAre("c", "b", "a"));
}

TEST_P(ReadsTest, BoundsHoldTheBeginAndNotTheEnd) {
  PutAll({"a", "b", "ba", "c", "d"});
  for (const bool reopened : {false, true}) {
    if (reopened) Reopen();
    EXPECT_THAT(Keys(table_.Scan(Range("", "b", "d"))), ElementsAre("b", "ba", "c"));
    EXPECT_THAT(Keys(table_.Scan(Range("", "b", "d", true))), ElementsAre("c", "ba", "b"));
    EXPECT_THAT(Keys(table_.Scan(Range("", "bb", ""))), ElementsAre("c", "d"));
    EXPECT_THAT(Keys(table_.Scan(Range("", "", "b", true))), ElementsAre("a"));
    EXPECT_THAT(Keys(table_.Scan(Range("", "e", ""))), IsEmpty());
    EXPECT_THAT(Keys(table_.Scan(Range("", "e", "", true))), IsEmpty());
    EXPECT_THAT(Keys(table_.Scan(Range("", "", "a"))), IsEmpty());
    EXPECT_THAT(Keys(table_.Scan(Range("", "c", "c"))), IsEmpty());
  }
}

TEST_P(ReadsTest, PrefixAndBoundsMeanTheKeysWithinAll) {
  PutAll({"p", "p1", "p2", "p3", "q"});
  EXPECT_THAT(Keys(table_.Scan(Prefix("p"))), ElementsAre("p", "p1", "p2", "p3"));
  EXPECT_THAT(Keys(table_.Scan(Prefix("p", true))), ElementsAre("p3", "p2", "p1", "p"));
  EXPECT_THAT(Keys(table_.Scan(Range("p", "p2", ""))), ElementsAre("p2", "p3"));
  EXPECT_THAT(Keys(table_.Scan(Range("p", "", "p2", true))), ElementsAre("p1", "p"));
  EXPECT_THAT(Keys(table_.Scan(Range("p", "a", "z"))), ElementsAre("p", "p1", "p2", "p3"));
  EXPECT_THAT(Keys(table_.Scan(Range("p", "q", ""))), IsEmpty());
  EXPECT_THAT(Keys(table_.Scan(Range("p", "q", "r", true))), IsEmpty());
  EXPECT_THAT(Keys(table_.Scan(Range("p", "", "a"))), IsEmpty());
  EXPECT_THAT(Keys(table_.Scan(Prefix("none"))), IsEmpty());
}

// The last byte of such a prefix cannot be raised to find where it ends.
TEST_P(ReadsTest, APrefixMayEndInItsHighestByte) {
  PutAll({"a", "a\xfe", "a\xff", "a\xff\xff", "a\xffz", "b", "\xff", "\xff\x01", "\xff\xff"});
  EXPECT_THAT(Keys(table_.Scan(Prefix("a\xff"))), ElementsAre("a\xff", "a\xffz", "a\xff\xff"));
  EXPECT_THAT(Keys(table_.Scan(Prefix("a\xff", true))),
              ElementsAre("a\xff\xff", "a\xffz", "a\xff"));
  EXPECT_THAT(Keys(table_.Scan(Prefix("\xff"))), ElementsAre("\xff", "\xff\x01", "\xff\xff"));
  EXPECT_THAT(Keys(table_.Scan(Prefix("\xff\xff", true))), ElementsAre("\xff\xff"));
  EXPECT_THAT(Keys(table_.Scan(Prefix("\xff", true))), ElementsAre("\xff\xff", "\xff\x01", "\xff"));
}

TEST_P(ReadsTest, AScanEndsAtItsLimit) {
  PutAll({"a", "b", "c", "d"});
  ScanOptions options;
  for (const uint64_t limit : {0, 1, 3, 4, 5}) {
    options.limit = limit;
    options.reverse = false;
    EXPECT_EQ(Keys(table_.Scan(options)).size(), std::min<uint64_t>(limit, 4));
    options.reverse = true;
    EXPECT_EQ(Keys(table_.Scan(options)).size(), std::min<uint64_t>(limit, 4));
  }
  options.limit = 2;
  EXPECT_THAT(Keys(table_.Scan(options)), ElementsAre("d", "c"));
}

TEST_P(ReadsTest, ReversedBoundsAreRefused) {
  PutAll({"a"});
  Iterator iterator = table_.Scan(Range("", "b", "a"));
  EXPECT_FALSE(iterator.Valid());
  EXPECT_THAT(iterator.status(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(ReadsTest, AScanSeesTheMomentItBegan) {
  PutAll({"a", "c"});
  Iterator iterator = table_.Scan();
  PutAll({"b"});
  EXPECT_OK(table_.Delete("c"));
  EXPECT_OK(table_.DeleteRange("a", "b"));
  EXPECT_THAT(Keys(std::move(iterator)), ElementsAre("a", "c"));
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("b"));
}

TEST_P(ReadsTest, AnIteratorMayBeMoved) {
  PutAll({"a", "b", "c"});
  Iterator first = table_.Scan();
  first.Next();
  Iterator second = std::move(first);
  EXPECT_EQ(second.key(), "b");
  EXPECT_EQ(second.value(), "v:b");
  second = table_.Scan(Prefix("c"));
  EXPECT_THAT(Keys(std::move(second)), ElementsAre("c"));
}

TEST_P(ReadsTest, MultiGetAnswersInTheOrderOfItsKeys) {
  PutAll({"a", "b", "c"});
  EXPECT_OK(table_.Put("", "of the empty key"));
  for (const bool reopened : {false, true}) {
    if (reopened) Reopen();
    EXPECT_THAT(table_.MultiGet({"c", "none", "a", "", "c"}),
                ElementsAre(Holds("v:c"), IsAbsent(), Holds("v:a"), Holds("of the empty key"),
                            Holds("v:c")));
    EXPECT_THAT(table_.MultiGet({}), IsEmpty());
  }
}

TEST_P(ReadsTest, MultiGetOfManyLargeValues) {
  std::vector<std::string> keys;
  for (int i = 0; i < 200; ++i) {
    keys.push_back(absl::StrCat(i));
    EXPECT_OK(table_.Put(keys.back(), std::string(10000, static_cast<char>(i)), kUnsynced));
  }
  Reopen();
  const std::vector<absl::StatusOr<Value>> values =
      table_.MultiGet(std::vector<std::string_view>(keys.begin(), keys.end()));
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(values[static_cast<size_t>(i)], Holds(std::string(10000, static_cast<char>(i))));
  }
}

TEST_P(ReadsTest, ASnapshotSeesOneMomentOfAllTables) {
  Table other = Open("other");
  PutAll({"a"});
  EXPECT_OK(other.Put("a", "1"));
  const Snapshot then = Take();
  EXPECT_EQ(then.version(), store_->version());
  PutAll({"b"});
  EXPECT_OK(other.Put("a", "2"));
  EXPECT_OK(table_.Delete("a"));
  EXPECT_THAT(table_.Get("a", then), Holds("v:a"));
  EXPECT_THAT(table_.Get("b", then), IsAbsent());
  EXPECT_THAT(other.Get("a", then), Holds("1"));
  EXPECT_THAT(other.MultiGet({"a", "b"}, then), ElementsAre(Holds("1"), IsAbsent()));
  EXPECT_THAT(Keys(table_.Scan(AsOf(then))), ElementsAre("a"));
  EXPECT_THAT(Keys(table_.Scan()), ElementsAre("b"));
  EXPECT_LT(then.version(), store_->version());
}

TEST_P(ReadsTest, CopiesOfASnapshotKeepItsMoment) {
  EXPECT_EQ(Snapshot().version(), Version());
  PutAll({"a"});
  Snapshot copy;
  Version version;
  {
    const Snapshot then = Take();
    version = then.version();
    copy = then;
  }
  EXPECT_OK(table_.Put("a", "changed"));
  EXPECT_EQ(copy.version(), version);
  EXPECT_THAT(table_.Get("a", copy), Holds("v:a"));
  Iterator iterator = table_.Scan(AsOf(copy));
  copy = Snapshot();
  EXPECT_THAT(Entries(std::move(iterator)), ElementsAre(Entry("a", "v:a")))
      << "an iterator holds its snapshot";
}

TEST_P(ReadsTest, ASnapshotOfAnotherStoreIsRefused) {
  TempDirectory elsewhere;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> other,
                       GetParam().open(SmallOptions(elsewhere.path())));
  ASSERT_OK_AND_ASSIGN(const Snapshot theirs, other->TakeSnapshot());
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(table_.Get("a", theirs), refused);
  EXPECT_THAT(table_.MultiGet({"a"}, theirs), ElementsAre(refused));
  EXPECT_THAT(table_.Scan(AsOf(theirs)).status(), refused);
}

TEST_P(ReadsTest, AValueOutlivesWhatHappensToItsKey) {
  const std::string small = "small";
  const std::string large(100000, 'l');
  EXPECT_OK(table_.Put("small", small));
  EXPECT_OK(table_.Put("large", large));
  for (const bool reopened : {false, true}) {
    if (reopened) Reopen();  // From memory first, then from a file.
    Value kept_small;
    Value kept_large;
    EXPECT_OK(table_.Get("small", &kept_small));
    EXPECT_OK(table_.Get("large", &kept_large));
    EXPECT_OK(table_.Put("small", "changed"));
    EXPECT_OK(table_.Delete("large"));
    for (int i = 0; i < 300; ++i) {  // Through the memory, and through the cache.
      EXPECT_OK(table_.Put(absl::StrCat(i), std::string(20000, 'x'), kUnsynced));
      EXPECT_OK(table_.Get(absl::StrCat(i)));
    }
    EXPECT_EQ(kept_small.view(), small);
    EXPECT_EQ(kept_large.view(), large);
    EXPECT_OK(table_.Put("small", small));
    EXPECT_OK(table_.Put("large", large));
  }
}

TEST_P(ReadsTest, AValueMayBeMovedReadIntoAgainAndReset) {
  const std::string large(50000, 'l');
  EXPECT_OK(table_.Put("empty", ""));
  EXPECT_OK(table_.Put("small", "s"));
  EXPECT_OK(table_.Put("large", large));
  for (const bool reopened : {false, true}) {
    if (reopened) Reopen();
    Value value;
    EXPECT_EQ(value.view(), "");
    for (const auto& [key, expected] :
         {Entry("small", "s"), Entry("large", large), Entry("empty", ""), Entry("small", "s")}) {
      EXPECT_OK(table_.Get(key, &value));
      EXPECT_EQ(value.view(), expected);
      EXPECT_EQ(value.ToString(), expected);
      Value moved = std::move(value);
      EXPECT_EQ(moved.view(), expected);
      EXPECT_EQ(value.view(), "");  // NOLINT: a value moved from is empty.
      value = std::move(moved);
      EXPECT_EQ(std::string_view(value), expected);
    }
    EXPECT_THAT(table_.Get("none", &value), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_EQ(value.view(), "") << "what was there before is gone";
    EXPECT_OK(table_.Get("large", &value));
    value.Reset();
    EXPECT_EQ(value.view(), "");
    std::vector<Value> many;
    for (int i = 0; i < 20; ++i) {
      many.emplace_back();
      EXPECT_OK(table_.Get(i % 2 == 0 ? "small" : "large", &many.back()));
    }
    for (size_t i = 0; i < many.size(); ++i) EXPECT_EQ(many[i].view(), i % 2 == 0 ? "s" : large);
  }
}

}  // namespace
}  // namespace mooring
