#include "src/base/operation_watch.h"

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring {
namespace {

using ::testing::EndsWith;
using ::testing::SizeIs;

TEST(OperationWatchTest, NamesTheOldestOperation) {
  OperationWatch watch;
  EXPECT_EQ(watch.Oldest(), std::nullopt);
  const OperationWatch::Path log("/volume/data/000012.log");
  const OperationWatch::Path sst("/volume/data/000013.sst");
  {
    const OperationWatch::Scope first(&watch, "fdatasync", log);
    std::thread([&] {
      const OperationWatch::Scope second(&watch, "write", sst);
      EXPECT_EQ(watch.Oldest()->name, "fdatasync /volume/data/000012.log");
    }).join();
    EXPECT_EQ(watch.Oldest()->name, "fdatasync /volume/data/000012.log");
  }
  EXPECT_EQ(watch.Oldest(), std::nullopt);
}

TEST(OperationWatchTest, TellsAnOperationOfTheGivenAgeOnly) {
  OperationWatch watch;
  const OperationWatch::Scope scope(&watch, "fsync", OperationWatch::Path("/volume"));
  EXPECT_EQ(watch.OldestBeyond(absl::Hours(1)), std::nullopt);
  while (!watch.OldestBeyond(absl::Milliseconds(2)).has_value()) std::this_thread::yield();
  EXPECT_GE(watch.Oldest()->age, absl::Milliseconds(2));
}

TEST(OperationWatchTest, KeepsTheEndOfALongPath) {
  OperationWatch watch;
  const std::string path = std::string(500, 'd') + "/000012.log";
  const OperationWatch::Scope scope(&watch, "write", OperationWatch::Path(path));
  EXPECT_THAT(watch.Oldest()->name, EndsWith("ddd/000012.log"));
  EXPECT_THAT(watch.Oldest()->name, SizeIs(OperationWatch::Path::kBytes + 6));
}

// H1 holds also where more operations are under way than there are slots.
TEST(OperationWatchTest, HasRoomForAnyNumberOfOperations) {
  OperationWatch watch;
  std::vector<std::unique_ptr<OperationWatch::Scope>> scopes;
  for (int i = 0; i < 1000; ++i) {
    const OperationWatch::Path path(absl::StrCat("/volume/", i));
    scopes.push_back(std::make_unique<OperationWatch::Scope>(&watch, "read", path));
  }
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(watch.Oldest()->name, absl::StrCat("read /volume/", i));
    scopes[i].reset();
  }
  EXPECT_EQ(watch.Oldest(), std::nullopt);
}

// H3: what is read is always one whole operation, never a mix of two.
TEST(OperationWatchTest, IsReadWhileOperationsBeginAndEnd) {
  OperationWatch watch;
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (const char* call : {"write", "fsync"}) {
    threads.emplace_back([&watch, &done, call] {
      const OperationWatch::Path path(std::string(OperationWatch::Path::kBytes, call[0]));
      while (!done) const OperationWatch::Scope scope(&watch, call, path);
    });
  }
  const std::string written = "write " + std::string(OperationWatch::Path::kBytes, 'w');
  const std::string synced = "fsync " + std::string(OperationWatch::Path::kBytes, 'f');
  for (int seen = 0; seen < 10000;) {
    const std::optional<OperationWatch::Operation> oldest = watch.Oldest();
    if (!oldest.has_value()) continue;
    ++seen;
    EXPECT_TRUE(oldest->name == written || oldest->name == synced) << oldest->name;
    if (HasFailure()) break;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace mooring
