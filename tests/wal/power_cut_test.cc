// Power cuts at random moments over a file system that loses, keeps or tears each unsynced block,
// and the rules of the log switched off one by one: each must then be missed.
//
// MOORING_POWER_CUT_SEEDS=20000 soaks; MOORING_POWER_CUT_FIRST_SEED=n MOORING_POWER_CUT_SEEDS=1
// replays a failing seed.
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/fault_file_system.h"
#include "tests/wal/rocksdb_fixture.h"

namespace mooring::wal {
namespace {

using mooring::testing::FaultFileSystem;

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

class HoldAtRandom : public LogObserver {
 public:
  void OnSynced(const Position&) override {}
  bool HoldDeleted(const Position& end, const std::string&) override { return end.log % 3 == 0; }
};

// One machine that loses power again and again. Commit n writes key n to two tables, with a value
// that tells which incarnation wrote it.
class Machine {
 public:
  Machine(uint64_t seed, const TestSwitches& test) : random_(seed) {
    options_ = TestLogOptions("/db");
    options_.file_bytes = 64 << 10;
    options_.witness_delay = absl::Milliseconds(2);
    options_.test = test;
    files_ = FaultFileSystem::Create();
  }

  // What is wrong after some cuts, or nothing.
  std::string Run(int cuts) {
    for (int cut = 0; cut < cuts; ++cut) {
      std::string wrong = LiveUntilCut();
      if (!wrong.empty()) return absl::StrCat("cut ", cut, ": ", wrong);
    }
    return "";
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }

  std::string LiveUntilCut() {
    ++incarnation_;
    for (uint64_t in_vain = Below(3); in_vain > 0; --in_vain) {
      if (std::string wrong = OpenInVain(); !wrong.empty()) return "in vain: " + wrong;
    }
    options_.base = files_;
    absl::StatusOr<std::unique_ptr<LogDb>> db = LogDb::Open(options_, 64 << 10);
    if (!db.ok()) return absl::StrCat("does not open: ", db.status().ToString());
    if (std::string wrong = Compare(db->get()); !wrong.empty()) return wrong;
    (*db)->fs()->SetObserver(&observer_);
    std::shared_ptr<FaultFileSystem> after;
    const std::string wrong = Write(db->get(), &after);
    db->reset();
    files_ = std::move(after);
    return wrong;
  }

  // An opening that ends before anything is written: what it found must be found by the next.
  std::string OpenInVain() {
    options_.base = files_;
    const bool killed = Below(2) == 0;
    std::shared_ptr<FaultFileSystem> after;
    const auto end = [&] { after = killed ? files_->KillClone() : files_->CrashClone(random_()); };
    if (Below(2) == 0) {  // Before RocksDB does anything.
      absl::StatusOr<std::shared_ptr<LogFileSystem>> fs = LogFileSystem::Open(options_);
      if (!fs.ok()) return fs.status().ToString();
      end();
    } else {
      absl::StatusOr<std::unique_ptr<LogDb>> db = LogDb::Open(options_, 64 << 10);
      if (!db.ok()) return db.status().ToString();
      if (std::string wrong = Compare(db->get()); !wrong.empty()) return wrong;
      if (Below(2) == 0) db->reset();
      end();
    }
    files_ = std::move(after);
    return "";
  }

  // What is there must be a prefix of what was written, and hold all that was acknowledged.
  std::string Compare(LogDb* db) {
    const auto contents = db->Contents(0);
    if (contents != db->Contents(1)) return "a commit is half present";
    if (contents.size() < acknowledged_) {
      return absl::StrCat("commits ", contents.size(), " to ", acknowledged_, " are lost");
    }
    for (size_t i = 0; i < contents.size(); ++i) {
      const auto found = contents.find(NumberedKey(static_cast<int>(i)));
      if (found == contents.end()) return absl::StrCat("commit ", i, " is missing in a hole");
      if (i >= written_.size() || found->second != written_[i]) {
        return absl::StrCat("commit ", i, " has another value");
      }
    }
    written_.resize(contents.size());
    acknowledged_ = contents.size();  // it was read, so it may not go away any more
    return "";
  }

  std::string Write(LogDb* db, std::shared_ptr<FaultFileSystem>* after) {
    const uint64_t commits = 20 + Below(150);
    const uint64_t cut_at = Below(commits);
    const uint64_t cut_seed = random_();
    const bool in_passing = Below(2) == 0;  // while the writer goes on
    std::atomic<size_t> acknowledged{acknowledged_};
    std::thread cutter;
    const auto cut = [&, files = files_] {
      const size_t before = acknowledged.load();
      *after = files->CrashClone(cut_seed);
      acknowledged_ = before;
    };
    const uint64_t synced_of_8 = Below(9);
    // With the flush held back several logs are needed at once, the older ones perhaps unsynced.
    const uint64_t paused_from = Below(2) == 0 ? 0 : commits;
    std::string wrong;
    for (uint64_t i = 0; i < commits && wrong.empty(); ++i) {
      if (i == paused_from) (void)db->db()->PauseBackgroundWork();
      if (i == cut_at) {
        cutter = std::thread(cut);
        if (!in_passing) cutter.join();
      }
      const bool sync = Below(8) < synced_of_8;
      const std::string value =
          absl::StrCat(incarnation_, ":", written_.size(), ":", std::string(Below(3000), 'v'));
      written_.push_back(value);
      const int number = static_cast<int>(written_.size()) - 1;
      const rocksdb::Status put = db->Put(NumberedKey(number), value, sync);
      if (!put.ok()) wrong = absl::StrCat("a write failed: ", put.ToString());
      if (sync && put.ok()) acknowledged = written_.size();
      if (Below(40) == 0) (void)db->AwaitWitness();
    }
    if (cutter.joinable()) cutter.join();
    if (paused_from < commits) (void)db->db()->ContinueBackgroundWork();
    return wrong;
  }

  std::mt19937_64 random_;
  HoldAtRandom observer_;
  LogOptions options_;
  std::shared_ptr<FaultFileSystem> files_;
  int incarnation_ = 0;
  std::vector<std::string> written_;
  size_t acknowledged_ = 0;
};

constexpr int kCutsPerSeed = 4;

TEST(PowerCutTest, NothingAcknowledgedIsLostAndNothingIsAFalseAlarm) {
  const int first = FromEnvironment("MOORING_POWER_CUT_FIRST_SEED", 1);
  const int seeds = FromEnvironment("MOORING_POWER_CUT_SEEDS", 500);
  for (int seed = first; seed < first + seeds; ++seed) {
    EXPECT_EQ(Machine(static_cast<uint64_t>(seed), TestSwitches()).Run(kCutsPerSeed), "")
        << "seed " << seed;
    if (HasFailure()) break;
  }
  std::printf("%d power cuts, seeds %d to %d\n", seeds * kCutsPerSeed, first, first + seeds - 1);
}

// A rule switched off, and the number of seeds within which that must be noticed.
struct Control {
  std::string name;
  std::function<void(TestSwitches*)> switch_off;
};

void PrintTo(const Control& control, std::ostream* out) { *out << control.name; }

class PowerCutControlTest : public ::testing::TestWithParam<Control> {};

TEST_P(PowerCutControlTest, IsCaught) {
  TestSwitches test;
  GetParam().switch_off(&test);
  // The rarest takes about a hundred, and background threads make a seed's course differ.
  constexpr int kSeeds = 4000;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const std::string wrong = Machine(static_cast<uint64_t>(seed), test).Run(kCutsPerSeed);
    if (wrong.empty()) continue;
    std::printf("%s: caught with seed %d: %s\n", GetParam().name.c_str(), seed, wrong.c_str());
    return;
  }
  ADD_FAILURE() << GetParam().name << " was not caught by " << kSeeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(
    Rules, PowerCutControlTest,
    ::testing::Values(
        Control{"InventoryNotSynced", [](TestSwitches* t) { t->no_inventory_sync = true; }},
        Control{"DeletedBeforeForgotten",
                [](TestSwitches* t) { t->delete_before_inventory = true; }},
        Control{"ChainNotChecked", [](TestSwitches* t) { t->no_chain_check = true; }},
        Control{"IncarnationsIgnored", [](TestSwitches* t) { t->no_incarnations = true; }},
        Control{"AcknowledgedBeforeSynced",
                [](TestSwitches* t) { t->acknowledge_before_sync = true; }},
        Control{"DirectoryNotSynced", [](TestSwitches* t) { t->no_directory_sync = true; }},
        Control{"HeaderNotSynced", [](TestSwitches* t) { t->no_header_sync = true; }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace mooring::wal
