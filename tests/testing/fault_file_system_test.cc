#include "tests/testing/fault_file_system.h"

#include <errno.h>

#include <memory>
#include <set>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring::testing {
namespace {

using rocksdb::FileOptions;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using ::testing::ElementsAre;
using ::testing::Pair;

constexpr int kSeeds = 200;
constexpr uint64_t kPage = FaultFileContents::kPageBytes;
constexpr uint64_t kSector = FaultFileContents::kSectorBytes;

class FaultFileSystemTest : public ::testing::Test {
 protected:
  std::unique_ptr<rocksdb::FSWritableFile> NewFile(const std::string& path) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    const IOStatus status = files_->NewWritableFile(path, FileOptions(), &file, nullptr);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return file;
  }

  IOStatus SyncDirectory(const std::string& path) {
    std::unique_ptr<rocksdb::FSDirectory> directory;
    const IOStatus status = files_->NewDirectory(path, IOOptions(), &directory, nullptr);
    return status.ok() ? directory->Fsync(IOOptions(), nullptr) : status;
  }

  void WriteSynced(const std::string& path, const std::string& contents) {
    auto file = NewFile(path);
    ASSERT_TRUE(file->Append(contents, IOOptions(), nullptr).ok());
    ASSERT_TRUE(file->Sync(IOOptions(), nullptr).ok());
    ASSERT_TRUE(SyncDirectory("/").ok());
  }

  static std::string Contents(FaultFileSystem& files, const std::string& path) {
    std::string contents;
    const int error = files.disk().ReadFile(path, &contents);
    return error == 0 ? contents : "error " + std::to_string(error);
  }

  std::shared_ptr<FaultFileSystem> files_ = FaultFileSystem::Create();
};

TEST_F(FaultFileSystemTest, SyncedBytesUnderSyncedNamesSurviveEveryPowerCut) {
  const std::string contents(3 * kPage + 17, 'x');
  WriteSynced("/a", contents);
  for (int seed = 0; seed < kSeeds; ++seed) {
    EXPECT_EQ(Contents(*files_->CrashClone(seed), "/a"), contents) << "seed " << seed;
    EXPECT_EQ(Contents(*files_->CrashClone(seed, DirectoryLoss::kAny), "/a"), contents);
  }
}

TEST_F(FaultFileSystemTest, UnsyncedBytesMaySurviveOrVanish) {
  WriteSynced("/a", std::string(kPage, 'o'));
  auto file = NewFile("/b");
  ASSERT_TRUE(SyncDirectory("/").ok());
  ASSERT_TRUE(file->Append(std::string(2 * kPage, 'n'), IOOptions(), nullptr).ok());
  std::set<uint64_t> sizes;
  std::set<std::string> found;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const std::string left = Contents(*files_->CrashClone(seed), "/b");
    sizes.insert(left.size());
    found.insert(left);
  }
  EXPECT_THAT(sizes, ElementsAre(0, kPage, 2 * kPage));
  EXPECT_THAT(found, ::testing::Contains(std::string(2 * kPage, 'n')));
  // The second page reached the device, the first one did not.
  EXPECT_THAT(found, ::testing::Contains(std::string(kPage, '\0') + std::string(kPage, 'n')));
}

TEST_F(FaultFileSystemTest, OverwrittenPagesSurviveAsOldNewOrTornAtSectors) {
  WriteSynced("/a", std::string(kPage, 'o'));
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  ASSERT_TRUE(files_->NewRandomRWFile("/a", FileOptions(), &file, nullptr).ok());
  ASSERT_TRUE(file->Write(0, std::string(kPage, 'n'), IOOptions(), nullptr).ok());
  int old_pages = 0, new_pages = 0, torn_pages = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const std::string left = Contents(*files_->CrashClone(seed), "/a");
    ASSERT_EQ(left.size(), kPage) << "seed " << seed;
    for (uint64_t at = 0; at < kPage; at += kSector) {
      EXPECT_EQ(left.substr(at, kSector), std::string(kSector, left[at])) << "seed " << seed;
    }
    const bool has_old = left.find('o') != std::string::npos;
    const bool has_new = left.find('n') != std::string::npos;
    ++(has_old && has_new ? torn_pages : has_old ? old_pages : new_pages);
  }
  EXPECT_GT(old_pages, 20);
  EXPECT_GT(new_pages, 20);
  EXPECT_GT(torn_pages, 5);
}

TEST_F(FaultFileSystemTest, AnUnsyncedTruncationIsLostOrKeptWhole) {
  WriteSynced("/a", std::string(2 * kPage, 'o'));
  auto file = NewFile("/a");
  ASSERT_TRUE(file->Append("new", IOOptions(), nullptr).ok());
  std::set<std::string> found;
  for (int seed = 0; seed < kSeeds; ++seed) {
    found.insert(Contents(*files_->CrashClone(seed), "/a"));
  }
  EXPECT_THAT(found, ElementsAre("", std::string(3, '\0'), "new", std::string(2 * kPage, 'o')));
}

TEST_F(FaultFileSystemTest, NamesAreDurableOnlyAfterTheDirectorySync) {
  WriteSynced("/old", "1");
  ASSERT_TRUE(files_->RenameFile("/old", "/renamed", IOOptions(), nullptr).ok());
  auto file = NewFile("/new");
  ASSERT_TRUE(file->Fsync(IOOptions(), nullptr).ok());
  std::set<std::set<std::string>> seen;
  for (int seed = 0; seed < kSeeds; ++seed) {
    std::set<std::string> names;
    for (const auto& [name, size] : files_->CrashClone(seed)->disk().Files()) names.insert(name);
    seen.insert(names);
  }
  // In order of journaling, and the rename in one piece.
  EXPECT_THAT(seen, ElementsAre(std::set<std::string>{"/new", "/renamed"},
                                std::set<std::string>{"/old"}, std::set<std::string>{"/renamed"}));
  seen.clear();
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto left = files_->CrashClone(seed, DirectoryLoss::kAny);
    std::set<std::string> names;
    for (const auto& [name, size] : left->disk().Files()) names.insert(name);
    seen.insert(names);
  }
  EXPECT_EQ(seen.size(), 4u);

  ASSERT_TRUE(SyncDirectory("/").ok());
  for (int seed = 0; seed < kSeeds; ++seed) {
    EXPECT_THAT(files_->CrashClone(seed, DirectoryLoss::kAny)->disk().Files(),
                ElementsAre(Pair("/new", 0), Pair("/renamed", 1)));
  }
}

TEST_F(FaultFileSystemTest, ADeletedFileComesBackUnlessTheDirectoryWasSynced) {
  WriteSynced("/a", "1");
  ASSERT_TRUE(files_->DeleteFile("/a", IOOptions(), nullptr).ok());
  int back = 0;
  for (int seed = 0; seed < kSeeds; ++seed) back += files_->CrashClone(seed)->disk().Files().size();
  EXPECT_GT(back, 10);
  EXPECT_LT(back, kSeeds - 10);
  ASSERT_TRUE(SyncDirectory("/").ok());
  for (int seed = 0; seed < kSeeds; ++seed) {
    EXPECT_THAT(files_->CrashClone(seed)->disk().Files(), ElementsAre());
  }
}

TEST_F(FaultFileSystemTest, ARenameAcrossDirectoriesTakesEarlierOperationsWithIt) {
  ASSERT_TRUE(files_->CreateDir("/a", IOOptions(), nullptr).ok());
  ASSERT_TRUE(files_->CreateDir("/b", IOOptions(), nullptr).ok());
  files_->disk().SyncAll();
  NewFile("/a/file");
  ASSERT_TRUE(files_->RenameFile("/a/file", "/b/file", IOOptions(), nullptr).ok());
  ASSERT_TRUE(SyncDirectory("/b").ok());
  ASSERT_TRUE(SyncDirectory("/a").ok());
  EXPECT_THAT(files_->CrashClone(1)->disk().Files(), ElementsAre(Pair("/b/file", 0)));
}

TEST_F(FaultFileSystemTest, AClonedDiskIsIndependentAndDeterministic) {
  WriteSynced("/a", "1");
  auto file = NewFile("/b");
  ASSERT_TRUE(file->Append(std::string(5 * kPage, 'x'), IOOptions(), nullptr).ok());
  for (int seed = 0; seed < 20; ++seed) {
    const auto first = files_->CrashClone(seed);
    const auto second = files_->CrashClone(seed);
    EXPECT_EQ(first->disk().Files(), second->disk().Files());
    EXPECT_EQ(Contents(*first, "/b"), Contents(*second, "/b"));
    ASSERT_TRUE(first->DeleteFile("/a", IOOptions(), nullptr).ok());
    EXPECT_EQ(Contents(*second, "/a"), "1");
  }
  const auto killed = files_->KillClone();
  EXPECT_EQ(Contents(*killed, "/b"), std::string(5 * kPage, 'x'));
  ASSERT_TRUE(file->Append("more", IOOptions(), nullptr).ok());
  EXPECT_EQ(Contents(*killed, "/b").size(), 5 * kPage);
  // What was unsynced at the kill is still at stake in a later power cut.
  std::set<size_t> names;
  for (int seed = 0; seed < 50; ++seed) {
    names.insert(killed->CrashClone(seed)->disk().Files().size());
  }
  EXPECT_THAT(names, ElementsAre(1, 2));
}

TEST_F(FaultFileSystemTest, TheNthCallFailsOnceOrForGood) {
  auto file = NewFile("/a");
  files_->FailCall(2, kWriteCall, EIO);
  EXPECT_TRUE(file->Append("1", IOOptions(), nullptr).ok());
  const IOStatus failed = file->Append("2", IOOptions(), nullptr);
  EXPECT_TRUE(failed.IsIOError() && !failed.GetRetryable()) << failed.ToString();
  EXPECT_TRUE(file->Append("3", IOOptions(), nullptr).ok());
  EXPECT_EQ(Contents(*files_, "/a"), "13");

  files_->FailCall(1, kSyncCall | kDirectorySyncCall, EROFS, /*permanent=*/true);
  EXPECT_TRUE(file->Sync(IOOptions(), nullptr).IsIOError());
  EXPECT_TRUE(file->Sync(IOOptions(), nullptr).IsIOError());
  EXPECT_TRUE(SyncDirectory("/").IsIOError());
  EXPECT_EQ(files_->faults().FailureCount(), 4u);
  files_->faults().Clear();
  EXPECT_TRUE(file->Sync(IOOptions(), nullptr).ok());
  EXPECT_EQ(files_->faults().CallCount(kWriteCall), 3u);
}

TEST_F(FaultFileSystemTest, ErrorsAreThoseOfThePosixFileSystem) {
  files_->FailCall(1, kCreateCall, ENOSPC);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  const IOStatus full = files_->NewWritableFile("/a", FileOptions(), &file, nullptr);
  EXPECT_TRUE(full.IsNoSpace() && full.GetRetryable()) << full.ToString();
  files_->FailCall(1, kCreateCall, EDQUOT);
  const IOStatus quota = files_->NewWritableFile("/a", FileOptions(), &file, nullptr);
  EXPECT_TRUE(quota.IsIOError() && !quota.IsNoSpace()) << quota.ToString();
  EXPECT_TRUE(files_->DeleteFile("/none", IOOptions(), nullptr).IsPathNotFound());
  std::unique_ptr<rocksdb::FSRandomRWFile> overwritten;
  EXPECT_TRUE(
      files_->NewRandomRWFile("/none", FileOptions(), &overwritten, nullptr).IsPathNotFound());
  std::vector<std::string> names;
  EXPECT_TRUE(files_->GetChildren("/none", IOOptions(), &names, nullptr).IsNotFound());
}

TEST_F(FaultFileSystemTest, AFailedSyncLosesThePagesThoughTheNextOneAnswersOk) {
  WriteSynced("/a", std::string(2 * kPage, 'o'));
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  ASSERT_TRUE(files_->NewRandomRWFile("/a", FileOptions(), &file, nullptr).ok());
  files_->LoseSync(1, "/a");
  ASSERT_TRUE(file->Write(0, std::string(kPage, 'n'), IOOptions(), nullptr).ok());
  EXPECT_TRUE(file->Sync(IOOptions(), nullptr).IsIOError());
  EXPECT_TRUE(file->Sync(IOOptions(), nullptr).ok());
  EXPECT_EQ(Contents(*files_, "/a")[0], 'n') << "the cache still shows it";
  for (int seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(Contents(*files_->CrashClone(seed), "/a"), std::string(2 * kPage, 'o'));
  }

  FileOptions direct;
  direct.use_direct_reads = true;
  std::unique_ptr<rocksdb::FSRandomAccessFile> reader;
  ASSERT_TRUE(files_->NewRandomAccessFile("/a", direct, &reader, nullptr).ok());
  alignas(512) char scratch[kSector];
  rocksdb::Slice result;
  EXPECT_TRUE(reader->Read(1, kSector, IOOptions(), &result, scratch, nullptr).IsIOError())
      << "a direct read must be aligned";
  ASSERT_TRUE(reader->Read(0, kSector, IOOptions(), &result, scratch, nullptr).ok());
  EXPECT_EQ(result.ToString(), std::string(kSector, 'o'));
}

TEST_F(FaultFileSystemTest, AFullVolumeTakesWhatFitsAndGoesOnWhenItGrows) {
  files_->disk().SetCapacity(3 * kPage);
  auto file = NewFile("/a");
  EXPECT_TRUE(file->Append(std::string(2 * kPage, 'a'), IOOptions(), nullptr).ok());
  EXPECT_TRUE(file->Append(std::string(2 * kPage, 'b'), IOOptions(), nullptr).IsNoSpace());
  EXPECT_EQ(Contents(*files_, "/a").size(), 3 * kPage);
  uint64_t free_bytes = 1;
  ASSERT_TRUE(files_->GetFreeSpace("/", IOOptions(), &free_bytes, nullptr).ok());
  EXPECT_EQ(free_bytes, 0u);
  std::unique_ptr<rocksdb::FSRandomRWFile> overwritten;
  ASSERT_TRUE(files_->NewRandomRWFile("/a", FileOptions(), &overwritten, nullptr).ok());
  EXPECT_TRUE(overwritten->Write(0, "overwriting needs no space", IOOptions(), nullptr).ok());

  files_->disk().SetCapacity(4 * kPage);
  EXPECT_TRUE(file->Append(std::string(kPage, 'b'), IOOptions(), nullptr).ok());
  ASSERT_TRUE(files_->DeleteFile("/a", IOOptions(), nullptr).ok());
  EXPECT_EQ(files_->disk().UsedBytes(), 4 * kPage) << "open files keep their space";
  file.reset();
  overwritten.reset();
  EXPECT_EQ(files_->disk().UsedBytes(), 0u);
}

TEST_F(FaultFileSystemTest, AStalledCallWaitsUntilReleased) {
  auto file = NewFile("/a");
  files_->faults().Stall(kSyncCall, "/a");
  IOStatus status = IOStatus::Aborted();
  std::thread syncing([&] { status = file->Sync(IOOptions(), nullptr); });
  EXPECT_TRUE(files_->faults().AwaitStalledCall());
  EXPECT_TRUE(file->Append("other calls go on", IOOptions(), nullptr).ok());
  EXPECT_EQ(Contents(*files_->CrashClone(3), "/none"), "error 2");
  files_->faults().Clear();
  syncing.join();
  EXPECT_TRUE(status.ok());
}

TEST_F(FaultFileSystemTest, DamageIsSeenAtOnceAndAfterAPowerCut) {
  WriteSynced("/a", std::string(2 * kPage, 'a'));
  EXPECT_EQ(files_->disk().FlipBits("/a", kPage - 1, 2), 0);
  EXPECT_EQ(files_->disk().ZeroRange("/a", 0, 3), 0);
  EXPECT_EQ(files_->disk().CutFile("/a", kPage + 2), 0);
  std::string expected = std::string(3, '\0') + std::string(kPage - 4, 'a');
  expected += {'a' ^ 0x10, 'a' ^ 0x10, 'a'};
  EXPECT_EQ(Contents(*files_, "/a"), expected);
  EXPECT_EQ(Contents(*files_->CrashClone(1), "/a"), expected);
  EXPECT_EQ(files_->disk().ReplaceFile("/a", "older"), 0);
  EXPECT_EQ(Contents(*files_->CrashClone(1), "/a"), "older");
  EXPECT_EQ(files_->disk().RemoveFile("/a"), 0);
  EXPECT_THAT(files_->CrashClone(1)->disk().Files(), ElementsAre());
}

TEST_F(FaultFileSystemTest, LinksShareOneFileAndLocksExcludeEachOther) {
  WriteSynced("/a", "1");
  ASSERT_TRUE(files_->LinkFile("/a", "/b", IOOptions(), nullptr).ok());
  uint64_t links = 0;
  ASSERT_TRUE(files_->NumFileLinks("/b", IOOptions(), &links, nullptr).ok());
  EXPECT_EQ(links, 2u);
  bool same = false;
  ASSERT_TRUE(files_->AreFilesSame("/a", "/b", IOOptions(), &same, nullptr).ok());
  EXPECT_TRUE(same);
  ASSERT_TRUE(files_->DeleteFile("/a", IOOptions(), nullptr).ok());
  EXPECT_EQ(Contents(*files_, "/b"), "1");

  rocksdb::FileLock* lock = nullptr;
  rocksdb::FileLock* second = nullptr;
  ASSERT_TRUE(files_->LockFile("/LOCK", IOOptions(), &lock, nullptr).ok());
  EXPECT_TRUE(files_->LockFile("/LOCK", IOOptions(), &second, nullptr).IsIOError());
  ASSERT_TRUE(files_->UnlockFile(lock, IOOptions(), nullptr).ok());
  ASSERT_TRUE(files_->LockFile("/LOCK", IOOptions(), &second, nullptr).ok());
  ASSERT_TRUE(files_->UnlockFile(second, IOOptions(), nullptr).ok());
}

}  // namespace
}  // namespace mooring::testing
