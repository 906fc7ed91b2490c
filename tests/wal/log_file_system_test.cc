#include "src/wal/log_file_system.h"

#include <rocksdb/utilities/checkpoint.h>

#include <string>
#include <thread>

#include "src/base/posix_file.h"
#include "src/wal/io.h"
#include "tests/wal/rocksdb_fixture.h"

namespace mooring::wal {
namespace {

using mooring::testing::StatusIs;
using mooring::testing::TempDirectory;
using ::testing::HasSubstr;

class LogFileSystemTest : public ::testing::Test {
 protected:
  std::vector<std::string> LogNames() { return LogNamesIn(directory_); }

  std::map<std::string, std::string> Expected(int count) {
    std::map<std::string, std::string> expected;
    for (int i = 0; i < count; ++i) expected[NumberedKey(i)] = NumberedValue(i);
    return expected;
  }

  // A copy of the directory as a kill of the process at this moment leaves it.
  std::string Image() {
    const std::string image = temp_.File("image" + std::to_string(images_++));
    CopyStore(directory_, image);
    return image;
  }

  TempDirectory temp_;
  const std::string directory_ = temp_.File("db");
  LogOptions options_ = TestLogOptions(directory_);
  int images_ = 0;
};

TEST_F(LogFileSystemTest, WhatWasCommittedIsThereAfterReopening) {
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
    EXPECT_EQ(db->Contents(), Expected(round * 100));
    EXPECT_EQ(db->Contents(1), Expected(round * 100));
    for (int i = round * 100; i < (round + 1) * 100; ++i) {
      ASSERT_TRUE(db->Put(NumberedKey(i), NumberedValue(i), i % 2 == 0).ok());
    }
  }
}

TEST_F(LogFileSystemTest, KilledProcessLosesNothing) {
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(db->Put(NumberedKey(i), NumberedValue(i), i % 3 == 0).ok());
    if (i % 100 != 99) continue;
    ASSERT_OK_AND_ASSIGN(auto copy, LogDb::Open(TestLogOptions(Image())));
    EXPECT_EQ(copy->Contents(), Expected(i + 1));
    EXPECT_EQ(copy->fs()->recovery().tail_logs_cut, 0);
  }
}

TEST_F(LogFileSystemTest, LogGrowsBeyondItsPreallocatedBytes) {
  {
    ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(db->Put(NumberedKey(i), NumberedValue(i, 1 << 20)).ok());
    }
    ASSERT_OK_AND_ASSIGN(auto copy, LogDb::Open(TestLogOptions(Image())));
    EXPECT_EQ(copy->Contents().at(NumberedKey(2)), NumberedValue(2, 1 << 20));
  }
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  EXPECT_EQ(db->Contents().size(), 3u);
}

TEST_F(LogFileSystemTest, ObsoleteLogsAreRecycled) {
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(db->Put(NumberedKey(round * 20 + i), NumberedValue(round * 20 + i)).ok());
    }
    ASSERT_TRUE(db->Flush().ok());
    ASSERT_OK_AND_ASSIGN(auto copy, LogDb::Open(TestLogOptions(Image())));
    EXPECT_EQ(copy->Contents(), Expected((round + 1) * 20));
  }
  EXPECT_LE(LogNames().size(), 2u);
  EXPECT_LE(ListDirectory(directory_).value().size(), 40u);
  EXPECT_OK(db->fs()->status());
}

TEST_F(LogFileSystemTest, RocksDbSeesNoFileOfOurs) {
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  std::vector<std::string> children;
  ASSERT_TRUE(
      db->fs()->GetChildren(directory_ + "/", rocksdb::IOOptions(), &children, nullptr).ok());
  EXPECT_GT(children.size(), 3u);
  for (const std::string& name : children) EXPECT_NE(name.substr(0, 8), "MOORING-");
}

TEST_F(LogFileSystemTest, CheckpointCopiesTheLiveLogInPlainForm) {
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(db->Put(NumberedKey(i), NumberedValue(i)).ok());
  rocksdb::Checkpoint* raw = nullptr;
  ASSERT_TRUE(rocksdb::Checkpoint::Create(db->db(), &raw).ok());
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  const std::string target = temp_.File("checkpoint");
  const rocksdb::Status made = checkpoint->CreateCheckpoint(target, /*log_size_for_flush=*/~0ull);
  ASSERT_TRUE(made.ok()) << made.ToString();

  rocksdb::DB* plain = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  const std::vector<rocksdb::ColumnFamilyDescriptor> descriptors = {
      {rocksdb::kDefaultColumnFamilyName, {}}, {"other", {}}};
  const rocksdb::Status opened =
      rocksdb::DB::Open(rocksdb::DBOptions(), target, descriptors, &families, &plain);
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  std::string value;
  EXPECT_TRUE(plain->Get(rocksdb::ReadOptions(), NumberedKey(49), &value).ok());
  EXPECT_EQ(value, NumberedValue(49));
  for (rocksdb::ColumnFamilyHandle* family : families) delete family;
  delete plain;
}

TEST_F(LogFileSystemTest, LiveLogIsReadWhileItIsWritten) {
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  const std::string log = directory_ + "/" + LogNames().back();
  std::thread writer([&] {
    for (int i = 0; i < 400; ++i) {
      EXPECT_TRUE(db->Put(NumberedKey(i), NumberedValue(i), i % 16 == 0).ok());
    }
  });
  for (int i = 0; i < 50; ++i) {
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    const rocksdb::IOStatus read =
        db->fs()->NewSequentialFile(log, rocksdb::FileOptions(), &file, nullptr);
    EXPECT_TRUE(read.ok()) << read.ToString();
  }
  writer.join();
}

TEST_F(LogFileSystemTest, LogCannotBeLinkedRenamedOrTruncated) {
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  const std::string log = directory_ + "/" + LogNames().back();
  const rocksdb::IOOptions none;
  EXPECT_TRUE(db->fs()->LinkFile(log, temp_.File("x"), none, nullptr).IsNotSupported());
  EXPECT_TRUE(db->fs()->RenameFile(log, temp_.File("x"), none, nullptr).IsNotSupported());
  EXPECT_TRUE(db->fs()->Truncate(log, 0, none, nullptr).IsNotSupported());
}

TEST_F(LogFileSystemTest, AnotherStoresLogsAreRefused) {
  { ASSERT_OK(LogDb::Open(options_)); }
  options_.store_id = "ffffffffffffffffffffffffffffffff";
  EXPECT_THAT(LogFileSystem::Open(options_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("belongs to store 0011")));
}

TEST_F(LogFileSystemTest, OptionsOutOfLimitsAreRefused) {
  LogOptions bad = options_;
  bad.file_bytes = 1000;
  EXPECT_THAT(LogFileSystem::Open(bad).status(), StatusIs(absl::StatusCode::kInvalidArgument));
  bad = options_;
  bad.store_id = "me";
  EXPECT_THAT(LogFileSystem::Open(bad).status(), StatusIs(absl::StatusCode::kInvalidArgument));
  bad = options_;
  bad.spares = 99;
  EXPECT_THAT(LogFileSystem::Open(bad).status(), StatusIs(absl::StatusCode::kInvalidArgument));
}

// W3(c). The last commits before a pause are witnessed too.
TEST_F(LogFileSystemTest, PauseIsWitnessed) {
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  ASSERT_TRUE(db->Put("a", "1").ok());
  EXPECT_GT(db->fs()->durable().offset, 0u);
  EXPECT_TRUE(db->AwaitWitness());
  ASSERT_OK_AND_ASSIGN(auto copy, LogDb::Open(TestLogOptions(Image())));
  EXPECT_EQ(copy->fs()->recovery().unwitnessed_bytes, 0);
}

// W3, W4. The opening that recovers a log is itself killed, again and again.
TEST_F(LogFileSystemTest, OpeningKilledHalfwayIsRepeated) {
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(db->Put(NumberedKey(i), NumberedValue(i)).ok());
  std::string image = Image();
  for (int round = 0; round < 5; ++round) {
    ASSERT_OK_AND_ASSIGN(auto fs, LogFileSystem::Open(TestLogOptions(image)));
    fs.reset();
  }
  ASSERT_OK_AND_ASSIGN(auto copy, LogDb::Open(TestLogOptions(image)));
  EXPECT_EQ(copy->Contents(), Expected(100));
}

class HoldingObserver : public LogObserver {
 public:
  void OnSynced(const Position& position) override {
    absl::MutexLock lock(&mutex_);
    if (synced_ < position) synced_ = position;
  }
  bool HoldDeleted(const Position& end, const std::string& held_path) override {
    absl::MutexLock lock(&mutex_);
    held_.push_back(held_path);
    return true;
  }
  Position synced() {
    absl::MutexLock lock(&mutex_);
    return synced_;
  }
  std::vector<std::string> held() {
    absl::MutexLock lock(&mutex_);
    return held_;
  }

 private:
  absl::Mutex mutex_;
  Position synced_;
  std::vector<std::string> held_;
};

// W6.
TEST_F(LogFileSystemTest, ObserverLearnsWhatIsSyncedAndHoldsDeletions) {
  HoldingObserver observer;
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options_));
  db->fs()->SetObserver(&observer);
  ASSERT_TRUE(db->Put("a", "1").ok());
  EXPECT_TRUE(observer.synced() == db->fs()->durable());
  EXPECT_GT(observer.synced().offset, 0u);
  ASSERT_TRUE(db->Flush().ok());
  db->Close();
  ASSERT_FALSE(observer.held().empty());
  ASSERT_OK_AND_ASSIGN(const bool held, FileExists(observer.held()[0]));
  EXPECT_TRUE(held);
  db.reset();

  ASSERT_OK_AND_ASSIGN(auto again, LogDb::Open(options_));
  ASSERT_EQ(again->fs()->recovery().held, observer.held());
  EXPECT_OK(again->fs()->ReleaseHeld(observer.held()[0]));
  ASSERT_OK_AND_ASSIGN(const bool still, FileExists(observer.held()[0]));
  EXPECT_FALSE(still);
}

}  // namespace
}  // namespace mooring::wal
