// RocksDB itself over the fault file system: what it promises must hold there, and what it does not
// promise must be seen to fail, or the file system proves nothing.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "tests/testing/fault_file_system.h"

namespace mooring::testing {
namespace {

constexpr int kFamilies = 3;
constexpr char kPath[] = "/db";

// A database of three column families over one fault file system. Commit n writes key n to all.
class Database {
 public:
  explicit Database(std::shared_ptr<FaultFileSystem> files)
      : files_(std::move(files)), env_(rocksdb::NewCompositeEnv(files_)) {}
  ~Database() {
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      EXPECT_TRUE(db_->DestroyColumnFamilyHandle(family).ok());
    }
  }

  rocksdb::Status Open() {
    rocksdb::DBOptions options;
    options.env = env_.get();
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.atomic_flush = true;
    // kTolerateCorruptedTailRecords refuses to open when the last record is torn rather than short.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    options.paranoid_checks = true;
    rocksdb::ColumnFamilyOptions family;
    family.write_buffer_size = 64 << 10;
    family.level0_file_num_compaction_trigger = 2;
    std::vector<rocksdb::ColumnFamilyDescriptor> families = {{"default", family}};
    for (int i = 1; i < kFamilies; ++i) families.push_back({"family" + std::to_string(i), family});
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, kPath, families, &families_, &db);
    db_.reset(db);
    return status;
  }

  rocksdb::Status Commit(uint64_t number, bool sync) {
    rocksdb::WriteBatch batch;
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      const rocksdb::Status status =
          batch.Put(family, std::to_string(number), std::string(300, 'a' + number % 26));
      if (!status.ok()) return status;
    }
    rocksdb::WriteOptions options;
    options.sync = sync;
    return db_->Write(options, &batch);
  }

  // The number of families that hold commit `number`.
  int Holders(uint64_t number) {
    int holders = 0;
    std::string value;
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      const rocksdb::Status status = db_->Get({}, family, std::to_string(number), &value);
      holders += status.ok() && value == std::string(300, 'a' + number % 26);
    }
    return holders;
  }

  rocksdb::Status Flush() { return db_->Flush({}, families_); }

 private:
  const std::shared_ptr<FaultFileSystem> files_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

std::shared_ptr<FaultFileSystem> EmptyVolume() {
  auto files = FaultFileSystem::Create();
  EXPECT_TRUE(files->CreateDir(kPath, {}, nullptr).ok());
  files->disk().SyncAll();
  return files;
}

// Writes from commit `next` on and cuts the power in the middle of it. Returns what is left, and
// sets `*acknowledged` to the end of what was acknowledged before the cut.
std::shared_ptr<FaultFileSystem> WriteUntilPowerCut(Database& database,
                                                    const FaultFileSystem& files, uint64_t seed,
                                                    bool sync, uint64_t next,
                                                    uint64_t* acknowledged) {
  FaultRandom random(seed);
  const uint64_t cut_after = next + random.Below(150);
  std::atomic<uint64_t> end = next;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint64_t number = next; !stop; ++number) {
      EXPECT_TRUE(database.Commit(number, sync).ok());
      end = number + 1;
    }
  });
  while (end < cut_after) std::this_thread::yield();
  *acknowledged = end;
  auto left = files.CrashClone(seed);
  stop = true;
  writer.join();
  return left;
}

TEST(RocksDbOverFaultFileSystem, SyncedCommitsSurviveChainsOfPowerCuts) {
  auto files = EmptyVolume();
  uint64_t acknowledged = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Database database(files);
    const rocksdb::Status status = database.Open();
    ASSERT_TRUE(status.ok()) << "seed " << seed << ": " << status.ToString();
    for (uint64_t number = 0; number < acknowledged; ++number) {
      ASSERT_EQ(database.Holders(number), kFamilies) << "commit " << number << ", seed " << seed;
    }
    files = WriteUntilPowerCut(database, *files, seed, true, acknowledged, &acknowledged);
  }
  EXPECT_GT(acknowledged, 100u);
}

TEST(RocksDbOverFaultFileSystem, UnsyncedCommitsAreLostWithinAFewPowerCuts) {
  int lost = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto files = EmptyVolume();
    uint64_t acknowledged = 0;
    {
      Database database(files);
      ASSERT_TRUE(database.Open().ok());
      files = WriteUntilPowerCut(database, *files, seed, false, 0, &acknowledged);
    }
    Database database(files);
    if (!database.Open().ok()) {
      ++lost;
      continue;
    }
    lost += acknowledged > 0 && database.Holders(acknowledged - 1) != kFamilies;
  }
  EXPECT_GT(lost, 5);
}

TEST(RocksDbOverFaultFileSystem, FlushedCommitsSurviveWithoutASyncedLog) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto files = EmptyVolume();
    {
      Database database(files);
      ASSERT_TRUE(database.Open().ok());
      for (uint64_t number = 0; number < 20; ++number) {
        ASSERT_TRUE(database.Commit(number, false).ok());
      }
      ASSERT_TRUE(database.Flush().ok());
      files = files->CrashClone(seed);
    }
    Database database(files);
    ASSERT_TRUE(database.Open().ok());
    for (uint64_t number = 0; number < 20; ++number) {
      ASSERT_EQ(database.Holders(number), kFamilies) << "commit " << number << ", seed " << seed;
    }
  }
}

TEST(RocksDbOverFaultFileSystem, NoCommitIsAcknowledgedAfterALostSync) {
  auto files = EmptyVolume();
  {
    Database database(files);
    ASSERT_TRUE(database.Open().ok());
    ASSERT_TRUE(database.Commit(0, true).ok());
    files->LoseSync(1, ".log");
    EXPECT_TRUE(database.Commit(1, true).IsIOError());
    EXPECT_FALSE(database.Commit(2, true).ok());
    files = files->CrashClone(1);
  }
  Database database(files);
  ASSERT_TRUE(database.Open().ok());
  EXPECT_EQ(database.Holders(0), kFamilies);
  EXPECT_EQ(database.Holders(1), 0);
}

// Each call of opening and of a commit fails once, in its own run: nothing acknowledged is lost.
TEST(RocksDbOverFaultFileSystem, EveryNthFailingCallLeavesAcknowledgedCommits) {
  bool failed = true;
  uint64_t nth = 1;
  for (; failed && nth < 1000; ++nth) {
    auto files = EmptyVolume();
    files->FailCall(nth, kMutatingCalls, EIO);
    uint64_t acknowledged = 0;
    {
      Database database(files);
      if (database.Open().ok()) {
        while (acknowledged < 3 && database.Commit(acknowledged, true).ok()) ++acknowledged;
      }
    }
    failed = files->faults().FailureCount() > 0;
    EXPECT_TRUE(failed || acknowledged == 3);
    Database database(files->CrashClone(nth));
    const rocksdb::Status status = database.Open();
    if (acknowledged == 0 && !status.ok()) continue;
    ASSERT_TRUE(status.ok()) << "call " << nth << ": " << status.ToString();
    for (uint64_t number = 0; number < acknowledged; ++number) {
      ASSERT_EQ(database.Holders(number), kFamilies) << "commit " << number << ", call " << nth;
    }
  }
  EXPECT_GT(nth, 20u) << "calls were made";
}

}  // namespace
}  // namespace mooring::testing
