// FAULTS rows 5, 8 and 9: a volume whose calls fail, that turns read-only, or that hangs.

#include <errno.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/store.h"
#include "src/base/posix_file.h"
#include "src/base/steady_clock.h"
#include "src/engine/base_file_system.h"
#include "tests/testing/fault_file_system.h"
#include "tests/testing/loop_volume.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

using ::testing::AllOf;
using testing::FaultFileSystem;
using ::testing::HasSubstr;
using testing::LoopVolume;
using testing::RunInOwnMounts;
using testing::StatusIs;
using testing::TempDirectory;

constexpr absl::Duration kBound = absl::Seconds(60);

CommitOptions Within(absl::Duration timeout) {
  CommitOptions options;
  options.timeout = timeout;
  return options;
}

bool Await(const std::function<bool()>& condition) {
  const Deadline deadline(kBound);
  while (!condition()) {
    if (deadline.Passed()) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

Options SmallStore(const std::string& volume) {
  Options options;
  options.volume = volume;
  options.allow_unsafe_volume = true;  // The disk of a test may be a container's own.
  options.wal_file_bytes = 1 << 20;
  options.max_wal_bytes = 4 << 20;
  return options;
}

// A store whose engine stands on a file system that the test makes fail and hang.
class FaultyVolumeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string made;
    for (size_t end = 0; end != std::string::npos;) {
      end = directory_.path().find('/', end + 1);
      made = directory_.path().substr(0, end);
      ASSERT_TRUE(files_->CreateDirIfMissing(made, {}, nullptr).ok()) << made;
    }
    engine::SetOperatingSystemForTesting(files_);
    Open();
    // The volume itself is real, and expects something where the engine's files should be.
    ASSERT_OK(WriteFileDurably(directory_.path() + "/data/elsewhere", ""));
  }
  void TearDown() override {
    files_->faults().Clear();
    if (store_ != nullptr) {
      EXPECT_TRUE(store_->Close(kBound).released);
    }
    engine::SetOperatingSystemForTesting(nullptr);
  }
  void Open() {
    Options options = SmallStore(directory_.path());
    options.health_monitor = monitor_;
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(options));
    ASSERT_OK_AND_ASSIGN(table_, store_->OpenTable("t"));
  }

  const TempDirectory directory_;
  const std::shared_ptr<FaultFileSystem> files_ = FaultFileSystem::Create();
  const std::shared_ptr<HealthMonitor> monitor_ = std::make_shared<HealthMonitor>();
  std::unique_ptr<Store> store_;
  Table table_;
};

TEST_F(FaultyVolumeTest, DeadlineIsHonouredWhileASyncHangs) {
  ASSERT_OK(table_.Put("before", "value"));
  files_->faults().Stall(testing::kSyncCall, ".log");
  EXPECT_THAT(table_.Put("during", "value", Within(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  Value value;
  EXPECT_OK(table_.Get("before", &value));
  ASSERT_TRUE(Await([&] { return store_->health().stall.has_value(); }));
  const Health health = store_->health();
  EXPECT_THAT(health.stall->operation, AllOf(HasSubstr("fdatasync"), HasSubstr(".log")));
  EXPECT_GE(health.stall->age, absl::Seconds(1));
  EXPECT_EQ(health.state, Health::State::kServing);
  files_->faults().Clear();
  ASSERT_OK(table_.Put("after", "value"));
  EXPECT_TRUE(Await([&] { return !store_->health().stall.has_value(); }));
  EXPECT_OK(table_.Get("during", &value));  // Unknown then; it did happen.
}

TEST_F(FaultyVolumeTest, CloseReturnsInTimeWhileASyncHangs) {
  ASSERT_OK(table_.Put("before", "value"));
  files_->faults().Stall(testing::kSyncCall, ".log");
  EXPECT_THAT(table_.Put("during", "value", Within(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  CloseReport report = store_->Close(absl::Milliseconds(50));
  EXPECT_FALSE(report.synced);
  EXPECT_FALSE(report.released);
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(Await([&] { return monitor_->Get().stall.has_value(); }));
  files_->faults().Clear();
  report = store_->Close(kBound);
  EXPECT_TRUE(report.synced && report.released) << report.status;
  Open();
  Value value;
  EXPECT_OK(table_.Get("during", &value));
}

// A failed sync may have dropped what it should have written: nothing is acknowledged after it.
TEST_F(FaultyVolumeTest, FailedSyncEndsWritingUntilReopened) {
  ASSERT_OK(table_.Put("before", "value"));
  files_->LoseSync(1, ".log");
  EXPECT_THAT(table_.Put("unknown", "value"), StatusIs(absl::StatusCode::kDataLoss));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(table_.Put("refused", "value"), StatusIs(absl::StatusCode::kFailedPrecondition));
  }
  EXPECT_EQ(store_->health().state, Health::State::kReadOnly);
  EXPECT_FALSE(store_->health().reason.ok());
  Value value;
  EXPECT_OK(table_.Get("before", &value));
  EXPECT_FALSE(store_->Close(kBound).synced);
  Open();
  EXPECT_EQ(store_->health().state, Health::State::kServing);
  EXPECT_OK(table_.Get("before", &value));
  EXPECT_THAT(table_.Get("refused", &value), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(table_.Put("after", "value"));
}

TEST_F(FaultyVolumeTest, ReadOnlyVolumeEndsWritingAtOnce) {
  ASSERT_OK(table_.Put("before", "value"));
  files_->FailCall(1, testing::kMutatingCalls, EROFS, /*permanent=*/true);
  EXPECT_THAT(table_.Put("unknown", "value", Within(kBound)),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(store_->health().state, Health::State::kReadOnly);
  EXPECT_THAT(store_->health().reason.ToString(), HasSubstr("Read-only file system"));
}

// Quota and space alike: a commit that meets no room waits for it, within its deadline.
TEST_F(FaultyVolumeTest, CommitThatMeetsAFullVolumeWaits) {
  ASSERT_OK(table_.Put("before", "value"));
  files_->FailCall(1, testing::kWriteCall, EDQUOT, /*permanent=*/true);
  EXPECT_THAT(table_.Put("during", "value", Within(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_TRUE(Await([&] { return store_->health().state == Health::State::kFull; }));
  EXPECT_THAT(table_.Put("refused", "value", Within(kBound)),
              StatusIs(absl::StatusCode::kResourceExhausted));
  files_->faults().Clear();
  EXPECT_TRUE(Await([&] { return table_.Put("after", "value").ok(); }));
  EXPECT_TRUE(Await([&] { return store_->health().state == Health::State::kServing; }));
  Value value;
  EXPECT_OK(table_.Get("during", &value));
  EXPECT_THAT(table_.Get("refused", &value), StatusIs(absl::StatusCode::kNotFound));
}

TEST(RealVolumeTest, Ext4ThatTurnsReadOnlyEndsWriting) {
  RunInOwnMounts(absl::Seconds(120), [](const std::string& directory) {
    ASSERT_OK_AND_ASSIGN(auto volume, LoopVolume::Make({}, directory));
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(SmallStore(volume->path())));
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    ASSERT_OK(table.Put("before", "value"));
    ASSERT_OK(volume->TurnReadOnly());
    EXPECT_THAT(table.Put("unknown", "value", Within(kBound)),
                StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_EQ(store->health().state, Health::State::kReadOnly);
    EXPECT_FALSE(store->health().reason.ok());
    Value value;
    EXPECT_OK(table.Get("before", &value));
    EXPECT_TRUE(store->Close(kBound).released);
  });
}

TEST(RealVolumeTest, FrozenExt4HoldsCommitsAndGoesOn) {
  RunInOwnMounts(absl::Seconds(120), [](const std::string& directory) {
    ASSERT_OK_AND_ASSIGN(auto volume, LoopVolume::Make({}, directory));
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(SmallStore(volume->path())));
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    ASSERT_OK(table.Put("before", "value"));
    ASSERT_OK(volume->Freeze());
    EXPECT_THAT(table.Put("during", "value", Within(absl::Milliseconds(100))),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_TRUE(Await([&] { return store->health().stall.has_value(); }));
    std::printf("%s\n", store->health().ToString().c_str());
    Value value;
    EXPECT_OK(table.Get("before", &value));
    CloseReport report = store->Close(absl::Milliseconds(100));
    EXPECT_FALSE(report.released);
    ASSERT_OK(volume->Thaw());
    report = store->Close(kBound);
    EXPECT_TRUE(report.synced && report.released) << report.status;
    ASSERT_OK_AND_ASSIGN(store, Store::Open(SmallStore(volume->path())));
    ASSERT_OK_AND_ASSIGN(table, store->OpenTable("t"));
    EXPECT_OK(table.Get("during", &value));
  });
}

}  // namespace
}  // namespace mooring
