#include "tests/objectstore/contract_test.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/posix_file.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/probe.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::objectstore {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;
using testing::TempDirectory;

namespace {

std::vector<std::string> Keys(const absl::StatusOr<std::vector<ObjectInfo>>& objects) {
  std::vector<std::string> keys;
  if (!objects.ok()) return {objects.status().ToString()};
  for (const ObjectInfo& object : *objects) keys.push_back(object.key);
  return keys;
}

}  // namespace

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  uint64_t state = 88172645463325252u;
  for (char& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state >> 32);
  }
  return bytes;
}

void ContractTest::SetUp() {
  place_ = GetParam().make();
  if (const std::string missing = place_->Missing(); !missing.empty()) GTEST_SKIP() << missing;
  store_ = place_->Open();
  ASSERT_NE(store_, nullptr);
}

TEST_P(ContractTest, WhatWasPutIsRead) {
  const std::string bytes = absl::StrCat(std::string("\0\r\n\xff%", 5), Pattern(1000));
  ASSERT_OK(store_->Put("journal/00000000000000000001", bytes));
  EXPECT_EQ(*store_->Get("journal/00000000000000000001"), bytes);
  EXPECT_EQ(*place_->Open()->Get("journal/00000000000000000001"), bytes);
}

TEST_P(ContractTest, PutReplaces) {
  ASSERT_OK(store_->Put("latest", "a long one at first"));
  ASSERT_OK(store_->Put("latest", "short"));
  EXPECT_EQ(*store_->Get("latest"), "short");
}

TEST_P(ContractTest, EmptyObjectIsNoAbsentObject) {
  ASSERT_OK(store_->Create("empty", ""));
  EXPECT_EQ(*store_->Get("empty"), "");
  EXPECT_THAT(store_->GetRange("empty", 0, 1), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(store_->Create("empty", "x"), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_P(ContractTest, AbsentObjectIsNotFound) {
  EXPECT_THAT(store_->Get("absent"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("absent")));
  EXPECT_THAT(store_->Get("absent/below/it"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->GetRange("absent", 0, 1), StatusIs(absl::StatusCode::kNotFound));
  TempDirectory directory;
  EXPECT_THAT(store_->GetToFile("absent", directory.File("f")),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(*FileExists(directory.File("f")));
}

TEST_P(ContractTest, CreateLeavesWhatIsThere) {
  ASSERT_OK(store_->Create("slot", "first"));
  EXPECT_THAT(store_->Create("slot", "second"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("slot")));
  EXPECT_EQ(*store_->Get("slot"), "first");
}

// O1.
TEST_P(ContractTest, OneOfRacingCreatesWins) {
  constexpr int kRacers = 6;
  for (int round = 0; round < 5; ++round) {
    const std::string key = absl::StrCat("race/", round);
    std::atomic<int> winners{0};
    std::atomic<int> winner{-1};
    std::vector<std::thread> racers;
    for (int racer = 0; racer < kRacers; ++racer) {
      racers.emplace_back([&, racer] {
        const std::unique_ptr<ObjectStore> store = place_->Open();
        if (!store->Create(key, absl::StrCat("racer ", racer)).ok()) return;
        ++winners;
        winner = racer;
      });
    }
    for (std::thread& racer : racers) racer.join();
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(*store_->Get(key), absl::StrCat("racer ", winner.load()));
  }
}

TEST_P(ContractTest, RangesAreExact) {
  ASSERT_OK(store_->Put("object", "0123456789"));
  EXPECT_EQ(*store_->GetRange("object", 0, 10), "0123456789");
  EXPECT_EQ(*store_->GetRange("object", 3, 4), "3456");
  EXPECT_EQ(*store_->GetRange("object", 9, 1), "9");
  EXPECT_EQ(*store_->GetRange("object", 8, 100), "89");
  EXPECT_THAT(store_->GetRange("object", 10, 1), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(store_->GetRange("object", 0, 0), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_->GetRange("object", -1, 1), StatusIs(absl::StatusCode::kInvalidArgument));
}

// O2. A directory sorts by its full keys: "a-b" < "a/b" < "a0".
TEST_P(ContractTest, ListIsOrderedByTheBytesOfKeys) {
  for (const char* key : {"a0", "a/b", "a-b", "B", "a/c/d", "a/c-d", "b"}) {
    ASSERT_OK(store_->Create(key, key));
  }
  EXPECT_THAT(Keys(store_->List("", "", 100)),
              ElementsAre("B", "a-b", "a/b", "a/c-d", "a/c/d", "a0", "b"));
  EXPECT_THAT(Keys(store_->List("a", "", 100)), ElementsAre("a-b", "a/b", "a/c-d", "a/c/d", "a0"));
  EXPECT_THAT(Keys(store_->List("a/c", "", 100)), ElementsAre("a/c-d", "a/c/d"));
  EXPECT_THAT(Keys(store_->List("", "a/b", 100)), ElementsAre("a/c-d", "a/c/d", "a0", "b"));
  EXPECT_THAT(Keys(store_->List("a/", "a/c", 100)), ElementsAre("a/c-d", "a/c/d"));
  EXPECT_THAT(Keys(store_->List("", "a-c", 2)), ElementsAre("a/b", "a/c-d"));
  EXPECT_THAT(Keys(store_->List("none/", "", 100)), IsEmpty());
  EXPECT_EQ(store_->List("a/c/", "", 1)->at(0).size, 5);
}

TEST_P(ContractTest, ListGoesOnOverManyPages) {
  constexpr int kObjects = 2500;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = writer; i < kObjects; i += 4) {
        EXPECT_OK(store_->Put(absl::StrCat("many/", 10000 + i), "x"));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  std::vector<std::string> keys = Keys(store_->List("many/", "", 5000));
  EXPECT_EQ(keys.size(), kObjects);
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), kObjects);
  EXPECT_EQ(store_->List("many/", "", 2100)->size(), 2100);
  EXPECT_EQ(store_->List("many/", "many/10100", 5000)->size(), kObjects - 101);
  EXPECT_THAT(Keys(store_->List("many/", "many/12497", 5000)),
              ElementsAre("many/12498", "many/12499"));
}

TEST_P(ContractTest, AbandonedWritesAreRemovedOnceTheyAreOldAndWholeObjectsAreNot) {
  ASSERT_OK(store_->Put("files/a", "whole"));
  place_->Abandon("files/a");
  place_->Abandon("files/b");
  EXPECT_EQ(*store_->RemoveAbandoned("files/", absl::Hours(24)), 0);
  int64_t removed = 0;
  const Deadline deadline(absl::Seconds(120));
  while (removed < 2 && !deadline.Passed()) {
    ASSERT_OK_AND_ASSIGN(const int64_t more, store_->RemoveAbandoned("files/", absl::Seconds(1)));
    removed += more;
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(removed, 2);
  EXPECT_EQ(*store_->RemoveAbandoned("", absl::ZeroDuration()), 0);
  EXPECT_THAT(Keys(store_->List("", "", 10)), ElementsAre("files/a"));
  EXPECT_EQ(*store_->Get("files/a"), "whole");
}

TEST_P(ContractTest, DeletedIsGoneAndDeletingTwiceIsFine) {
  ASSERT_OK(store_->Put("files/a", "x"));
  ASSERT_OK(store_->Delete("files/a"));
  EXPECT_THAT(store_->Get("files/a"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Keys(store_->List("files/", "", 10)), IsEmpty());
  EXPECT_OK(store_->Delete("files/a"));
  EXPECT_OK(store_->Delete("files/a/b"));
  EXPECT_OK(store_->Create("files/a", "y"));
}

TEST_P(ContractTest, FilesGoThereAndBack) {
  TempDirectory directory;
  for (const size_t size : {size_t{0}, size_t{1000}, (size_t{37} << 20) + 11}) {
    const std::string bytes = Pattern(size);
    ASSERT_OK(WriteFileDurably(directory.File("source"), bytes));
    ASSERT_OK(store_->PutFile("files/f", directory.File("source")));
    EXPECT_EQ(store_->List("files/", "", 1)->at(0).size, size);
    ASSERT_OK(WriteFileDurably(directory.File("target"), "what was there before"));
    ASSERT_OK_AND_ASSIGN(const int64_t read,
                         store_->GetToFile("files/f", directory.File("target")));
    EXPECT_EQ(read, size);
    EXPECT_TRUE(*ReadFile(directory.File("target")) == bytes) << size;
  }
}

TEST_P(ContractTest, CallersFilesThatAreMissingAreNoAbsentObject) {
  TempDirectory directory;
  ASSERT_OK(store_->Put("object", "x"));
  EXPECT_THAT(store_->PutFile("f", directory.File("no/such/file")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no/such/file")));
  EXPECT_THAT(store_->GetToFile("object", directory.File("no/such/file")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no/such/file")));
}

TEST_P(ContractTest, KeysAreChecked) {
  for (const std::string key : {"", "/a", "a/", "a//b", "../a", "a/../b", ".tmp/a", "a b", "a\n",
                                "\xc3\xa4", "a/.hidden", "a%2f"}) {
    EXPECT_THAT(store_->Put(key, "x"), StatusIs(absl::StatusCode::kInvalidArgument)) << key;
    EXPECT_THAT(store_->Get(key), StatusIs(absl::StatusCode::kInvalidArgument)) << key;
  }
  EXPECT_THAT(store_->Put(std::string(201, 'a'), "x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(store_->Put(std::string(200, 'a'), "x"));
}

TEST_P(ContractTest, NoTimeLeftIsUnavailable) {
  RequestOptions options;
  options.timeout = absl::ZeroDuration();
  EXPECT_THAT(store_->Create("late", "x", options), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(store_->Get("late", options), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(store_->List("", "", 10, options), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(ContractTest, CancelledStoreRefuses) {
  ASSERT_OK(store_->Put("a", "x"));
  store_->Cancel();
  EXPECT_THAT(store_->Put("a", "y"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(store_->Get("a"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(store_->List("", "", 10), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(store_->RemoveAbandoned("", absl::Hours(1)), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(*place_->Open()->Get("a"), "x");
}

TEST_P(ContractTest, TrafficIsCounted) {
  ASSERT_OK(store_->Put("a", std::string(1000, 'x')));
  ASSERT_OK(store_->Get("a"));
  const Traffic traffic = store_->traffic();
  EXPECT_GE(traffic.requests, 2);
  EXPECT_GE(traffic.bytes_sent, 1000);
  EXPECT_GE(traffic.bytes_received, 1000);
}

// A9.
TEST_P(ContractTest, HonestStorePassesTheProbeAndIsLeftClean) {
  ASSERT_OK(ProbeObjectStore(*store_));
  EXPECT_THAT(Keys(store_->List("", "", 100)), IsEmpty());
}

}  // namespace mooring::objectstore
