// An archive that does not answer while a store is opened.

#include <filesystem>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "mooring/store.h"
#include "tests/simulation/fault_object_store.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

using ::testing::HasSubstr;
using testing::ObjectFaults;
using testing::SetObjectFaults;
using testing::StatusIs;

const CommitOptions kArchived{Durability::kArchive, absl::InfiniteDuration()};

class ArchiveAwayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::RegisterFaultScheme(1);
    std::filesystem::create_directories(archive_);
    std::filesystem::create_directories(directory_.File("volume"));
  }
  void SetAway(bool away) {
    ObjectFaults faults;
    faults.away = away;
    ASSERT_OK(SetObjectFaults(archive_, faults));
  }
  Options MakeOptions() {
    Options options;
    options.volume = directory_.File("volume");
    options.allow_unsafe_volume = true;
    options.archive.url = "fault://" + archive_;
    options.archive.ship_interval = absl::Milliseconds(20);
    options.archive.takeover_wait = absl::Milliseconds(50);
    return options;
  }
  // A store with one archived commit, closed.
  void MakeStore() {
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(MakeOptions()));
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    ASSERT_OK(table.Put("key", "value", kArchived));
    ASSERT_OK(store->Close(absl::Minutes(1)).status);
  }

  testing::HangGuard guard_;
  testing::TempDirectory directory_;
  const std::string archive_ = directory_.File("archive");
};

TEST_F(ArchiveAwayTest, AnOpenWaitsForItAndSaysSo) {
  MakeStore();
  SetAway(true);
  Options options = MakeOptions();
  options.archive.reach_timeout = absl::Milliseconds(500);
  EXPECT_THAT(Store::Open(options), StatusIs(absl::StatusCode::kUnavailable));

  options.archive.reach_timeout = absl::InfiniteDuration();
  int waits = 0;
  options.progress = [&](const Progress& progress) {
    if (progress.phase != Progress::Phase::kReachingArchive) return;
    if (++waits == 3) SetAway(false);
  };
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(options));
  EXPECT_GE(waits, 3);
  ASSERT_OK(store->Close(absl::Minutes(1)).status);
}

TEST_F(ArchiveAwayTest, WhereToldAGoodVolumeServesAndClaimsLater) {
  MakeStore();
  SetAway(true);
  Options options = MakeOptions();
  options.archive.serve_unreached = true;
  options.archive.reach_timeout = absl::Milliseconds(200);
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(options));
  EXPECT_EQ(store->archive_status().state, ArchiveStatus::State::kUnreached);
  ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
  ASSERT_OK_AND_ASSIGN(const Version version, table.Put("key", "unreached"));
  EXPECT_THAT(table.Put("key2", "", {Durability::kArchive, absl::Milliseconds(100)}),
              StatusIs(absl::StatusCode::kUnavailable));
  SetAway(false);
  while (store->archive_status().state != ArchiveStatus::State::kShipping) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_OK(store->WaitArchived(version, absl::Minutes(1)));
  const CloseReport report = store->Close(absl::Minutes(1));
  EXPECT_OK(report.status);
  EXPECT_TRUE(report.archived);
}

TEST_F(ArchiveAwayTest, AnEmptyVolumeDoesNotServeWithoutIt) {
  MakeStore();
  SetAway(true);
  Options options = MakeOptions();
  options.volume = directory_.File("empty");
  std::filesystem::create_directories(options.volume);
  options.archive.serve_unreached = true;
  options.archive.reach_timeout = absl::Milliseconds(200);
  EXPECT_THAT(Store::Open(options), StatusIs(absl::StatusCode::kUnavailable));
  SetAway(false);
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(options));
  EXPECT_EQ(store->OpenTable("t")->Get("key")->view(), "value");
  ASSERT_OK(store->Close(absl::Minutes(1)).status);
}

// Another owner wrote meanwhile: what this one committed is not the store's past any more.
TEST_F(ArchiveAwayTest, WhoServedWithoutItAndWasOvertakenIsFenced) {
  MakeStore();
  SetAway(true);
  Options options = MakeOptions();
  options.archive.serve_unreached = true;
  options.archive.reach_timeout = absl::Milliseconds(200);
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(options));
  ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
  ASSERT_OK(table.Put("key", "in vain"));
  {
    Options other = MakeOptions();
    other.archive.url = "file://" + archive_;  // It reaches it.
    other.volume = directory_.File("other");
    std::filesystem::create_directories(other.volume);
    ASSERT_OK_AND_ASSIGN(auto second, Store::Open(other));
    ASSERT_OK_AND_ASSIGN(Table seconds_table, second->OpenTable("t"));
    ASSERT_OK(seconds_table.Put("key", "second", kArchived));
    ASSERT_OK(second->Close(absl::Minutes(1)).status);
  }
  SetAway(false);
  while (store->health().state != Health::State::kReadOnly) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_TRUE(IsFenced(table.Put("key", "later").status()));
  EXPECT_TRUE(store->Close(absl::Minutes(1)).released);
  store.reset();
  table = Table();
  ASSERT_OK_AND_ASSIGN(store, Store::Open(MakeOptions()));
  EXPECT_EQ(store->OpenTable("t")->Get("key")->view(), "second");
  ASSERT_OK(store->Close(absl::Minutes(1)).status);
}

// No version comes again: one that was opened meanwhile gave later ones than this one can.
TEST_F(ArchiveAwayTest, WhoServedWithoutItWhileAnotherOpenedIsFencedAndLosesNothing) {
  MakeStore();
  SetAway(true);
  Options options = MakeOptions();
  options.archive.serve_unreached = true;
  options.archive.reach_timeout = absl::Milliseconds(200);
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(options));
  ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
  ASSERT_OK(table.Put("key", "unreached"));
  Version later;
  {
    Options other = MakeOptions();
    other.archive.url = "file://" + archive_;
    other.volume = directory_.File("other");
    std::filesystem::create_directories(other.volume);
    ASSERT_OK_AND_ASSIGN(auto second, Store::Open(other));
    later = second->version();
    ASSERT_OK(second->Close(absl::Minutes(1)).status);
  }
  SetAway(false);
  while (store->health().state != Health::State::kReadOnly) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_TRUE(IsFenced(table.Put("key", "later").status()));
  store.reset();
  table = Table();
  ASSERT_OK_AND_ASSIGN(store, Store::Open(MakeOptions()));
  EXPECT_EQ(store->OpenTable("t")->Get("key")->view(), "unreached");
  EXPECT_LT(later, store->version());
  ASSERT_OK(store->Close(absl::Minutes(1)).status);
}

TEST_F(ArchiveAwayTest, TheLagIsBoundedAlsoBeforeTheClaim) {
  MakeStore();
  SetAway(true);
  Options options = MakeOptions();
  options.archive.serve_unreached = true;
  options.archive.reach_timeout = absl::Milliseconds(200);
  options.archive.max_lag = absl::Milliseconds(100);
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(options));
  ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
  absl::SleepFor(absl::Milliseconds(101));
  EXPECT_THAT(table.Put("key", "late"), StatusIs(absl::StatusCode::kUnavailable));
  SetAway(false);
  while (!table.Put("key", "in time").ok()) absl::SleepFor(absl::Milliseconds(5));
  ASSERT_OK(store->Close(absl::Minutes(1)).status);
}

}  // namespace
}  // namespace mooring
