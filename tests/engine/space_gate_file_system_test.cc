#include "src/engine/space_gate_file_system.h"

#include <errno.h>

#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "tests/testing/fault_file_system.h"

namespace mooring::engine {
namespace {

using rocksdb::FileOptions;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using testing::FaultFileSystem;

class SpaceGateFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(files_.CreateDir("/d", IOOptions(), nullptr).ok());
    ASSERT_TRUE(files_.NewWritableFile("/d/1.sst", {}, &sst_, nullptr).ok());
  }
  std::string Contents(const std::string& path) {
    std::string contents;
    EXPECT_EQ(faults_->disk().ReadFile(path, &contents), 0);
    return contents;
  }
  void AwaitBlocked() {
    while (!gate_->blocked()) std::this_thread::yield();
  }

  const std::shared_ptr<FaultFileSystem> faults_ = FaultFileSystem::Create();
  const std::shared_ptr<SpaceGate> gate_ = std::make_shared<SpaceGate>(absl::Milliseconds(1));
  SpaceGateFileSystem files_{faults_, gate_};
  std::unique_ptr<rocksdb::FSWritableFile> sst_;
};

TEST_F(SpaceGateFileSystemTest, AppendWaitsForRoomAndIsWrittenOnce) {
  gate_->BeginServing();
  const std::string data(100 << 10, 'x');
  ASSERT_TRUE(sst_->Append(data, {}, nullptr).ok());
  faults_->disk().SetCapacity(faults_->disk().UsedBytes() + (40 << 10));  // room for a part
  const std::string more(100 << 10, 'y');
  IOStatus status;
  std::thread thread([&] { status = sst_->Append(more, {}, nullptr); });
  AwaitBlocked();
  faults_->disk().SetCapacity(1 << 30);
  thread.join();
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_FALSE(gate_->blocked());
  ASSERT_TRUE(sst_->Append("end", {}, nullptr).ok());
  EXPECT_EQ(Contents("/d/1.sst"), data + more + "end");
}

TEST_F(SpaceGateFileSystemTest, QuotaIsAFullVolume) {
  gate_->BeginServing();
  faults_->FailCall(1, testing::kWriteCall, EDQUOT);
  EXPECT_TRUE(sst_->Append("data", {}, nullptr).ok());
  EXPECT_EQ(Contents("/d/1.sst"), "data");
}

TEST_F(SpaceGateFileSystemTest, OtherErrorsPass) {
  gate_->BeginServing();
  faults_->FailCall(1, testing::kWriteCall, EIO);
  EXPECT_TRUE(sst_->Append("data", {}, nullptr).IsIOError());
  EXPECT_FALSE(gate_->refused());
}

TEST_F(SpaceGateFileSystemTest, CreatingAndRenamingWait) {
  gate_->BeginServing();
  faults_->FailCall(1, testing::kCreateCall, ENOSPC);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  EXPECT_TRUE(files_.NewWritableFile("/d/000002.dbtmp", {}, &file, nullptr).ok());
  faults_->FailCall(1, testing::kRenameCall, ENOSPC);
  EXPECT_TRUE(files_.RenameFile("/d/000002.dbtmp", "/d/CURRENT", {}, nullptr).ok());
}

// A log can go on without the files it makes ahead, so their making does not wait.
TEST_F(SpaceGateFileSystemTest, FillingAFileMadeAheadFailsAtOnce) {
  gate_->BeginServing();
  std::unique_ptr<rocksdb::FSWritableFile> spare;
  ASSERT_TRUE(files_.NewWritableFile("/d/spare-000001.tmp", {}, &spare, nullptr).ok());
  faults_->FailCall(1, testing::kWriteCall, ENOSPC);
  EXPECT_TRUE(spare->Append(std::string(1 << 20, '\0'), {}, nullptr).IsNoSpace());
  faults_->FailCall(1, testing::kWriteCall, ENOSPC);
  EXPECT_TRUE(spare->Append(std::string(4 << 10, '\0'), {}, nullptr).ok());
}

// ROCKSDB.md: a NoSpace starts a recovery that can end in an abort.
TEST_F(SpaceGateFileSystemTest, FailsAsAPlainErrorWhileOpeningAndStopping) {
  faults_->disk().SetCapacity(faults_->disk().UsedBytes());
  const std::string data(100 << 10, 'x');
  IOStatus status = sst_->Append(data, {}, nullptr);
  EXPECT_TRUE(status.IsIOError() && !status.IsNoSpace() && !status.GetRetryable());
  EXPECT_TRUE(gate_->refused());
  gate_->BeginServing();
  std::thread thread([&] { status = sst_->Append(data, {}, nullptr); });
  AwaitBlocked();
  gate_->Stop();
  thread.join();
  EXPECT_TRUE(status.IsIOError() && !status.IsNoSpace()) << status.ToString();
  gate_->BeginServing();  // too late: the stop counts
  EXPECT_FALSE(sst_->Append(data, {}, nullptr).ok());
}

TEST_F(SpaceGateFileSystemTest, SyncIsNeverRepeated) {
  gate_->BeginServing();
  ASSERT_TRUE(sst_->Append("data", {}, nullptr).ok());
  faults_->FailCall(1, testing::kSyncCall, ENOSPC);
  const IOStatus status = sst_->Sync(IOOptions(), nullptr);
  EXPECT_TRUE(status.IsIOError() && !status.IsNoSpace()) << status.ToString();
}

// A compaction that waited would hold the space that it waits for.
TEST_F(SpaceGateFileSystemTest, CompactionIsGivenUpAndLeavesNothing) {
  gate_->BeginServing();
  auto files = std::make_shared<SpaceGateFileSystem>(faults_, gate_);
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);
  rocksdb::Options options;
  options.env = env.get();
  options.create_if_missing = true;
  options.disable_auto_compactions = true;
  options.compression = rocksdb::kNoCompression;
  options.listeners.push_back(NewSpaceGateListener());
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, "/d/db", &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  for (int file = 0; file < 4; ++file) {
    for (int i = 0; i < 100; ++i) {
      const std::string key = std::to_string(i);
      ASSERT_TRUE(db->Put({}, key, std::string(4 << 10, static_cast<char>('a' + file))).ok());
    }
    ASSERT_TRUE(db->Flush({}).ok());
  }
  const auto before = faults_->disk().Files();
  gate_->SetScarce(true);
  EXPECT_TRUE(db->CompactRange({}, nullptr, nullptr).IsShutdownInProgress());
  EXPECT_EQ(faults_->disk().Files(), before);
  gate_->SetScarce(false);
  faults_->FailCall(1, testing::kWriteCall, ENOSPC);
  EXPECT_TRUE(db->CompactRange({}, nullptr, nullptr).IsShutdownInProgress());
  EXPECT_EQ(faults_->disk().Files(), before);
  faults_->faults().Clear();
  EXPECT_TRUE(db->CompactRange({}, nullptr, nullptr).ok());
  EXPECT_LT(faults_->disk().Files().size(), before.size());
  ASSERT_TRUE(db->Put({}, "more", "value").ok());  // no background error stands
  std::string value;
  ASSERT_TRUE(db->Get({}, "7", &value).ok());
  EXPECT_EQ(value, std::string(4 << 10, 'd'));
}

// RocksDB, on a gate whose volume becomes scarce when a compaction has written its files and only
// has to install them.
class ScarceAfterCompaction : public rocksdb::EventListener {
 public:
  explicit ScarceAfterCompaction(std::shared_ptr<SpaceGate> gate) : gate_(std::move(gate)) {}
  void OnTableFileCreated(const rocksdb::TableFileCreationInfo& info) override {
    if (info.reason == rocksdb::TableFileCreationReason::kCompaction) gate_->SetScarce(true);
  }

 private:
  const std::shared_ptr<SpaceGate> gate_;
};

// A MANIFEST that was refused makes RocksDB's next flush fail for good.
TEST_F(SpaceGateFileSystemTest, WhatACompactionInstallsIsNotGivenUp) {
  gate_->BeginServing();
  auto files = std::make_shared<SpaceGateFileSystem>(faults_, gate_);
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);
  rocksdb::Options options;
  options.env = env.get();
  options.create_if_missing = true;
  options.atomic_flush = true;
  options.disable_auto_compactions = true;
  options.listeners.push_back(NewSpaceGateListener());
  options.listeners.push_back(std::make_shared<ScarceAfterCompaction>(gate_));
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, "/d/db", &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  for (int file = 0; file < 2; ++file) {
    ASSERT_TRUE(db->Put({}, "key", std::string(4 << 10, static_cast<char>('a' + file))).ok());
    ASSERT_TRUE(db->Flush({}).ok());
  }
  // That there is no room for the MANIFEST is waited for, as in a flush.
  faults_->faults().Add({testing::kWriteCall, "MANIFEST", 1, false, ENOSPC, false, false});
  const rocksdb::Status compacted = db->CompactRange({}, nullptr, nullptr);
  EXPECT_TRUE(compacted.ok()) << compacted.ToString();
  gate_->SetScarce(false);
  ASSERT_TRUE(db->Put({}, "more", "value").ok());
  const rocksdb::Status flushed = db->Flush({});
  EXPECT_TRUE(flushed.ok()) << flushed.ToString();
  EXPECT_TRUE(db->Put({}, "more", "value").ok());
}

}  // namespace
}  // namespace mooring::engine
