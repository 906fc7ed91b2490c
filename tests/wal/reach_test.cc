// W9: after a crash a log is searched as far as frames may have been written, and no less.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/wal/inventory_file.h"
#include "tests/testing/fault_file_system.h"
#include "tests/wal/rocksdb_fixture.h"

namespace mooring::wal {
namespace {

using mooring::testing::FaultFileSystem;
using mooring::testing::IsOk;
using mooring::testing::StatusIs;
using ::testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;
const rocksdb::IOOptions kNone;

class ReachTest : public ::testing::Test {
 protected:
  ReachTest() {
    options_ = TestLogOptions("/db");
    options_.file_bytes = 8 * kMiB;
    options_.spares = 1;
    options_.base = files_;
    options_.test.spares_inline = true;
    options_.test.no_idle_witness = true;  // It would know without any search.
  }

  // Log 5 with so many synced bytes, and what power cuts leave of it.
  std::vector<std::shared_ptr<FaultFileSystem>> WriteAndCut(uint64_t bytes, int cuts) {
    absl::StatusOr<std::shared_ptr<LogFileSystem>> fs = LogFileSystem::Open(options_);
    EXPECT_OK(fs);
    std::unique_ptr<rocksdb::FSWritableFile> log;
    EXPECT_TRUE((*fs)->NewWritableFile("/db/000005.log", {}, &log, nullptr).ok());
    for (uint64_t at = 0; at < bytes; at += kFrame) {
      EXPECT_TRUE(log->Append(std::string(kFrame, 'x'), kNone, nullptr).ok());
      EXPECT_TRUE(log->Sync(kNone, nullptr).ok());
    }
    std::vector<std::shared_ptr<FaultFileSystem>> left;
    for (int seed = 1; seed <= cuts; ++seed) {
      left.push_back(files_->CrashClone(static_cast<uint64_t>(seed)));
    }
    return left;
  }
  std::shared_ptr<FaultFileSystem> WriteAndCut(uint64_t bytes) {
    return WriteAndCut(bytes, 1).front();
  }

  static void Zero(FaultFileSystem& files, const std::string& name, uint64_t from, uint64_t size) {
    std::unique_ptr<rocksdb::FSRandomRWFile> raw;
    ASSERT_TRUE(files.NewRandomRWFile("/db/" + name, {}, &raw, nullptr).ok());
    ASSERT_TRUE(raw->Write(from, std::string(size, '\0'), kNone, nullptr).ok());
  }

  absl::StatusOr<std::shared_ptr<LogFileSystem>> OpenAfter(std::shared_ptr<FaultFileSystem> files) {
    LogOptions after = options_;
    after.test = TestSwitches();
    after.test.spares_inline = true;
    after.base = std::move(files);
    return LogFileSystem::Open(after);
  }

  // All of the first MiB but its beginning is lost: what proves it stands beyond. How many openings
  // after a power cut say so.
  int LossesNoticed() {
    int noticed = 0;
    for (const std::shared_ptr<FaultFileSystem>& files : WriteAndCut(3 * kMiB, kCuts)) {
      Zero(*files, "000005.log", 2 * kFrame, kMiB);
      const absl::Status opened = OpenAfter(files).status();
      if (opened.ok()) continue;
      EXPECT_THAT(opened, StatusIs(absl::StatusCode::kDataLoss,
                                   HasSubstr("whole frames follow the damage")));
      ++noticed;
    }
    return noticed;
  }

  static constexpr uint64_t kFrame = 16 << 10;
  static constexpr int kCuts = 20;

  std::shared_ptr<FaultFileSystem> files_ = FaultFileSystem::Create();
  LogOptions options_;
};

TEST_F(ReachTest, FramesFarBehindDamageBearWitness) { EXPECT_EQ(LossesNoticed(), kCuts); }

// The negative control.
TEST_F(ReachTest, FramesBeyondTheReachAreNotSeen) {
  options_.test.write_beyond_reach = true;
  EXPECT_EQ(LossesNoticed(), 0);
}

TEST_F(ReachTest, NoFrameIsWrittenBeforeTheReachIsSynced) {
  ASSERT_OK_AND_ASSIGN(const auto fs, LogFileSystem::Open(options_));
  std::unique_ptr<rocksdb::FSWritableFile> log;
  ASSERT_TRUE(fs->NewWritableFile("/db/000005.log", {}, &log, nullptr).ok());
  files_->faults().Stall(mooring::testing::kSyncCall, InventoryFile::kName);
  std::thread writer([&] {
    for (uint64_t at = 0; at < 2 * kMiB; at += kFrame) {
      EXPECT_TRUE(log->Append(std::string(kFrame, 'x'), kNone, nullptr).ok());
    }
  });
  ASSERT_TRUE(files_->faults().AwaitStalledCall());
  ASSERT_OK_AND_ASSIGN(const auto left, OpenAfter(files_->KillClone()));
  EXPECT_LT(left->recovery().logical_bytes, static_cast<int64_t>(2 * kReachUnit));
  EXPECT_GT(left->recovery().logical_bytes, static_cast<int64_t>(kReachUnit));
  files_->faults().Clear();
  writer.join();
}

TEST_F(ReachTest, OfAShortLogLittleIsRead) {
  ASSERT_OK_AND_ASSIGN(const auto fs, OpenAfter(WriteAndCut(64 << 10)));
  EXPECT_GE(fs->recovery().logical_bytes, 64 << 10);
  EXPECT_LE(fs->recovery().bytes_read, kMiB);
}

// What is searched is in proportion to what there is.
TEST_F(ReachTest, OfALongLogAQuarterMoreIsRead) {
  ASSERT_OK_AND_ASSIGN(const auto fs, OpenAfter(WriteAndCut(4 * kMiB)));
  EXPECT_LE(fs->recovery().bytes_read, 6 * kMiB);
}

// One slot is damaged: it may have been the newer one, and the reach of the other an older one.
TEST_F(ReachTest, ReachBesideALostSlotIsNotBelieved) {
  for (const uint64_t slot : {0, 1}) {
    files_ = FaultFileSystem::Create();
    options_.base = files_;
    const std::shared_ptr<FaultFileSystem> files = WriteAndCut(3 * kMiB);
    Zero(*files, InventoryFile::kName, slot * kInventorySlotBytes, kInventorySlotBytes);
    ASSERT_OK_AND_ASSIGN(const auto fs, OpenAfter(files));
    EXPECT_GE(fs->recovery().bytes_read, static_cast<int64_t>(8 * kMiB)) << slot;
  }
}

// A damaged log that an opening finds is found again by the next.
TEST_F(ReachTest, OpeningKeepsTheReach) {
  const std::shared_ptr<FaultFileSystem> files = WriteAndCut(64 << 10);
  for (int opening = 0; opening < 3; ++opening) {
    ASSERT_OK_AND_ASSIGN(const auto fs, OpenAfter(files));
    EXPECT_LE(fs->recovery().bytes_read, kMiB);
    std::unique_ptr<rocksdb::FSWritableFile> log;
    const std::string name = "/db/" + LogName(static_cast<uint64_t>(6 + opening));
    ASSERT_TRUE(fs->NewWritableFile(name, {}, &log, nullptr).ok());
  }
}

// A log whose entry is lost with its slot is listed again: what is not listed counts as empty.
TEST_F(ReachTest, LogWhoseEntryIsLostIsListedAgain) {
  const std::shared_ptr<FaultFileSystem> files = WriteAndCut(64 << 10);
  // The first log is listed by the second write, which is slot 0.
  Zero(*files, InventoryFile::kName, 0, kInventorySlotBytes);
  std::shared_ptr<FaultFileSystem> left;
  {
    ASSERT_OK_AND_ASSIGN(const auto fs, OpenAfter(files));
    EXPECT_GE(fs->recovery().logical_bytes, 64 << 10);
    std::unique_ptr<rocksdb::FSWritableFile> log;
    ASSERT_TRUE(fs->NewWritableFile("/db/000006.log", {}, &log, nullptr).ok());
    left = files->KillClone();
  }
  Zero(*left, "000005.log", kHeaderBytes, kBlockBytes);
  EXPECT_THAT(OpenAfter(left).status(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace mooring::wal
