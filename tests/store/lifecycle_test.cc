#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/store.h"
#include "tests/store/contract_fixture.h"
#include "tests/testing/child_process.h"

namespace mooring {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using StoreOr = absl::StatusOr<std::unique_ptr<Store>>;

class LifecycleTest : public ::testing::Test {
 protected:
  LifecycleTest() : options_(SmallOptions(directory_.path())) {}

  static ChildProcess* Holder(const std::string& volume, absl::Duration acquire_timeout) {
    return new ChildProcess({MOORING_STORE_CHILD, "hold", volume,
                             absl::StrCat(absl::ToInt64Milliseconds(acquire_timeout))});
  }
  Options WithTimeout(absl::Duration acquire_timeout) const {
    Options options = options_;
    options.acquire_timeout = acquire_timeout;
    return options;
  }
  // Opens with a long timeout on a thread of its own, and returns when it waits for the owner.
  std::future<StoreOr> OpenWaiting() {
    auto waiting = std::make_shared<std::atomic<bool>>(false);
    Options options = WithTimeout(absl::Minutes(2));
    options.progress = [waiting](const Progress& progress) {
      if (progress.phase == Progress::Phase::kAcquiringLock) *waiting = true;
    };
    auto opened = std::async(std::launch::async, [options] { return Store::Open(options); });
    while (!*waiting) absl::SleepFor(absl::Milliseconds(1));  // Ended by the guard, if never.
    return opened;
  }

  HangGuard guard_;
  TempDirectory directory_;
  Options options_;
};

TEST_F(LifecycleTest, HealthIsStartingWhileOpenRunsThenServingThenClosed) {
  options_.health_monitor = std::make_shared<HealthMonitor>();
  EXPECT_EQ(options_.health_monitor->Get().state, Health::State::kStarting);
  std::map<Progress::Phase, Health::State> seen;
  options_.progress = [&](const Progress& progress) {
    seen[progress.phase] = options_.health_monitor->Get().state;
  };
  for (int life = 0; life < 2; ++life) {
    seen.clear();
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
    EXPECT_EQ(seen[Progress::Phase::kServing], Health::State::kServing);
    seen.erase(Progress::Phase::kServing);
    EXPECT_EQ(seen.count(Progress::Phase::kInspectingVolume), 1U);
    for (const auto& [phase, state] : seen) {
      EXPECT_EQ(state, Health::State::kStarting) << PhaseName(phase);
    }
    EXPECT_EQ(store->health().state, Health::State::kServing);
    EXPECT_EQ(store->health().ToString(), "serving");
    EXPECT_FALSE(store->health().stall.has_value());
    store->Close(absl::Minutes(2));
    EXPECT_EQ(options_.health_monitor->Get().state, Health::State::kClosed);
    EXPECT_OK(options_.health_monitor->Get().reason);
  }
}

TEST_F(LifecycleTest, HealthSaysWhyAnOpenFailed) {
  options_.health_monitor = std::make_shared<HealthMonitor>();
  options_.create_if_missing = false;
  const StoreOr store = Store::Open(options_);
  const Health health = options_.health_monitor->Get();
  EXPECT_EQ(health.state, Health::State::kClosed);
  EXPECT_EQ(health.reason, store.status());
  EXPECT_THAT(health.ToString(), HasSubstr("NOT_FOUND"));
}

TEST_F(LifecycleTest, ProgressGoesThroughItsPhasesInOrder) {
  options_.write_buffer_bytes = int64_t{8} << 20;  // So that all of it is still log.
  options_.max_wal_bytes = int64_t{16} << 20;
  std::vector<Progress> calls;
  options_.progress = [&](const Progress& progress) { calls.push_back(progress); };
  for (int life = 0; life < 3; ++life) {
    calls.clear();
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
    ASSERT_FALSE(calls.empty());
    EXPECT_EQ(calls.front().phase, Progress::Phase::kInspectingVolume);
    EXPECT_EQ(calls.back().phase, Progress::Phase::kServing);
    EXPECT_TRUE(std::is_sorted(calls.begin(), calls.end(),
                               [](const auto& a, const auto& b) { return a.phase < b.phase; }));
    int64_t bytes_read = 0;
    int64_t bytes_replayed = 0;
    for (const Progress& call : calls) {
      EXPECT_GE(call.done, 0);
      EXPECT_LE(call.done, call.total) << PhaseName(call.phase);
      if (call.phase == Progress::Phase::kReadingLog) bytes_read = call.done;
      if (call.phase == Progress::Phase::kReplayingLog) bytes_replayed = call.done;
    }
    EXPECT_GE(bytes_read, life == 0 ? 0 : 2500 * 1000) << "the log of the life before is read";
    EXPECT_GE(bytes_replayed, life == 0 ? 0 : 2 << 20) << "told while it goes on, each MiB";
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    for (int i = 0; i < 2500; ++i) {
      EXPECT_OK(table.Put(absl::StrCat(i), std::string(1000, 'v'), kUnsynced));
    }
    EXPECT_TRUE(store->Close(absl::Minutes(2)).released);
  }
}

TEST_F(LifecycleTest, CloseSyncsAndReleases) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
  ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
  EXPECT_OK(table.Put("k", "v", kUnsynced));
  for (int call = 0; call < 2; ++call) {  // The second reports the same close.
    const CloseReport report = store->Close(absl::Minutes(2));
    EXPECT_OK(report.status);
    EXPECT_TRUE(report.synced);
    EXPECT_TRUE(report.released);
    EXPECT_EQ(report.readers, 0);
  }
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> next, Store::Open(WithTimeout(absl::ZeroDuration())));
  ASSERT_OK_AND_ASSIGN(Table again, next->OpenTable("t"));
  EXPECT_THAT(again.Get("k"), Holds("v"));
  EXPECT_TRUE(store->Close(absl::ZeroDuration()).released) << "still the same close";
}

TEST_F(LifecycleTest, CloseDoesNotWaitForReadersPastItsTimeout) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
  ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
  EXPECT_OK(table.Put("a", "1"));
  EXPECT_OK(table.Put("b", "2"));
  auto iterator = std::make_unique<Iterator>(table.Scan());
  CloseReport report = store->Close(absl::Milliseconds(1));
  while (!report.synced) report = store->Close(absl::Milliseconds(1));  // On a slow disk.
  EXPECT_FALSE(report.released);
  EXPECT_EQ(report.readers, 1);
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("1 read")));
  EXPECT_THAT(Store::Open(WithTimeout(absl::ZeroDuration())),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  std::vector<std::string> keys;  // It stays alive, so that the next owner has to wait.
  for (; iterator->Valid(); iterator->Next()) keys.emplace_back(iterator->key());
  EXPECT_THAT(keys, ElementsAre("a", "b")) << "the reader goes on";
  std::future<StoreOr> next = OpenWaiting();
  iterator.reset();
  EXPECT_OK(next.get());
  report = store->Close(absl::Minutes(2));
  EXPECT_TRUE(report.released);
  EXPECT_EQ(report.readers, 0);
  EXPECT_OK(report.status);
}

TEST_F(LifecycleTest, ASnapshotIsAReader) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
  ASSERT_OK_AND_ASSIGN(Snapshot snapshot, store->TakeSnapshot());
  const Version version = snapshot.version();
  const CloseReport report = store->Close(absl::Milliseconds(1));
  EXPECT_FALSE(report.released);
  EXPECT_EQ(report.readers, 1);
  EXPECT_EQ(snapshot.version(), version);
  snapshot = Snapshot();
  EXPECT_TRUE(store->Close(absl::Minutes(2)).released);
}

// The process may end right after it: nothing of the engine may still run then.
TEST_F(LifecycleTest, TheDestructorReturnsWhenTheVolumeIsReleased) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store,
                         Store::Open(WithTimeout(absl::ZeroDuration())));
  }
}

TEST_F(LifecycleTest, TheDestructorDoesNotWaitForReaders) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
  ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
  EXPECT_OK(table.Put("a", "1", kUnsynced));
  auto iterator = std::make_unique<Iterator>(table.Scan());
  store.reset();
  EXPECT_THAT(table.Get("a"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Entries(std::move(*iterator)), ElementsAre(Entry("a", "1")));
  iterator.reset();
  ASSERT_OK_AND_ASSIGN(store, Store::Open(options_));
  ASSERT_OK_AND_ASSIGN(table, store->OpenTable("t"));
  EXPECT_THAT(table.Get("a"), Holds("1"));
}

TEST_F(LifecycleTest, AnOpenStoreRefusesASecondOpenInItsProcess) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
  for (const absl::Duration timeout : {absl::ZeroDuration(), absl::Milliseconds(120)}) {
    EXPECT_THAT(Store::Open(WithTimeout(timeout)),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(absl::StrCat(getpid()))));
  }
  EXPECT_EQ(store->health().state, Health::State::kServing) << "the owner is not disturbed";
  EXPECT_OK(store->OpenTable("t"));
}

TEST_F(LifecycleTest, ASecondOpenInItsProcessWaitsForTheFirstToClose) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
  ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
  std::future<StoreOr> next = OpenWaiting();
  ASSERT_OK_AND_ASSIGN(const Version last, table.Put("k", "v", kUnsynced));
  EXPECT_TRUE(store->Close(absl::Minutes(2)).released);
  StoreOr second = next.get();
  ASSERT_OK(second);
  EXPECT_GT((*second)->version(), last);
  ASSERT_OK_AND_ASSIGN(Table again, (*second)->OpenTable("t"));
  EXPECT_THAT(again.Get("k"), Holds("v"));
}

TEST_F(LifecycleTest, AnotherProcessIsRefusedOrWaits) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
  std::unique_ptr<ChildProcess> refused(Holder(directory_.path(), absl::ZeroDuration()));
  EXPECT_THAT(refused->ReadLine(),
              AllOf(HasSubstr("refused FAILED_PRECONDITION"), HasSubstr(absl::StrCat(getpid()))));
  std::unique_ptr<ChildProcess> next(Holder(directory_.path(), absl::Minutes(3)));
  ASSERT_EQ(next->ReadLine(), "waiting");
  EXPECT_TRUE(store->Close(absl::Minutes(2)).released);
  ASSERT_EQ(next->ReadLine(), "serving");
  EXPECT_THAT(
      Store::Open(WithTimeout(absl::ZeroDuration())),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(absl::StrCat(next->pid()))));
  std::future<StoreOr> again = OpenWaiting();
  next->CloseInput();
  EXPECT_OK(again.get());
  EXPECT_EQ(next->ReadLine(), "released");
}

TEST_F(LifecycleTest, AKilledOwnerFreesTheVolume) {
  std::unique_ptr<ChildProcess> owner(Holder(directory_.path(), absl::ZeroDuration()));
  ASSERT_EQ(owner->ReadLine(), "serving");
  std::future<StoreOr> next = OpenWaiting();
  owner->Signal(SIGKILL);
  EXPECT_OK(next.get());
}

TEST_F(LifecycleTest, AnEmptyVolumeIsNotStartedOnWhereThatIsForbidden) {
  options_.create_if_missing = false;
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Store::Open(options_),
                StatusIs(absl::StatusCode::kNotFound,
                         AllOf(HasSubstr(directory_.path()), HasSubstr("create_if_missing"))));
  }
  options_.create_if_missing = true;
  EXPECT_OK(Store::Open(options_));
  options_.create_if_missing = false;
  EXPECT_OK(Store::Open(options_)) << "a volume with a store is opened";
}

TEST_F(LifecycleTest, APathThatCannotHoldAStoreIsRefused) {
  options_.volume = directory_.File("missing");
  EXPECT_THAT(Store::Open(options_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(options_.volume)));
  options_.volume = directory_.File("file");
  std::ofstream(options_.volume) << "not a directory";
  EXPECT_THAT(Store::Open(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a directory")));
  options_.volume = directory_.path();
  EXPECT_THAT(Store::Open(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("directory of its own")));
}

TEST_F(LifecycleTest, AStoreHasOneIdAndAnotherIsRefused) {
  const std::string given = "0123456789abcdef0123456789abcdef";
  options_.store_id = given;
  {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
    EXPECT_EQ(store->id(), given);
  }
  options_.store_id = "";
  {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
    EXPECT_EQ(store->id(), given);
  }
  options_.store_id = "fedcba9876543210fedcba9876543210";
  EXPECT_THAT(Store::Open(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(given), HasSubstr(options_.store_id))));
  options_.store_id = "short";
  EXPECT_THAT(Store::Open(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("short")));
  options_.store_id = given;
  EXPECT_OK(Store::Open(options_));
}

TEST_F(LifecycleTest, TwoStoresHaveTwoIds) {
  TempDirectory elsewhere;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> a, Store::Open(options_));
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> b, Store::Open(SmallOptions(elsewhere.path())));
  EXPECT_NE(a->id(), b->id());
  EXPECT_EQ(a->id().size(), 32U);
}

TEST_F(LifecycleTest, EachOptionOutOfItsLimitsIsNamed) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  const auto expect = [&](const char* name, auto Options::*option, const auto& bad) {
    Options options = options_;
    options.*option = bad;
    EXPECT_THAT(Store::Open(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)))
        << name;
  };
  expect("volume", &Options::volume, std::string());
  for (const int64_t bad : {int64_t{-1}, int64_t{0}, kMiB - 1}) {
    if (bad != 0) expect("cache_bytes", &Options::cache_bytes, bad);
    if (bad != 0) expect("write_buffer_bytes", &Options::write_buffer_bytes, bad);
    if (bad != 0) expect("memory_budget_bytes", &Options::memory_budget_bytes, bad);
    expect("wal_file_bytes", &Options::wal_file_bytes, bad);
  }
  expect("write_buffer_bytes", &Options::write_buffer_bytes, 4096 * kMiB + 1);
  expect("wal_file_bytes", &Options::wal_file_bytes, 1024 * kMiB + 1);
  expect("max_wal_bytes", &Options::max_wal_bytes, options_.wal_file_bytes - 1);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path())) << "a refused open touches nothing";
}

// A directory on tmpfs, where the machine has one.
class TmpfsTest : public LifecycleTest {
 protected:
  void SetUp() override {
    constexpr unsigned kTmpfsMagic = 0x01021994;
    struct statfs info = {};
    if (statfs("/dev/shm", &info) != 0 || static_cast<unsigned>(info.f_type) != kTmpfsMagic ||
        mkdtemp(path_.data()) == nullptr) {
      GTEST_SKIP() << "/dev/shm is no tmpfs that can be written";
    }
    made_ = true;
    options_ = SmallOptions(path_);
  }
  void TearDown() override {
    std::error_code ignored;
    if (made_) std::filesystem::remove_all(path_, ignored);
  }

  std::string path_ = "/dev/shm/mooring-test-XXXXXX";
  bool made_ = false;
};

TEST_F(TmpfsTest, TmpfsIsRefusedByNameWithTheRemedy) {
  options_.allow_unsafe_volume = false;
  EXPECT_THAT(Store::Open(options_), StatusIs(absl::StatusCode::kFailedPrecondition,
                                              AllOf(HasSubstr("tmpfs"), HasSubstr(path_),
                                                    HasSubstr("persistent volume"))));
  EXPECT_TRUE(std::filesystem::is_empty(path_)) << "a refused open touches nothing";
}

TEST_F(TmpfsTest, TmpfsIsAcceptedWhereTheCallerSaysSo) {
  for (int life = 0; life < 2; ++life) {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(options_));
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    EXPECT_OK(table.Put(absl::StrCat(life), "v"));
    EXPECT_EQ(Keys(table.Scan()).size(), static_cast<size_t>(life) + 1);
  }
}

}  // namespace
}  // namespace mooring
