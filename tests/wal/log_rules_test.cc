// The rules of the log one by one, on a file system in memory that fails, stalls and loses power.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/testing/fault_file_system.h"
#include "tests/wal/rocksdb_fixture.h"

namespace mooring::wal {
namespace {

using mooring::testing::FaultFileSystem;
using mooring::testing::IsOk;
using mooring::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

const rocksdb::IOOptions kNone;

// The log by itself, without RocksDB above it.
class LogRulesTest : public ::testing::Test {
 protected:
  LogRulesTest() {
    options_ = TestLogOptions("/db");
    options_.file_bytes = 64 << 10;
    options_.base = files_;
    options_.test.spares_inline = true;
    options_.witness_delay = absl::Milliseconds(1);
  }

  void Open() { ASSERT_OK_AND_ASSIGN(fs_, LogFileSystem::Open(options_)); }

  std::unique_ptr<rocksdb::FSWritableFile> NewLog(uint64_t number) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    const rocksdb::IOStatus made =
        fs_->NewWritableFile("/db/" + LogName(number), {}, &file, nullptr);
    EXPECT_TRUE(made.ok()) << made.ToString();
    return file;
  }

  static rocksdb::IOStatus Append(rocksdb::FSWritableFile* log, const std::string& data) {
    return log->Append(data, kNone, nullptr);
  }

  std::string Content(uint64_t number) {
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    const rocksdb::IOStatus opened =
        fs_->NewSequentialFile("/db/" + LogName(number), {}, &file, nullptr);
    if (!opened.ok()) return opened.ToString();
    std::string scratch(1 << 20, '\0');
    rocksdb::Slice content;
    EXPECT_TRUE(file->Read(scratch.size(), kNone, &content, scratch.data(), nullptr).ok());
    return content.ToString();
  }

  // 0 where there is none: without a frame it was dropped.
  static uint64_t Length(LogFileSystem& fs, uint64_t number) {
    uint64_t size = 0;
    const rocksdb::IOStatus found = fs.GetFileSize("/db/" + LogName(number), kNone, &size, nullptr);
    EXPECT_TRUE(found.ok() || found.IsPathNotFound()) << found.ToString();
    return size;
  }

  std::vector<std::string> LogNames() {
    std::vector<std::string> names;
    EXPECT_TRUE(fs_->GetChildren("/db", kNone, &names, nullptr).ok());
    const auto other = [](const std::string& name) { return LogNumberOfName(name) == 0; };
    names.erase(std::remove_if(names.begin(), names.end(), other), names.end());
    return names;
  }

  // Whether a log opens on what a power cut leaves, for each of many cuts.
  int FalseAlarms(const TestSwitches& test = {}) {
    int alarms = 0;
    for (uint64_t seed = 1; seed <= 100; ++seed) {
      LogOptions after = options_;
      after.base = files_->CrashClone(seed);
      after.test = test;
      alarms += !LogFileSystem::Open(after).ok();
    }
    return alarms;
  }

  bool AwaitWitness() {
    for (int i = 0; i < 60000 && !fs_->witnessed(); ++i) absl::SleepFor(absl::Milliseconds(1));
    return fs_->witnessed();
  }

  // Holds the sync of a log halfway, appends meanwhile, and counts false alarms after a power cut.
  int FalseAlarmsOfASyncUnderWay() {
    Open();
    auto log = NewLog(5);
    EXPECT_TRUE(Append(log.get(), "first").ok());
    files_->faults().Stall(mooring::testing::kSyncCall, ".log");
    std::thread syncer([&] { EXPECT_TRUE(log->Sync(kNone, nullptr).ok()); });
    EXPECT_TRUE(files_->faults().AwaitStalledCall());
    // Far enough apart to lie in another block, which may survive alone.
    EXPECT_TRUE(Append(log.get(), std::string(5000, 'x')).ok());
    EXPECT_TRUE(Append(log.get(), "last").ok());
    const int alarms = FalseAlarms();
    files_->faults().Clear();
    syncer.join();
    return alarms;
  }

  std::shared_ptr<FaultFileSystem> files_ = FaultFileSystem::Create();
  LogOptions options_;
  std::shared_ptr<LogFileSystem> fs_;
};

TEST_F(LogRulesTest, ReadsBackWhatWasAppended) {
  Open();
  auto log = NewLog(5);
  std::string all;
  for (int i = 0; i < 200; ++i) {
    const std::string part(static_cast<size_t>(i * 7 % 1500), static_cast<char>('a' + i % 26));
    ASSERT_TRUE(Append(log.get(), part).ok());
    all += part;
    ASSERT_EQ(Content(5), all);
  }
  ASSERT_TRUE(log->Sync(kNone, nullptr).ok());
  log.reset();
  fs_.reset();
  Open();
  EXPECT_EQ(Content(5), all);
  EXPECT_EQ(Content(5), all) << "read twice";
}

// W3. A sync that has not answered yet proves nothing.
TEST_F(LogRulesTest, PositionIsClaimedOnlyAfterItsSyncAnswered) {
  EXPECT_EQ(FalseAlarmsOfASyncUnderWay(), 0);
}
TEST_F(LogRulesTest, ClaimBeforeTheSyncIsCaught) {
  options_.test.claim_before_sync = true;
  EXPECT_GT(FalseAlarmsOfASyncUnderWay(), 0);
}

// W3. Bytes that the device lost after a sync are missed through the claims of later frames.
TEST_F(LogRulesTest, ClaimOfALaterFrameProvesLostBytes) {
  for (const bool no_claims : {false, true}) {
    files_ = FaultFileSystem::Create();
    options_.base = files_;
    options_.test.no_idle_witness = true;
    options_.test.no_claims = no_claims;
    fs_.reset();
    Open();
    auto log = NewLog(5);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(Append(log.get(), std::string(5000, 'x')).ok());
      ASSERT_TRUE(log->Sync(kNone, nullptr).ok());
    }
    LogOptions after = options_;
    auto clone = files_->KillClone();
    std::unique_ptr<rocksdb::FSRandomRWFile> raw;
    ASSERT_TRUE(clone->NewRandomRWFile("/db/000005.log", {}, &raw, nullptr).ok());
    ASSERT_TRUE(raw->Write(4096 + 200, std::string(100, '\0'), kNone, nullptr).ok());
    after.base = clone;
    const absl::Status opened = LogFileSystem::Open(after).status();
    if (no_claims) {
      EXPECT_OK(opened) << "the negative control";
    } else {
      EXPECT_THAT(opened, StatusIs(absl::StatusCode::kDataLoss,
                                   HasSubstr("000005.log: damaged at offset 4096: log bytes 0 to "
                                             "10000 had been synced")));
    }
  }
}

// W8. What a killed owner wrote into one slot is on the disk before the other is overwritten.
TEST_F(LogRulesTest, InventoryOfAKilledOwnerSurvivesAPowerCutInTheNextWrite) {
  options_.test.no_idle_witness = true;
  Open();
  // So many that a slot takes more than one sector, and can tear.
  std::vector<std::unique_ptr<rocksdb::FSWritableFile>> logs;
  for (uint64_t number = 5; number < 25; ++number) {
    logs.push_back(NewLog(number));
    ASSERT_TRUE(Append(logs.back().get(), "text").ok());
    ASSERT_TRUE(logs.back()->Sync(kNone, nullptr).ok());
  }
  ASSERT_TRUE(fs_->DeleteFile("/db/000005.log", kNone, nullptr).ok());
  files_->faults().Stall(mooring::testing::kSyncCall, "MOORING-LOGS");
  std::thread killed([&] { NewLog(25); });
  ASSERT_TRUE(files_->faults().AwaitStalledCall());
  const auto left = files_->KillClone();
  files_->faults().Clear();
  killed.join();

  files_ = left;
  options_.base = left;
  Open();
  files_->faults().Stall(mooring::testing::kSyncCall, "MOORING-LOGS");
  std::thread next([&] { NewLog(26); });
  ASSERT_TRUE(files_->faults().AwaitStalledCall());
  EXPECT_EQ(FalseAlarms(), 0);
  files_->faults().Clear();
  next.join();
}

// W6. The file of a deleted log is not used again while its writer has it.
TEST_F(LogRulesTest, FileIsRecycledOnlyAfterItsLastClose) {
  for (const bool recycle_while_open : {false, true}) {
    files_ = FaultFileSystem::Create();
    options_.base = files_;
    options_.test.recycle_while_open = recycle_while_open;
    fs_.reset();
    Open();
    auto old_log = NewLog(5);
    ASSERT_TRUE(Append(old_log.get(), "old").ok());
    ASSERT_TRUE(fs_->DeleteFile("/db/000005.log", kNone, nullptr).ok());
    auto new_log = NewLog(6);
    const std::string text(1000, 'n');
    ASSERT_TRUE(Append(new_log.get(), text).ok());
    ASSERT_TRUE(Append(old_log.get(), std::string(500, 'o')).ok());
    EXPECT_EQ(Content(6) == text, !recycle_while_open);
  }
}

TEST_F(LogRulesTest, ClosedAndDeletedLogIsTheNextSpare) {
  Open();
  for (uint64_t number = 5; number < 30; ++number) {
    auto log = NewLog(number);
    ASSERT_TRUE(Append(log.get(), "text of log " + std::to_string(number)).ok());
    ASSERT_TRUE(log->Close(kNone, nullptr).ok());
    ASSERT_EQ(Content(number), "text of log " + std::to_string(number));
    ASSERT_TRUE(fs_->DeleteFile("/db/" + LogName(number), kNone, nullptr).ok());
  }
  std::vector<std::string> names;
  ASSERT_TRUE(files_->GetChildren("/db", kNone, &names, nullptr).ok());
  EXPECT_LE(names.size(), 5u);
}

// W7.
TEST_F(LogRulesTest, FailedSyncPoisonsEverythingForGood) {
  Open();
  auto log = NewLog(5);
  ASSERT_TRUE(Append(log.get(), "first").ok());
  files_->LoseSync(1);
  const rocksdb::IOStatus failed = log->Sync(kNone, nullptr);
  EXPECT_TRUE(failed.IsIOError() && !failed.GetRetryable() && !failed.GetDataLoss());
  EXPECT_FALSE(log->Sync(kNone, nullptr).ok());
  EXPECT_FALSE(Append(log.get(), "second").ok());
  std::unique_ptr<rocksdb::FSWritableFile> another;
  EXPECT_FALSE(fs_->NewWritableFile("/db/000006.log", {}, &another, nullptr).ok());
  EXPECT_THAT(fs_->status(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("sync log")));
  EXPECT_EQ(fs_->durable().offset, 0u);
}

TEST_F(LogRulesTest, FullVolumeIsAPlainErrorThatRocksDbCannotRetry) {
  Open();
  auto log = NewLog(5);
  files_->FailCall(1, mooring::testing::kWriteCall, ENOSPC, /*permanent=*/true);
  const rocksdb::IOStatus failed = Append(log.get(), "text");
  EXPECT_TRUE(failed.IsIOError() && !failed.IsNoSpace() && !failed.GetRetryable());
  EXPECT_THAT(fs_->status(), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(LogRulesTest, ForgivenErrorIsCaught) {
  options_.test.forgive_errors = true;
  Open();
  auto log = NewLog(5);
  ASSERT_TRUE(Append(log.get(), std::string(9000, 'f')).ok());
  files_->LoseSync(1);
  EXPECT_FALSE(log->Sync(kNone, nullptr).ok());
  ASSERT_TRUE(Append(log.get(), std::string(5000, 'x')).ok());
  ASSERT_TRUE(log->Sync(kNone, nullptr).ok()) << "the control forgives, as ext4 does";
  ASSERT_GT(fs_->durable().offset, 0u);
  ASSERT_TRUE(AwaitWitness());
  // What is acknowledged is gone after a power cut.
  LogOptions after = options_;
  after.base = files_->CrashClone(1);
  EXPECT_THAT(LogFileSystem::Open(after), Not(IsOk()));
}

// W8. After a failed sync the page cache shows what the disk does not hold.
TEST_F(LogRulesTest, WhatOnlyThePageCacheHoldsIsNotRecovered) {
  for (const bool from_cache : {false, true}) {
    files_ = FaultFileSystem::Create();
    options_.base = files_;
    options_.test.no_sync_before_scan = false;
    fs_.reset();
    Open();
    auto log = NewLog(5);
    ASSERT_TRUE(Append(log.get(), std::string(5000, 'x')).ok());
    files_->LoseSync(1);
    EXPECT_FALSE(log->Sync(kNone, nullptr).ok());
    log.reset();
    fs_.reset();
    options_.test.no_sync_before_scan = from_cache;
    Open();
    EXPECT_EQ(Length(*fs_, 5), from_cache ? 5000u : 0u);
  }
}

// W1. Without a spare the log starts small and grows; lack of space for spares is no failure.
TEST_F(LogRulesTest, LogWorksWithoutSpares) {
  options_.spares = 0;
  Open();
  std::string all;
  auto log = NewLog(5);
  for (int i = 0; i < 100; ++i) {
    const std::string part(3000, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(Append(log.get(), part).ok());
    ASSERT_TRUE(log->Sync(kNone, nullptr).ok());
    all += part;
  }
  EXPECT_EQ(FalseAlarms(), 0);
  log.reset();
  fs_.reset();
  Open();
  EXPECT_EQ(Content(5), all);
  EXPECT_OK(fs_->status());
}

// W4.
TEST_F(LogRulesTest, EmptyLogsInTheChainAreNoLoss) {
  Open();
  std::vector<std::unique_ptr<rocksdb::FSWritableFile>> logs;
  for (uint64_t number = 5; number < 10; ++number) logs.push_back(NewLog(number));
  ASSERT_TRUE(Append(logs.back().get(), "text").ok());
  ASSERT_TRUE(logs.back()->Sync(kNone, nullptr).ok());
  EXPECT_EQ(FalseAlarms(), 0);
  logs.clear();
  fs_.reset();
  Open();
  EXPECT_EQ(LogNames(), std::vector<std::string>{"000009.log"});
  EXPECT_EQ(Content(9), "text");
}

// RocksDB keeps them until a later one is flushed, and each is as large as any.
TEST_F(LogRulesTest, OpeningsThatWriteNothingLeaveOneLog) {
  for (uint64_t number = 5; number < 25; ++number) {
    fs_.reset();
    Open();
    EXPECT_LE(LogNames().size(), 1u);
    if (number % 2 == 0) {
      files_ = files_->KillClone();
      options_.base = files_;
    }
    auto log = NewLog(number);
  }
  EXPECT_EQ(FalseAlarms(), 0);
}

TEST_F(LogRulesTest, LogAfterATornOneIsTail) {
  Open();
  auto first = NewLog(5);
  ASSERT_TRUE(Append(first.get(), std::string(5000, 'a')).ok());
  auto second = NewLog(6);
  ASSERT_TRUE(Append(second.get(), std::string(5000, 'b')).ok());
  int tails = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    LogOptions after = options_;
    after.base = files_->CrashClone(seed);
    ASSERT_OK_AND_ASSIGN(auto fs, LogFileSystem::Open(after));
    const uint64_t sizes[2] = {Length(*fs, 5), Length(*fs, 6)};
    EXPECT_TRUE(sizes[0] == 5000 || sizes[1] == 0) << sizes[0] << " then " << sizes[1];
    tails += fs->recovery().tail_logs_cut > 0;
  }
  EXPECT_GT(tails, 0);
}

TEST_F(LogRulesTest, RecoveredLogCannotBeChanged) {
  Open();
  auto log = NewLog(5);
  ASSERT_TRUE(Append(log.get(), "text").ok());
  log.reset();
  fs_.reset();
  Open();
  std::unique_ptr<rocksdb::FSWritableFile> again;
  ASSERT_TRUE(fs_->ReopenWritableFile("/db/000005.log", {}, &again, nullptr).ok());
  EXPECT_TRUE(again->Truncate(4, kNone, nullptr).ok());
  EXPECT_FALSE(again->Truncate(3, kNone, nullptr).ok());
  EXPECT_FALSE(Append(again.get(), "more").ok());
  EXPECT_EQ(Content(5), "text");
}

// W4, W8. What shows a log to be tail outlives an opening that comes to nothing.
TEST_F(LogRulesTest, TailStaysTailAtTheNextOpening) {
  Open();
  auto first = NewLog(5);
  ASSERT_TRUE(Append(first.get(), "lost").ok());
  auto second = NewLog(6);
  ASSERT_TRUE(Append(second.get(), "kept").ok());
  int tails = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    LogOptions after = options_;
    const auto disk = files_->CrashClone(seed);
    after.base = disk;
    ASSERT_OK_AND_ASSIGN(auto fs, LogFileSystem::Open(after));
    tails += fs->recovery().tail_logs_cut > 0;
    after.base = disk->KillClone();  // Before RocksDB did anything.
    ASSERT_OK_AND_ASSIGN(auto again, LogFileSystem::Open(after));
    EXPECT_TRUE(Length(*again, 5) > 0 || Length(*again, 6) == 0) << seed;
  }
  EXPECT_GT(tails, 0);
}

// W3(b), of a log that is listed and has no frame.
TEST_F(LogRulesTest, EmptyLogIsForgottenBeforeItGoes) {
  Open();
  auto first = NewLog(5);
  auto second = NewLog(6);
  first.reset();
  ASSERT_TRUE(fs_->DeleteFile("/db/000005.log", kNone, nullptr).ok());
  LogOptions after = options_;
  after.base = files_->KillClone();
  EXPECT_OK(LogFileSystem::Open(after).status());
  EXPECT_EQ(FalseAlarms(), 0);
}

}  // namespace
}  // namespace mooring::wal
