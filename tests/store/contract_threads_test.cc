#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/store/contract_fixture.h"

namespace mooring {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.

class ThreadsTest : public ContractTest {
 protected:
  static constexpr int kThreads = 8;

  template <typename Work>
  static void OnThreads(int count, Work work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
    for (std::thread& thread : threads) thread.join();
  }

  // A commit's options, of every kind in turn.
  static CommitOptions OptionsOf(int i) {
    CommitOptions options;
    if (i % 4 != 0) options.durability = Durability::kProcess;
    if (i % 3 == 0) options.timeout = absl::Hours(1);
    return options;
  }
};
MOORING_CONTRACT(ThreadsTest);

TEST_P(ThreadsTest, NoReaderEverSeesHalfABatch) {
  Table other = Open("other");
  std::atomic<int> writers{kThreads / 2};
  OnThreads(kThreads, [&](int thread) {
    const int writer = thread / 2;
    const std::string key = absl::StrCat(writer);
    if (thread % 2 == 0) {
      for (int i = 0; i < 300; ++i) {
        WriteBatch batch;
        batch.Put(table_, key, absl::StrCat(i));
        batch.Put(table_, absl::StrCat(key, "/", i), "v");
        batch.Put(other, key, absl::StrCat(i));
        EXPECT_OK(store_->Commit(batch, OptionsOf(i)));
      }
      --writers;
      return;
    }
    while (writers > 0) {
      const Snapshot now = Take();
      const auto here = table_.Get(key, now);
      const auto there = other.Get(key, now);
      ASSERT_EQ(here.ok(), there.ok());
      if (!here.ok()) continue;
      EXPECT_EQ(here->view(), there->view());
      const std::string mark = key + "/" + here->ToString();
      EXPECT_THAT(table_.Get(mark, now), Holds("v"));
      const auto pair = table_.MultiGet({key, mark});
      EXPECT_OK(pair[1]) << "what was there once is there now";
    }
  });
}

TEST_P(ThreadsTest, AScanAndAMultiGetAreAsOfOneMoment) {
  std::atomic<bool> done{false};
  WriteBatch batch;
  const auto write = [&](int i) {
    batch.Clear();
    for (const char* key : {"a", "b", "c", "d"}) batch.Put(table_, key, absl::StrCat(i));
    EXPECT_OK(store_->Commit(batch, kUnsynced));
  };
  write(0);
  OnThreads(3, [&](int thread) {
    if (thread == 0) {
      for (int i = 1; i < 2000; ++i) write(i);
      done = true;
      return;
    }
    while (!done) {
      const std::vector<Entry> entries = Entries(table_.Scan());
      ASSERT_EQ(entries.size(), 4U);
      for (const Entry& entry : entries) EXPECT_EQ(entry.second, entries[0].second);
      const auto values = table_.MultiGet({"d", "a", "c", "b"});
      for (const auto& value : values) EXPECT_THAT(value, Holds(values[0]->view()));
    }
  });
}

// An answered commit is seen by whoever reads after the answer, and versions are in that order.
TEST_P(ThreadsTest, EachWriterReadsItsOwnWritesAndVersionsAreUnique) {
  std::mutex mutex;
  std::map<Version, int> versions;
  OnThreads(kThreads, [&](int thread) {
    Version last;
    std::vector<Version> own;
    for (int i = 0; i < 200; ++i) {
      const std::string key = absl::StrCat(thread, ".", i % 10);
      absl::StatusOr<Version> version = table_.Put(key, absl::StrCat(i), OptionsOf(i));
      ASSERT_OK(version);
      EXPECT_GT(*version, last);
      EXPECT_GE(store_->version(), *version);
      EXPECT_GE(Take().version(), *version);
      EXPECT_THAT(table_.Get(key), Holds(absl::StrCat(i)));
      last = *version;
      own.push_back(last);
    }
    std::lock_guard<std::mutex> lock(mutex);
    for (const Version& version : own) ++versions[version];
  });
  EXPECT_EQ(versions.size(), size_t{kThreads} * 200) << "two commits got one version";
  Reopen();
  for (int thread = 0; thread < kThreads; ++thread) {
    for (int i = 0; i < 10; ++i) {
      EXPECT_THAT(table_.Get(absl::StrCat(thread, ".", i)), Holds(absl::StrCat(190 + i)));
    }
  }
}

// Close() meets readers and writers at work: each call answers, and nothing acknowledged is lost.
TEST_P(ThreadsTest, CloseUnderLoadLosesNothing) {
  std::atomic<int> started{0};
  std::vector<int> acknowledged(kThreads, -1);
  std::thread closer([&] {
    while (started < kThreads) std::this_thread::yield();
    EXPECT_TRUE(store_->Close(absl::Minutes(2)).released);
  });
  OnThreads(kThreads, [&](int thread) {
    const std::string key = absl::StrCat(thread);
    for (int i = 0;; ++i) {
      const auto version = table_.Put(key, absl::StrCat(i), OptionsOf(i + thread));
      if (!version.ok()) {
        EXPECT_THAT(version, StatusIs(absl::StatusCode::kFailedPrecondition));
        break;
      }
      acknowledged[static_cast<size_t>(thread)] = i;
      if (i == 20) ++started;
      const auto value = table_.Get(key);
      if (value.ok()) {
        EXPECT_THAT(value, Holds(absl::StrCat(i)));
      } else {
        EXPECT_THAT(value, StatusIs(absl::StatusCode::kFailedPrecondition));
      }
      Iterator iterator = table_.Scan();
      while (iterator.Valid()) iterator.Next();
    }
    // A writer that was refused at once has still started.
    if (acknowledged[static_cast<size_t>(thread)] < 20) ++started;
  });
  closer.join();
  Reopen();
  for (int thread = 0; thread < kThreads; ++thread) {
    EXPECT_THAT(table_.Get(absl::StrCat(thread)),
                Holds(absl::StrCat(acknowledged[static_cast<size_t>(thread)])));
  }
}

}  // namespace
}  // namespace mooring
