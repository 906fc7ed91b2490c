#include "src/engine/watched_file_system.h"

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/testing/fault_file_system.h"

namespace mooring::engine {
namespace {

using rocksdb::FileOptions;
using rocksdb::IOOptions;
using testing::FaultFileSystem;

class WatchedFileSystemTest : public ::testing::Test {
 protected:
  // What the watch names while `call` hangs in the file system.
  std::string NamedWhileStalled(uint32_t kind, const std::function<void()>& call) {
    faults_->faults().Stall(kind, "");
    std::thread thread(call);
    EXPECT_TRUE(faults_->faults().AwaitStalledCall());
    const auto oldest = watch_->Oldest();
    faults_->faults().Clear();
    thread.join();
    EXPECT_FALSE(watch_->Oldest().has_value());
    return oldest.has_value() ? oldest->name : "nothing";
  }

  const std::shared_ptr<FaultFileSystem> faults_ = FaultFileSystem::Create();
  const std::shared_ptr<OperationWatch> watch_ = std::make_shared<OperationWatch>();
  WatchedFileSystem files_{faults_, watch_};
};

// H1.
TEST_F(WatchedFileSystemTest, NamesEveryCallThatHangs) {
  ASSERT_TRUE(files_.CreateDir("/d", IOOptions(), nullptr).ok());
  std::unique_ptr<rocksdb::FSWritableFile> sst;
  std::unique_ptr<rocksdb::FSRandomRWFile> log;
  std::unique_ptr<rocksdb::FSDirectory> directory;
  std::unique_ptr<rocksdb::FSRandomAccessFile> reader;
  EXPECT_EQ(NamedWhileStalled(
                testing::kCreateCall,
                [&] { EXPECT_TRUE(files_.NewWritableFile("/d/1.sst", {}, &sst, nullptr).ok()); }),
            "create /d/1.sst");
  EXPECT_EQ(NamedWhileStalled(testing::kWriteCall,
                              [&] { EXPECT_TRUE(sst->Append("abc", {}, nullptr).ok()); }),
            "write /d/1.sst");
  EXPECT_EQ(NamedWhileStalled(testing::kSyncCall,
                              [&] { EXPECT_TRUE(sst->Sync(IOOptions(), nullptr).ok()); }),
            "fdatasync /d/1.sst");
  ASSERT_TRUE(files_.NewRandomRWFile("/d/1.sst", {}, &log, nullptr).ok());
  EXPECT_EQ(NamedWhileStalled(testing::kWriteCall,
                              [&] { EXPECT_TRUE(log->Write(0, "x", {}, nullptr).ok()); }),
            "write /d/1.sst");
  EXPECT_EQ(NamedWhileStalled(testing::kSyncCall,
                              [&] { EXPECT_TRUE(log->Sync(IOOptions(), nullptr).ok()); }),
            "fdatasync /d/1.sst");
  ASSERT_TRUE(files_.NewRandomAccessFile("/d/1.sst", {}, &reader, nullptr).ok());
  EXPECT_EQ(NamedWhileStalled(testing::kReadCall,
                              [&] {
                                rocksdb::Slice data;
                                char space[3];
                                EXPECT_TRUE(reader->Read(0, 3, {}, &data, space, nullptr).ok());
                                EXPECT_EQ(data.ToString(), "xbc");
                              }),
            "read /d/1.sst");
  ASSERT_TRUE(files_.NewDirectory("/d", IOOptions(), &directory, nullptr).ok());
  EXPECT_EQ(NamedWhileStalled(testing::kDirectorySyncCall,
                              [&] { EXPECT_TRUE(directory->Fsync(IOOptions(), nullptr).ok()); }),
            "fsync /d");
  EXPECT_EQ(NamedWhileStalled(
                testing::kRenameCall,
                [&] { EXPECT_TRUE(files_.RenameFile("/d/1.sst", "/d/2.sst", {}, nullptr).ok()); }),
            "rename /d/1.sst");
  EXPECT_EQ(NamedWhileStalled(
                testing::kDeleteCall,
                [&] { EXPECT_TRUE(files_.DeleteFile("/d/2.sst", IOOptions(), nullptr).ok()); }),
            "unlink /d/2.sst");
}

}  // namespace
}  // namespace mooring::engine
