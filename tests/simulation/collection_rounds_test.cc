// Collection at work beside owners that take over from each other, zombies that were stopped on the
// way and go on, collectors and all, restores, exports and rewinds. A clock that runs fast makes
// months of minutes. MOORING_COLLECTION_SECONDS says how long it goes on.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "mooring/rewind.h"
#include "mooring/snapshot_file.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/archive/collector.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/open.h"
#include "tests/servers/archive_place.h"
#include "tests/simulation/collection_ring.h"
#include "tests/simulation/slow_reader_store.h"
#include "tests/testing/child_process.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kAges = absl::Minutes(2);
constexpr int kVolumes = 4;
// Longer than the retention lasts on the fast clock, and a checkpoint and a round besides.
constexpr absl::Duration kSlowFile = absl::Seconds(5);
constexpr int kRestorers = 2;

int Length(int usual) {
  const char* const given = std::getenv("MOORING_COLLECTION_SECONDS");
  int seconds = 0;
  return given != nullptr && absl::SimpleAtoi(given, &seconds) ? seconds : usual;
}

struct Acknowledged {
  RingCommit commit;
  Version version;
};

// An owner in a process of its own, and what it says.
struct Owner {
  Owner(int its_number, std::string its_volume, const std::vector<std::string>& arguments)
      : number(its_number), volume(std::move(its_volume)), child(arguments) {}
  ~Owner() {
    child.Signal(SIGCONT);
    child.Signal(SIGKILL);
    if (reader.joinable()) reader.join();
  }

  const int number;
  const std::string volume;
  ChildProcess child;
  std::atomic<bool> open{false};
  std::atomic<bool> fenced{false};
  std::atomic<int> acknowledged{0};
  std::string note;  // What it is at, under the test's lock.
  std::thread reader;
};

class CollectionRounds : public ::testing::Test {
 protected:
  void SetUp() override {
    MOORING_NEED_PLACE(place_);
    CollectFast(clock_, true);
    objectstore::RegisterScheme("slow", [this](const objectstore::Url&) {
      return std::make_unique<SlowReaderStore>(place_.Open(), [] { return kSlowFile; });
    });
  }
  void TearDown() override { archive::DefaultCollection() = {}; }

  bool IsFar() const { return place_.Url().rfind("s3:", 0) == 0; }
  uint64_t Random(uint64_t below) {
    absl::MutexLock lock(&mutex_);
    return random_() % below;
  }
  // The first thing that is wrong ends all.
  void Wrong(const std::string& what) {
    absl::MutexLock lock(&mutex_);
    if (wrong_.empty()) wrong_ = what;
    failed_ = over_ = true;
  }

  // --- Owners.

  std::unique_ptr<Owner> Start(const std::string& volume, bool empty) {
    if (empty) fs::remove_all(volume);
    fs::create_directories(volume);
    const int number = ++owners_;
    auto owner = std::make_unique<Owner>(
        number, volume,
        std::vector<std::string>{MOORING_COLLECTION_CHILD, volume, place_.Url(),
                                 absl::StrCat(number), absl::StrCat(clock_.begin_us),
                                 pins_are_kept_ ? "pins" : "no pins"});
    owner->reader = std::thread([this, owner = owner.get()] { Listen(owner); });
    return owner;
  }

  void Listen(Owner* owner) {
    while (true) {
      const std::string line = owner->child.ReadLine(kAges);
      if (line.empty() && owner->child.ended()) return;
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      if (words[0] == "open") owner->open = true;
      if (words[0] == "fenced") owner->fenced = true;
      if (words[0] == "note") {
        absl::MutexLock lock(&mutex_);
        owner->note = line;
      }
      if (words[0] == "error") Wrong(absl::StrCat("owner ", owner->number, ": ", line));
      if (words[0] == "ack" && words.size() == 5) Hear(owner, words);
      if (words[0] == "export" && words.size() == 3) {
        absl::MutexLock lock(&mutex_);
        exports_.emplace_back(words[1], std::atoll(words[2].c_str()));
      }
    }
  }

  void Hear(Owner* owner, const std::vector<std::string>& words) {
    Acknowledged told;
    told.commit.owner = owner->number;
    bool good = absl::SimpleAtoi(words[1], &told.commit.number);
    good = absl::SimpleAtoi(words[2], &told.commit.hash) && good;
    good = absl::SimpleAtoi(words[3], &told.version.epoch) && good;
    good = absl::SimpleAtoi(words[4], &told.version.sequence) && good;
    if (!good) return;  // Cut short by a kill.
    ++owner->acknowledged;
    ++acknowledged_;
    absl::MutexLock lock(&mutex_);
    // Of a lineage that was left: it may be beyond where the present one began.
    if (owner->number < least_owner_) return;
    const auto [place, is_new] = past_.emplace(told.commit.number, told);
    if (is_new || place->second.commit.hash == told.commit.hash) return;
    if (wrong_.empty()) wrong_ = absl::StrCat(words[1], " was acknowledged by two owners");
    failed_ = over_ = true;
  }

  bool AwaitWork(Owner* owner, int acknowledged) {
    for (const Deadline deadline(kAges);
         !failed_ && !(owner->open && owner->acknowledged >= acknowledged);) {
      if (deadline.Passed()) {
        owner->child.Write("s");  // Its status, which comes as an error.
        absl::SleepFor(absl::Seconds(5));
        std::string note;
        {
          absl::MutexLock lock(&mutex_);
          note = owner->note;
        }
        Wrong(absl::StrCat("owner ", owner->number, ", ", note, ",",
                           owner->open ? " is open" : " does not open",
                           owner->fenced ? ", fenced" : "", ", ", owner->acknowledged.load(),
                           " acknowledged, and does not go on"));
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
    return !failed_;
  }

  void CloseWell(std::unique_ptr<Owner>* owner) {
    (*owner)->child.Write("c");
    (*owner)->reader.join();
    if (const int code = (*owner)->child.Wait(); code != 0) {
      Wrong(absl::StrCat("owner ", (*owner)->number, " ended with ", code));
    }
    owner->reset();
  }

  // One that nobody has, at random.
  std::string FreeVolume(const Owner* owner, const Owner* zombie) {
    std::string volume;
    do {
      volume = directory_.File(absl::StrCat("v", Random(kVolumes)));
    } while ((owner != nullptr && owner->volume == volume) ||
             (zombie != nullptr && zombie->volume == volume));
    return volume;
  }

  // One owner after another until it is over. Up to two zombies at once.
  void TakeOver() {
    std::unique_ptr<Owner> owner = Start(FreeVolume(nullptr, nullptr), false);
    std::unique_ptr<Owner> zombie;
    AwaitWork(owner.get(), 20);
    while (!over_) {
      for (const Deadline until(absl::Milliseconds(500 + Random(1500)));
           !over_ && !until.Passed();) {
        absl::SleepFor(absl::Milliseconds(10));
      }
      if (over_) break;
      const uint64_t how = Random(8);
      std::string volume = FreeVolume(owner.get(), zombie.get());
      bool empty = Random(2) == 0;
      bool stopped = false;
      if (how == 0) CloseWell(&owner);
      if (how == 1) owner.reset();  // Killed.
      if (how == 2) {
        volume = owner->volume;
        CloseWell(&owner);
        if (!failed_) Rewind(volume);
        empty = false;
      }
      if (owner != nullptr && how < 6) {
        owner->child.Signal(SIGSTOP);
        stopped = true;
      }
      if (failed_) break;
      std::unique_ptr<Owner> next = Start(volume, empty);
      if (owner != nullptr && !stopped) {
        // It may be overtaken at work, but who waits for one that goes on is refused in the end.
        absl::SleepFor(absl::Milliseconds(Random(400)));
        owner->child.Signal(SIGSTOP);
      }
      if (!AwaitWork(next.get(), 1 + static_cast<int>(Random(30)))) break;
      ++takeovers_;
      if (owner != nullptr) {
        if (zombie != nullptr) EndZombie(std::move(zombie));
        zombie = std::move(owner);
        zombie->child.Signal(SIGCONT);
      }
      owner = std::move(next);
    }
    if (zombie != nullptr) EndZombie(std::move(zombie));
    if (wrong().empty()) Settle(owner.get());
    if (wrong().empty()) CloseWell(&owner);
  }

  void EndZombie(std::unique_ptr<Owner> zombie) {
    zombie->child.Signal(SIGCONT);
    if (zombie->fenced) ++fenced_;
    ++zombies_;
  }

  // Of a volume that is closed.
  void Rewind(const std::string& volume) {
    Acknowledged goal;
    {
      absl::MutexLock lock(&mutex_);
      if (past_.empty()) return;
      ++era_;
      auto place = past_.end();
      std::advance(place, -1 - static_cast<int>(random_() % std::min<size_t>(past_.size(), 60)));
      goal = place->second;
    }
    auto store = Store::Rewind(RingOptions(volume, place_.Url()), RewindTarget::To(goal.version));
    if (store.ok()) {
      auto table = (*store)->OpenTable("t");
      if (!table.ok()) Wrong(absl::StrCat("rewind: ", table.status().ToString()));
      if (table.ok()) Judge(*table, "rewind", goal.commit.number, goal.commit.number);
      table = absl::UnknownError("");
      const absl::Status closed = (*store)->Close(kAges).status;
      if (!closed.ok()) Wrong(absl::StrCat("rewind: ", closed.ToString()));
      ++rewinds_;
    } else if (!absl::IsOutOfRange(store.status())) {
      Wrong(absl::StrCat("rewind: ", store.status().ToString()));
    }
    absl::MutexLock lock(&mutex_);
    ++era_;
    if (!store.ok()) return;
    past_.erase(past_.upper_bound(goal.commit.number), past_.end());
    least_owner_ = owners_ + 1;
  }

  // --- Readers.

  // What is acknowledged from `least` on must be in what was begun to be read then; the whole
  // agrees with the model where no rewind came between.
  void Judge(const Table& table, const std::string& what, int64_t least, int64_t most) {
    const auto ring = ReadRing(table);
    if (!ring.ok()) return Wrong(absl::StrCat(what, ": ", ring.status().ToString()));
    const int64_t last = ring->empty() ? 0 : ring->rbegin()->first;
    if (last < least || last > most) {
      return Wrong(absl::StrCat(what, " reaches ", last, ", not ", least, " to ", most));
    }
  }

  void JudgeByModel(const Table& table, const std::string& what, int era, int64_t least) {
    const auto ring = ReadRing(table);
    if (!ring.ok()) return Wrong(absl::StrCat(what, ": ", ring.status().ToString()));
    absl::MutexLock lock(&mutex_);
    if (era != era_ || era % 2 != 0 || ring->empty()) return;
    const int64_t last = ring->rbegin()->first;
    if (last < least && wrong_.empty()) {
      wrong_ = absl::StrCat(what, " reaches ", last, ", but ", least, " was acknowledged");
      failed_ = over_ = true;
    }
    for (auto told = past_.lower_bound(ring->begin()->first);
         told != past_.end() && told->first <= last; ++told) {
      judged_.insert(told->first);
      if (ring->at(told->first).hash == told->second.commit.hash || !wrong_.empty()) continue;
      wrong_ = absl::StrCat(what, ": ", told->first, " is owner ", ring->at(told->first).owner,
                            "'s, but owner ", told->second.commit.owner, "'s was acknowledged");
      failed_ = over_ = true;
    }
  }

  std::pair<int, int64_t> Begin() {
    absl::MutexLock lock(&mutex_);
    return {era_, past_.empty() ? 0 : past_.rbegin()->first};
  }

  absl::Status Restore(const std::string& directory) {
    fs::create_directories(directory);
    ArchiveOptions archive;
    const bool slow = all_are_slow_ || Random(8) == 0;
    archive.url = slow ? "slow:///archive" : place_.Url();
    RestoreCopyOptions options;
    options.allow_unsafe_volume = true;
    const auto [era, least] = Begin();
    const auto report = RestoreCopy(archive, RewindTarget::Latest(), directory, options);
    MOORING_RETURN_IF_ERROR(report.status());
    MOORING_ASSIGN_OR_RETURN(const auto store, Store::Open(RingOptions(directory, "")));
    MOORING_ASSIGN_OR_RETURN(const Table table, store->OpenTable("t"));
    JudgeByModel(table, "restore", era, least);
    ++restores_;
    slow_restores_ += slow ? 1 : 0;
    return absl::OkStatus();
  }

  absl::Status Import(const std::string& directory, const std::string& path, int64_t least) {
    fs::create_directories(directory);
    ImportOptions options;
    options.volume = directory;
    options.allow_unsafe_volume = true;
    MOORING_RETURN_IF_ERROR(ImportSnapshot(path, options).status());
    MOORING_ASSIGN_OR_RETURN(const auto store, Store::Open(RingOptions(directory, "")));
    MOORING_ASSIGN_OR_RETURN(const Table table, store->OpenTable("t"));
    Judge(table, "export", least, std::numeric_limits<int64_t>::max());
    ++imports_;
    return absl::OkStatus();
  }

  void RestoreOn(int number) {
    const std::string directory = directory_.File(absl::StrCat("restored", number));
    while (!over_) {
      std::pair<std::string, int64_t> exported;
      {
        absl::MutexLock lock(&mutex_);
        if (!exports_.empty()) {
          exported = exports_.front();
          exports_.pop_front();
        }
      }
      const bool import = !exported.first.empty();
      const absl::Status status =
          import ? Import(directory, exported.first, exported.second) : Restore(directory);
      if (!status.ok()) {
        Wrong(absl::StrCat(import ? "import: " : "restore: ", status.ToString()));
      }
      if (import) fs::remove(exported.first);
      fs::remove_all(directory);
    }
  }

  // --- The size.

  struct Size {
    int64_t objects = 0, bytes = 0;
    std::set<std::string> keys;
  };
  absl::StatusOr<Size> Measure(objectstore::ObjectStore& store) {
    Size size;
    for (const std::string prefix : {"files/", "journal/", "merged/"}) {
      std::string last;
      while (true) {
        MOORING_ASSIGN_OR_RETURN(const auto page, store.List(prefix, last, 1000));
        for (const auto& object : page) {
          ++size.objects;
          size.bytes += object.size;
          size.keys.insert(object.key);
        }
        if (page.size() < 1000) break;
        last = page.back().key;
      }
    }
    return size;
  }

  void Sample() {
    const auto store = place_.Open();
    while (!sampled_enough_) {
      const auto size = Measure(*store);
      if (!size.ok()) return Wrong(size.status().ToString());
      most_objects_ = std::max(most_objects_, size->objects);
      most_bytes_ = std::max(most_bytes_, size->bytes);
      seen_.insert(size->keys.begin(), size->keys.end());
      last_size_ = *size;
      absl::SleepFor(absl::Milliseconds(200));
    }
  }

  // Claims stay for ever. Of the rest, once no reader is left, there are the entries since the
  // oldest kept checkpoint, which is at most the retention, a checkpoint's interval and a round of
  // collection old; but for those of the last ten minutes they are merged.
  void Settle(Owner* owner) {
    AwaitReaders();
    const auto store = place_.Open();
    std::string far;
    for (const Deadline deadline(kAges); !deadline.Passed();) {
      const auto size = Measure(*store);
      if (!size.ok()) return Wrong(size.status().ToString());
      const int64_t claims = takeovers_ + 2 * rewinds_ + 10;
      if (size->objects - claims <= kMostSettled) {
        settled_objects_ = size->objects;
        return;
      }
      far = absl::StrCat(size->objects, " objects, of them up to ", claims, " claims");
      absl::SleepFor(absl::Milliseconds(100));
    }
    Wrong(absl::StrCat("owner ", owner->number, " leaves ", far));
  }

  void AwaitReaders() {
    for (std::thread& reader : readers_) reader.join();
    readers_.clear();
  }

  void Run(int seconds) {
    std::thread owners([this] { TakeOver(); });
    while (acknowledged_ == 0 && !over_) absl::SleepFor(absl::Milliseconds(5));
    std::thread sampler([this] { Sample(); });
    for (int i = 0; i < kRestorers; ++i) readers_.emplace_back([this, i] { RestoreOn(i); });
    for (const Deadline end(absl::Seconds(seconds)); !over_ && !end.Passed();) {
      absl::SleepFor(absl::Milliseconds(20));
    }
    over_ = true;
    owners.join();
    AwaitReaders();
    sampled_enough_ = true;
    sampler.join();
  }

  std::string wrong() {
    absl::MutexLock lock(&mutex_);
    return wrong_;
  }

  static constexpr int64_t kMostSettled = 700;
  // Beside that what restores hold back, and what came while nobody collected: between two owners.
  static constexpr int64_t kMostObjects = 4000;
  static constexpr int64_t kMostBytes = int64_t{100} << 20;

  HangGuard guard_{3000};
  TempDirectory directory_;
  ArchivePlace place_;
  const FastClock clock_{absl::ToUnixMicros(absl::Now())};
  bool pins_are_kept_ = true;
  bool all_are_slow_ = false;
  std::atomic<bool> over_{false}, failed_{false}, sampled_enough_{false};
  std::vector<std::thread> readers_;

  absl::Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_){TestSeed()};
  std::string wrong_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, Acknowledged> past_ ABSL_GUARDED_BY(mutex_);  // Of the present lineage.
  std::set<int64_t> judged_ ABSL_GUARDED_BY(mutex_);
  int least_owner_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the present lineage's own.
  int era_ ABSL_GUARDED_BY(mutex_) = 0;          // Odd while a rewind is under way.
  std::deque<std::pair<std::string, int64_t>> exports_ ABSL_GUARDED_BY(mutex_);

  std::atomic<int> owners_{0}, takeovers_{0}, zombies_{0}, fenced_{0}, rewinds_{0};
  std::atomic<int> restores_{0}, slow_restores_{0}, imports_{0}, acknowledged_{0};
  int64_t most_objects_ = 0, most_bytes_ = 0, settled_objects_ = 0;
  Size last_size_;
  std::set<std::string> seen_;
};

TEST_F(CollectionRounds, BesideZombiesRestoresExportsAndRewindsNothingIsLost) {
  Run(Length(IsFar() ? 12 : 25));
  EXPECT_EQ(wrong(), "");
  const size_t deleted = seen_.size() - last_size_.keys.size();
  absl::MutexLock lock(&mutex_);
  std::cout << acknowledged_ << " acknowledged, " << judged_.size() << " of them read; "
            << restores_ << " restores, " << slow_restores_ << " of them slow, " << imports_
            << " exports imported, " << takeovers_ << " takeovers, " << zombies_ << " zombies, "
            << fenced_ << " of them fenced, " << rewinds_ << " rewinds; at least " << deleted
            << " objects deleted, at most " << most_objects_ << " objects and " << most_bytes_
            << " bytes at once, " << settled_objects_ << " at the end" << std::endl;
  EXPECT_GT(restores_, 0);
  EXPECT_GT(takeovers_, 0);
  EXPECT_GT(deleted, 0u);
  EXPECT_LT(most_objects_, kMostObjects);
  EXPECT_LT(most_bytes_, kMostBytes);
}

// Chance decides when a restore meets a deletion, so it is run by hand; the certain control is
// CollectorTest.ControlWithoutPinsTheyAreGone.
TEST_F(CollectionRounds, DISABLED_ControlWithoutPinsARestoreFails) {
  if (IsFar()) GTEST_SKIP() << "a directory is enough";
  pins_are_kept_ = false;
  all_are_slow_ = true;
  archive::DefaultCollection().pins_are_kept = false;
  Run(120);
  EXPECT_EQ(wrong().rfind("restore: ", 0), 0u) << wrong();
}

}  // namespace
}  // namespace mooring::testing
