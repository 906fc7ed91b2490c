// Going back in time through the public API: Store::Rewind() and RestoreCopy().

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "mooring/store.h"
#include "tests/servers/archive_place.h"
#include "tests/store/contract_fixture.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Holds;
using testing::IsAbsent;
using testing::StatusIs;

const CommitOptions kArchived{Durability::kArchive, absl::InfiniteDuration()};
constexpr absl::Duration kAges = absl::Minutes(2);

class RewindTest : public ::testing::Test {
 protected:
  struct Opened {
    std::unique_ptr<Store> store;
    Table table;
  };

  void SetUp() override { MOORING_NEED_PLACE(place_); }

  Options OptionsFor(const std::string& volume) {
    fs::create_directories(directory_.File(volume));
    Options options = testing::SmallOptions(directory_.File(volume));
    options.archive.url = place_.Url();
    options.archive.ship_interval = absl::Milliseconds(20);
    options.archive.fence_check_interval = absl::Milliseconds(50);
    options.archive.takeover_wait = absl::Milliseconds(300);
    return options;
  }
  static Opened Adopt(absl::StatusOr<std::unique_ptr<Store>> store) {
    Opened opened;
    EXPECT_OK(store);
    if (!store.ok()) return opened;
    opened.store = *std::move(store);
    auto table = opened.store->OpenTable("t");
    EXPECT_OK(table);
    if (table.ok()) opened.table = *std::move(table);
    return opened;
  }
  Opened Open(const std::string& volume) { return Adopt(Store::Open(OptionsFor(volume))); }
  Opened Rewind(const std::string& volume, const RewindTarget& target) {
    return Adopt(Store::Rewind(OptionsFor(volume), target));
  }
  static void Close(Opened& opened) {
    const CloseReport report = opened.store->Close(kAges);
    EXPECT_OK(report.status);
    EXPECT_TRUE(report.archived);
    opened = {};
  }
  absl::StatusOr<RestoreCopyReport> Copy(const RewindTarget& target, const std::string& to) {
    fs::create_directories(directory_.File(to));
    RestoreCopyOptions options;
    options.allow_unsafe_volume = true;
    return RestoreCopy(OptionsFor("unused").archive, target, directory_.File(to), options);
  }
  Opened OpenCopy(const std::string& copy) {
    Options options = OptionsFor(copy);
    options.archive = {};
    options.create_if_missing = false;
    return Adopt(Store::Open(options));
  }

  testing::HangGuard guard_;
  testing::TempDirectory directory_;
  testing::ArchivePlace place_;
};

TEST_F(RewindTest, AVersionIsGoneBackToAndTheRestStaysReachable) {
  Opened first = Open("a");
  ASSERT_OK(first.table.Put("key", "1", kArchived));
  ASSERT_OK_AND_ASSIGN(const Version good, first.table.Put("key", "2"));
  ASSERT_OK_AND_ASSIGN(const Version bad, first.table.Put("key", "3"));
  const std::string id = first.store->id();
  Close(first);

  Opened second = Rewind("a", RewindTarget::To(good));
  EXPECT_EQ(second.store->id(), id);
  EXPECT_THAT(second.table.Get("key"), Holds("2"));
  EXPECT_GT(second.store->version(), bad);
  ASSERT_OK_AND_ASSIGN(const Version after, second.table.Put("after", "4", kArchived));
  EXPECT_GT(after, bad);
  EXPECT_THAT(second.store->WaitArchived(bad, kAges), StatusIs(absl::StatusCode::kDataLoss));
  Close(second);

  Opened elsewhere = Open("b");
  EXPECT_THAT(elsewhere.table.Get("key"), Holds("2"));
  EXPECT_THAT(elsewhere.table.Get("after"), Holds("4"));
  Close(elsewhere);

  ASSERT_OK_AND_ASSIGN(const RestoreCopyReport report, Copy(RewindTarget::To(bad), "copy"));
  EXPECT_TRUE(report.left_behind);
  EXPECT_EQ(report.version, bad);
  EXPECT_EQ(report.copied_from, id);
  EXPECT_NE(report.store_id, id);
  Opened copy = OpenCopy("copy");
  EXPECT_EQ(copy.store->id(), report.store_id);
  EXPECT_THAT(copy.table.Get("key"), Holds("3"));
  EXPECT_THAT(copy.table.Get("after"), IsAbsent());
  EXPECT_GT(*copy.table.Put("of its own", "5"), bad);
}

TEST_F(RewindTest, ATableThatWasDroppedIsBackAtATimeBefore) {
  Opened first = Open("a");
  for (int i = 0; i < 50; ++i) ASSERT_OK(first.table.Put(absl::StrCat(i), "value"));
  ASSERT_OK(first.table.Put("last", "value", kArchived));
  absl::SleepFor(absl::Milliseconds(200));
  const absl::Time before = absl::Now();
  absl::SleepFor(absl::Milliseconds(200));
  first.table = {};
  ASSERT_OK(first.store->DropTable("t"));
  ASSERT_OK_AND_ASSIGN(Table since, first.store->OpenTable("since"));
  ASSERT_OK_AND_ASSIGN(const Version left, since.Put("key", "work since then", kArchived));
  since = {};
  Close(first);

  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store,
                       Store::Rewind(OptionsFor("a"), RewindTarget::To(before)));
  EXPECT_THAT(*store->ListTables(), ElementsAre("t"));
  {
    ASSERT_OK_AND_ASSIGN(const Table table, store->OpenTable("t"));
    for (int i = 0; i < 50; ++i) EXPECT_THAT(table.Get(absl::StrCat(i)), Holds("value"));
  }
  EXPECT_TRUE(store->Close(kAges).archived);
  store.reset();

  ASSERT_OK(Copy(RewindTarget::To(left), "copy"));
  Opened copy = OpenCopy("copy");
  ASSERT_OK_AND_ASSIGN(since, copy.store->OpenTable("since"));
  EXPECT_THAT(since.Get("key"), Holds("work since then"));
}

// Where there is no table to write to, the new lineage has its own first operation all the same.
TEST_F(RewindTest, AVolumeThatStayedBehindIsLeftAlsoByAStoreWithoutTables) {
  Opened first = Open("a");
  ASSERT_OK(first.table.Put("key", "1", kArchived));
  first.table = {};
  ASSERT_OK(first.store->DropTable("t"));
  Close(first);
  {
    ASSERT_OK_AND_ASSIGN(const auto empty, Store::Open(OptionsFor("a")));
    EXPECT_OK(empty->WaitArchived(empty->version(), kAges));
    EXPECT_TRUE(empty->Close(kAges).archived);
  }
  absl::SleepFor(absl::Milliseconds(200));
  const absl::Time before = absl::Now();
  absl::SleepFor(absl::Milliseconds(200));
  first = Open("a");
  ASSERT_OK(first.table.Put("key", "left behind", kArchived));
  Close(first);
  fs::copy(directory_.File("a"), directory_.File("stayed"), fs::copy_options::recursive);

  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store,
                       Store::Rewind(OptionsFor("a"), RewindTarget::To(before)));
  EXPECT_THAT(*store->ListTables(), ElementsAre());
  const Version forked = store->version();
  EXPECT_TRUE(store->Close(kAges).archived);
  ASSERT_OK_AND_ASSIGN(store, Store::Open(OptionsFor("stayed")));
  EXPECT_THAT(*store->ListTables(), ElementsAre());
  EXPECT_EQ(store->version().sequence, forked.sequence);
}

TEST_F(RewindTest, WhatCannotBeReachedIsRefusedAndChangesNothing) {
  Opened first = Open("a");
  ASSERT_OK(first.table.Put("key", "1", kArchived));
  WriteBatch batch;
  batch.Put(first.table, "key", "2");
  batch.Put(first.table, "other", "2");
  ASSERT_OK_AND_ASSIGN(const Version whole, first.store->Commit(batch));
  ASSERT_OK_AND_ASSIGN(const Version last, first.table.Put("key", "3"));
  batch = {};
  Close(first);

  const auto refuse = [&](const RewindTarget& target) {
    return Store::Rewind(OptionsFor("a"), target).status();
  };
  EXPECT_THAT(refuse(RewindTarget::To(Version{whole.epoch, whole.sequence - 1})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("inside a commit")));
  EXPECT_THAT(refuse(RewindTarget::To(Version{last.epoch, last.sequence + 100})),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(last.ToString())));
  EXPECT_THAT(refuse(RewindTarget::To(Version{last.epoch + 1000, last.sequence})),
              StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(refuse(RewindTarget::To(absl::Now() + absl::Hours(1))),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("last written at")));
  EXPECT_THAT(refuse(RewindTarget::To(absl::Now() - absl::Hours(1))),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("oldest moment")));
  EXPECT_THAT(refuse(RewindTarget::Latest()), StatusIs(absl::StatusCode::kInvalidArgument));
  Options without = OptionsFor("a");
  without.archive = {};
  EXPECT_THAT(Store::Rewind(without, RewindTarget::To(last)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("archive.url")));

  Opened second = Open("a");
  EXPECT_THAT(second.table.Get("key"), Holds("3"));
  Close(second);
}

TEST_F(RewindTest, WhatWasLeftBehindIsNoTargetOfARewind) {
  Opened first = Open("a");
  ASSERT_OK_AND_ASSIGN(const Version good, first.table.Put("key", "1", kArchived));
  ASSERT_OK_AND_ASSIGN(const Version bad, first.table.Put("key", "2", kArchived));
  Close(first);
  Opened second = Rewind("a", RewindTarget::To(good));
  ASSERT_OK(second.table.Put("key", "3", kArchived));
  Close(second);
  EXPECT_THAT(Store::Rewind(OptionsFor("a"), RewindTarget::To(bad)),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("RestoreCopy")));
  Opened third = Rewind("a", RewindTarget::To(good));  // Once more, across the first rewind.
  EXPECT_THAT(third.table.Get("key"), Holds("1"));
  Close(third);
}

TEST_F(RewindTest, ACopyIsMadeWhileTheOwnerIsAtWork) {
  Opened owner = Open("a");
  ASSERT_OK(owner.table.Put("key", "1", kArchived));
  ASSERT_OK_AND_ASSIGN(const RestoreCopyReport report, Copy(RewindTarget::Latest(), "copy"));
  EXPECT_FALSE(report.left_behind);
  ASSERT_OK(owner.table.Put("key", "2", kArchived));
  Opened copy = OpenCopy("copy");
  EXPECT_THAT(copy.table.Get("key"), Holds("1"));
  EXPECT_THAT(Copy(RewindTarget::Latest(), "copy"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("holds store")));
  fs::create_directories(directory_.File("used/something"));
  EXPECT_THAT(Copy(RewindTarget::Latest(), "used"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  Close(owner);
}

TEST_F(RewindTest, WhereThereIsNoArchiveThereIsNoCopy) {
  EXPECT_THAT(Copy(RewindTarget::Latest(), "copy"), StatusIs(absl::StatusCode::kNotFound));
}

// Another pod's volume still holds what was left behind.
TEST_F(RewindTest, AnOldVolumeDoesNotUndoARewind) {
  Opened first = Open("a");
  ASSERT_OK_AND_ASSIGN(const Version good, first.table.Put("key", "1", kArchived));
  ASSERT_OK(first.table.Put("key", "2", kArchived));
  Close(first);
  fs::copy(directory_.File("a"), directory_.File("old"), fs::copy_options::recursive);
  Opened second = Rewind("a", RewindTarget::To(good));
  Close(second);  // Nobody wrote to the new lineage.
  Opened again = Open("a");
  EXPECT_THAT(again.table.Get("key"), Holds("1"));
  Close(again);
  Opened old = Open("old");
  EXPECT_THAT(old.table.Get("key"), Holds("1"));
  Close(old);
}

}  // namespace
}  // namespace mooring
