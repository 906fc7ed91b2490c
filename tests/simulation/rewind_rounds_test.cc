// Rewinds to random versions and times of a store under load, each compared with a model, and ones
// that are killed on the way.

#include <atomic>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/store.h"
#include "tests/servers/archive_place.h"
#include "tests/testing/child_process.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kAges = absl::Minutes(2);
constexpr int kWriters = 3;

using Contents = std::map<std::string, std::string>;

// What was committed, by any lineage.
struct Commit {
  Version version;
  absl::Time begun, ended;
  Contents changes;
};

Contents Read(const Table& table) {
  Contents contents;
  for (Iterator it = table.Scan(); it.Valid(); it.Next()) {
    contents.emplace(it.key(), it.value());
  }
  return contents;
}

class RewindRounds : public ::testing::Test {
 protected:
  void SetUp() override { MOORING_NEED_PLACE(place_); }

  Options OptionsFor(const std::string& volume) {
    fs::create_directories(directory_.File(volume));
    Options options;
    options.volume = directory_.File(volume);
    options.allow_unsafe_volume = true;
    options.cache_bytes = options.write_buffer_bytes = options.wal_file_bytes = int64_t{1} << 20;
    options.max_wal_bytes = int64_t{2} << 20;
    options.archive.url = place_.Url();
    options.archive.ship_interval = absl::Milliseconds(20);
    options.archive.takeover_wait = absl::Milliseconds(300);
    return options;
  }

  // Some writers at once, each of whose commits leaves a trace of its own.
  void Load(Store* store, const Table& table, int commits) {
    std::vector<std::thread> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.emplace_back([&, random = std::mt19937_64(random_())]() mutable {
        for (int i = 0; i < commits; ++i) {
          Commit commit;
          WriteBatch batch;
          const int count = 1 + static_cast<int>(random() % 4);
          const int number = next_++;
          commit.changes[absl::StrCat("n", number % 500)] = absl::StrCat(number);
          for (int n = 0; n < count; ++n) {
            const size_t size = random() % 20 == 0 ? 30000 : random() % 300;
            commit.changes[absl::StrCat("k", random() % 100)] =
                absl::StrCat(number, std::string(size, 'v'));
          }
          for (const auto& [key, value] : commit.changes) batch.Put(table, key, value);
          commit.begun = absl::Now();
          CommitOptions options;
          if (random() % 16 == 0) options.durability = Durability::kArchive;
          const absl::StatusOr<Version> version = store->Commit(batch, options);
          commit.ended = absl::Now();
          EXPECT_OK(version);
          if (!version.ok()) return;
          commit.version = *version;
          absl::MutexLock lock(&mutex_);
          past_[version->sequence] = std::move(commit);
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
  }

  // Of what comes before an opening's first checkpoint the archive has the state only.
  void AwaitShipping(Store* store, const Table& table) {
    Commit commit;
    commit.changes["shipping"] = absl::StrCat(next_++);
    WriteBatch batch;
    batch.Put(table, "shipping", commit.changes["shipping"]);
    commit.begun = absl::Now();
    ASSERT_OK_AND_ASSIGN(commit.version,
                         store->Commit(batch, {Durability::kArchive, absl::InfiniteDuration()}));
    commit.ended = absl::Now();
    past_[commit.version.sequence] = commit;
  }

  // The model at a sequence of the present lineage.
  Contents At(uint64_t sequence) const {
    Contents contents;
    for (const auto& [at, commit] : past_) {
      if (at > sequence) break;
      for (const auto& [key, value] : commit.changes) contents[key] = value;
    }
    return contents;
  }

  // The last commit of what a rewind by time reached, from how much of it is right.
  void ExpectTime(absl::Time time, uint64_t reached) const {
    for (const auto& [sequence, commit] : past_) {
      // A commit's time is taken between its begin and its end.
      const bool before = commit.ended<time, after = commit.begun> time;
      EXPECT_TRUE(!before || sequence <= reached) << sequence << ", reached " << reached;
      EXPECT_TRUE(!after || sequence > reached) << sequence << ", reached " << reached;
    }
  }

  void Run(int rounds, int commits) {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Store::Open(OptionsFor("a")));
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    AwaitShipping(store.get(), table);
    Load(store.get(), table, commits);
    int by_time = 0, copies = 0, refused = 0;
    for (int round = 0; round < rounds; ++round) {
      SCOPED_TRACE(absl::StrCat("round ", round));
      table = {};
      if (random_() % 3 == 0) {
        store.reset();  // Without a word.
      } else {
        ASSERT_OK(store->Close(kAges).status);
        store.reset();
      }
      auto goal = past_.begin();
      std::advance(goal, random_() % past_.size());
      const Commit newest = past_.rbegin()->second;
      const Contents all = At(newest.version.sequence);
      const bool time = random_() % 2 == 0;
      by_time += time ? 1 : 0;
      const absl::Time moment = goal->second.ended;
      const RewindTarget target =
          time ? RewindTarget::To(moment) : RewindTarget::To(goal->second.version);
      auto rewound = Store::Rewind(OptionsFor("a"), target);
      if (absl::IsOutOfRange(rewound.status())) {
        // Where logs grew faster than they were sent, a checkpoint took their place.
        ++refused;
        ASSERT_LT(refused, rounds) << rewound.status();
        ASSERT_OK_AND_ASSIGN(store, Store::Open(OptionsFor("a")));
        ASSERT_OK_AND_ASSIGN(table, store->OpenTable("t"));
        ASSERT_TRUE(Read(table) == all);
        --round;
        continue;
      }
      ASSERT_OK(rewound) << target.ToString();
      store = *std::move(rewound);
      ASSERT_GT(store->version(), newest.version);
      ASSERT_OK_AND_ASSIGN(table, store->OpenTable("t"));
      // One operation marks the new lineage.
      const uint64_t reached = store->version().sequence - 1;
      if (time) {
        ExpectTime(moment, reached);
      } else {
        ASSERT_EQ(reached, goal->first);
      }
      const Contents found = Read(table);
      ASSERT_TRUE(found == At(reached)) << target.ToString();
      // Off by one it would be noticed.
      const auto last = past_.find(reached);
      ASSERT_TRUE(last != past_.end());
      if (last != past_.begin()) {
        ASSERT_FALSE(found == At(std::prev(last)->first));
      }
      past_.erase(std::next(last), past_.end());
      if (round % 10 == 0) {
        ExpectCopy(newest.version, all, round);
        ++copies;
      }
      AwaitShipping(store.get(), table);
      Load(store.get(), table, commits / 3 + 1);
      if (round % 10 == 5) ExpectElsewhere(&store, &table, round);
      if (HasFatalFailure()) return;
    }
    std::cout << rounds << " rewinds, " << by_time << " of them by time; " << copies
              << " copies of what was left behind; refused " << refused << std::endl;
    ExpectElsewhere(&store, &table, rounds);
    table = {};
  }

  void ExpectCopy(Version version, const Contents& expected, int round) {
    const std::string name = absl::StrCat("copy", round);
    Options options = OptionsFor(name);
    RestoreCopyOptions copy;
    copy.allow_unsafe_volume = true;
    ASSERT_OK(RestoreCopy(options.archive, RewindTarget::To(version), options.volume, copy));
    options.archive = {};
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Store::Open(options));
    ASSERT_OK_AND_ASSIGN(const Table table, store->OpenTable("t"));
    ASSERT_TRUE(Read(table) == expected) << version;
  }

  // The volume is lost, and the store goes on.
  void ExpectElsewhere(std::unique_ptr<Store>* store, Table* table, int round) {
    *table = {};
    ASSERT_OK((*store)->Close(kAges).status);
    store->reset();
    fs::remove_all(directory_.File("a"));
    ASSERT_OK_AND_ASSIGN(*store, Store::Open(OptionsFor("a")));
    ASSERT_OK_AND_ASSIGN(*table, (*store)->OpenTable("t"));
    ASSERT_TRUE(Read(*table) == At(~uint64_t{0})) << "elsewhere, round " << round;
  }

  TempDirectory directory_;
  ArchivePlace place_;
  std::mt19937_64 random_{TestSeed()};
  std::atomic<int> next_{0};
  absl::Mutex mutex_;
  std::map<uint64_t, Commit> past_;  // Of the present lineage.
};

TEST_F(RewindRounds, AnyMomentUnderLoadIsGoneBackTo) {
  const bool far = place_.Url().rfind("s3:", 0) == 0;
  Run(TestTrials(far ? 8 : 100), far ? 30 : 90);
}

TEST_F(RewindRounds, ARewindThatIsKilledAnywhereHappensOrDoesNot) {
  int undone = 0, done = 0;
  for (int step = 1;; ++step) {
    SCOPED_TRACE(absl::StrCat("killed at step ", step));
    Version good;
    Contents expected, all;
    const std::string volume = "k";
    {
      ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Store::Open(OptionsFor(volume)));
      ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
      ASSERT_OK(table.Put("shipping", "", {Durability::kArchive, absl::InfiniteDuration()}));
      ASSERT_OK_AND_ASSIGN(good, table.Put("good", absl::StrCat(step)));
      expected = Read(table);
      ASSERT_OK(table.Put("bad", absl::StrCat(step)));
      all = Read(table);
      table = {};
      ASSERT_OK(store->Close(kAges).status);
    }
    ChildProcess child({MOORING_REWIND_CHILD, directory_.File(volume), place_.Url(),
                        absl::StrCat(good.epoch), absl::StrCat(good.sequence), absl::StrCat(step)});
    bool claimed = false, open = false;
    for (std::string line = child.ReadLine(); !line.empty(); line = child.ReadLine()) {
      ASSERT_FALSE(absl::StartsWith(line, "failed")) << line;
      claimed = claimed || absl::StrContains(line, "the archive decides: rewind");
      if ((open = line == "open")) child.Signal(SIGKILL);
    }
    EXPECT_EQ(child.Wait(), -SIGKILL);
    for (const bool lost : {false, true}) {
      if (lost) fs::remove_all(directory_.File(volume));
      ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Store::Open(OptionsFor(volume)));
      ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
      const Contents found = Read(table);
      if (claimed || found == expected) {
        ASSERT_TRUE(found == expected) << (lost ? "volume lost" : "");
        claimed = true;
      } else {
        ASSERT_TRUE(found == all);
      }
      table = {};
      ASSERT_OK(store->Close(kAges).status);
    }
    (claimed ? done : undone) += 1;
    if (open) break;
    // What the next round puts there must not be there already.
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Store::Open(OptionsFor(volume)));
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    ASSERT_OK(table.Delete("bad"));
    table = {};
    ASSERT_OK(store->Close(kAges).status);
  }
  std::cout << "killed before the claim: " << undone << ", after it: " << done << std::endl;
  EXPECT_GT(undone, 0);
  EXPECT_GT(done, 1);
}

}  // namespace
}  // namespace mooring::testing
