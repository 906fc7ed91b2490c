// Collection at work beside owners that take over from each other, owners that were overtaken and
// do not know it yet, and readers that take long. A clock that runs fast makes hours of seconds.
// MOORING_COLLECTION_SECONDS says how long it goes on.

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/archive/collector.h"
#include "src/archive/file_fetch.h"
#include "src/archive/pin.h"
#include "src/archive/remote.h"
#include "src/archive/restore_plan.h"
#include "src/base/steady_clock.h"
#include "tests/store/contract_fixture.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

namespace fs = std::filesystem;
using archive::Remote;

constexpr int kFaster = 3600;
const CommitOptions kArchived{Durability::kArchive, absl::InfiniteDuration()};

int64_t FastNow() {
  static const int64_t begin = absl::ToUnixMicros(absl::Now());
  return begin + kFaster * (absl::ToUnixMicros(absl::Now()) - begin);
}

absl::Duration Length() {
  const char* const seconds = std::getenv("MOORING_COLLECTION_SECONDS");
  int count = 0;
  return seconds != nullptr && absl::SimpleAtoi(seconds, &count) ? absl::Seconds(count)
                                                                 : absl::Seconds(20);
}

class CollectionStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    archive::CollectionOptions& options = archive::DefaultCollection();
    options = {};
    options.period = absl::Milliseconds(30);
    options.scrub_period = absl::Milliseconds(500);
    options.now_us = FastNow;
  }
  void TearDown() override { archive::DefaultCollection() = {}; }

  Options OptionsFor(const std::string& volume) {
    fs::create_directories(directory_.File(volume));
    Options options = testing::SmallOptions(directory_.File(volume));
    options.archive.url = "file://" + directory_.File("archive");
    options.archive.ship_interval = absl::Milliseconds(20);
    options.archive.fence_check_interval = absl::Milliseconds(500);
    options.archive.takeover_wait = absl::Milliseconds(50);
    options.archive.retention = absl::Hours(1);
    options.acquire_timeout = absl::Seconds(60);
    return options;
  }
  size_t Objects(const std::string& folder) {
    const auto path = directory_.File("archive/" + folder);
    if (!fs::exists(path)) return 0;
    return std::distance(fs::directory_iterator(path), fs::directory_iterator());
  }

  // What a restore reads, held for a while between the plan and the fetching.
  absl::Status Read(int64_t acknowledged) {
    MOORING_ASSIGN_OR_RETURN(const auto remote,
                             Remote::Connect("file://" + directory_.File("archive"), {}));
    archive::PinOptions options;
    options.now_us = FastNow;
    options.expiry = absl::Hours(kFaster);
    MOORING_ASSIGN_OR_RETURN(const auto pin,
                             archive::PinHolder::Take(&remote->store(), "a reader", options));
    MOORING_ASSIGN_OR_RETURN(const auto journal, remote->ReadAll());
    MOORING_ASSIGN_OR_RETURN(const archive::RestorePlan plan, archive::PlanRestore(journal));
    if (static_cast<int64_t>(plan.state.last_sequence) < acknowledged) {
      return absl::DataLossError(absl::StrCat("the archive reaches ", plan.state.last_sequence,
                                              ", but ", acknowledged, " was acknowledged"));
    }
    if (!plan.complete) return absl::DataLossError("something is damaged");
    MOORING_RETURN_IF_ERROR(pin->Narrow(plan));
    absl::SleepFor(absl::Milliseconds(200));
    for (const archive::LogPiece& piece : plan.logs) {
      if (piece.entry->As<archive::LogEntry>()->last_slot != 0) continue;
      MOORING_RETURN_IF_ERROR(
          remote->store().Get(archive::SlotKey(piece.entry->slot), {}).status());
    }
    const std::string to = directory_.File("fetched");
    for (const auto& file : plan.checkpoint->As<archive::CheckpointEntry>()->files) {
      MOORING_RETURN_IF_ERROR(archive::FetchFile(remote->store(), file, to));
    }
    ++reads_;
    return absl::OkStatus();
  }

  // Owner after owner, each on the volume of the one before the last, while that one still runs.
  void WriteAndTakeOver() {
    std::unique_ptr<Store> zombie;
    for (int owner = 0; !done_; ++owner) {
      const std::string volume = absl::StrCat("v", owner % 3);
      auto store = Store::Open(OptionsFor(volume));
      ASSERT_OK(store);
      auto table = (*store)->OpenTable("t");
      ASSERT_OK(table);
      const Deadline turn(absl::Seconds(3));
      for (int i = 0; !done_ && !turn.Passed(); ++i) {
        const auto version = table->Put("count", absl::StrCat(++written_), kArchived);
        ASSERT_OK(version);
        acknowledged_ = static_cast<int64_t>(version->sequence);
        acknowledged_count_ = written_;
        if (i % 40 == 39) {
          ASSERT_OK((*store)->OpenTable(absl::StrCat("t", owner, "-", i)));
        }
        most_objects_ = std::max(most_objects_, Objects("journal") + Objects("merged"));
        const ArchiveStatus status = (*store)->archive_status();
        ASSERT_OK(status.last_error);
        if (status.last_collection > absl::InfinitePast()) collected_ = true;
        absl::SleepFor(absl::Milliseconds(5));
      }
      if (zombie != nullptr) zombie->Close(absl::Seconds(60)).status.IgnoreError();
      zombie = *std::move(store);
      fs::remove_all(directory_.File(absl::StrCat("v", (owner + 1) % 3)));
    }
    zombie->Close(absl::Seconds(60)).status.IgnoreError();
  }

  testing::HangGuard guard_{1100};
  testing::TempDirectory directory_;
  std::atomic<bool> done_{false};
  std::atomic<int64_t> acknowledged_{0};
  int64_t written_ = 0;
  int64_t acknowledged_count_ = 0;
  size_t most_objects_ = 0;
  int reads_ = 0;
  std::atomic<bool> collected_{false};
};

TEST_F(CollectionStoreTest, BesideZombiesAndReadersNothingIsLostAndTheSizeStaysBounded) {
  std::thread writer([this] { WriteAndTakeOver(); });
  const Deadline end(Length());
  while (acknowledged_ == 0 && !HasFailure()) absl::SleepFor(absl::Milliseconds(5));
  while (!end.Passed() && !HasFailure()) {
    const absl::Status read = Read(acknowledged_);
    EXPECT_OK(read);
    if (!read.ok()) break;
  }
  done_ = true;
  writer.join();
  EXPECT_TRUE(collected_);
  EXPECT_GT(reads_, 0);
  // Entries of the last hours of the clock; some thousands were written in a minute.
  EXPECT_LT(most_objects_, 1500u);
  auto store = Store::Open(OptionsFor("elsewhere"));
  ASSERT_OK(store);
  auto table = (*store)->OpenTable("t");
  ASSERT_OK(table);
  EXPECT_THAT(table->Get("count"), testing::Holds(absl::StrCat(acknowledged_count_)));
  EXPECT_OK((*store)->Close(absl::Seconds(60)).status);
  std::printf("%lld commits, %d reads, at most %zu objects of the journal\n",
              static_cast<long long>(written_), reads_, most_objects_);
}

TEST_F(CollectionStoreTest, ControlWithoutPinsAReaderFails) {
  archive::DefaultCollection().pins_are_kept = false;
  std::thread writer([this] { WriteAndTakeOver(); });
  while (acknowledged_ == 0 && !HasFailure()) absl::SleepFor(absl::Milliseconds(5));
  absl::Status read;
  for (const Deadline end(absl::Seconds(60)); read.ok() && !end.Passed();) {
    read = Read(acknowledged_);
  }
  done_ = true;
  writer.join();
  EXPECT_TRUE(absl::IsNotFound(read) || absl::IsDataLoss(read)) << read;
}

}  // namespace
}  // namespace mooring
