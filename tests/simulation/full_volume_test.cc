// FAULTS row 7: a volume that is filled to its last byte under load, freed or grown. Reads go on,
// nothing acknowledged is lost, and writes resume by themselves, without a restart.

#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/store.h"
#include "src/base/steady_clock.h"
#include "tests/testing/loop_volume.h"
#include "tests/testing/status_matchers.h"

namespace mooring {
namespace {

using testing::LoopVolume;
using testing::RunInOwnMounts;
using testing::StatusIs;

constexpr absl::Duration kChildLimit = absl::Seconds(240);
constexpr absl::Duration kBound = absl::Seconds(60);
constexpr int64_t kMiB = int64_t{1} << 20;

Options SmallStore(const std::string& volume) {
  Options options;
  options.volume = volume;
  options.cache_bytes = 4 * kMiB;
  options.write_buffer_bytes = 4 * kMiB;
  options.wal_file_bytes = 4 * kMiB;
  options.max_wal_bytes = 16 * kMiB;
  return options;
}

bool Await(const std::function<bool()>& condition, absl::Duration limit = kBound) {
  const Deadline deadline(limit);
  while (!condition()) {
    if (deadline.Passed()) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

// One thread that overwrites its own kKeys keys in turn, and knows for each the last number whose
// commit was acknowledged.
class Writer {
 public:
  static constexpr int64_t kKeys = 500;

  Writer(Table table, int id) : table_(std::move(table)), id_(id), thread_([this] { Run(); }) {}
  ~Writer() { Stop(); }
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  int64_t acknowledged() const { return acknowledged_; }
  int64_t refused() const { return refused_; }
  absl::Status failure() const { return failure_; }  // Once stopped.

  // Once stopped: every acknowledged write is there, or a later one of the same key.
  void Verify(const Table& table) const {
    for (const auto& [key, number] : numbers_) {
      Value value;
      ASSERT_OK(table.Get(Key(key), &value));
      int64_t found = -1;
      const std::vector<std::string> parts = absl::StrSplit(std::string(value.view()), ':');
      ASSERT_TRUE(absl::SimpleAtoi(parts[0], &found));
      EXPECT_GE(found, number) << "writer " << id_ << ", key " << key;
    }
  }

 private:
  std::string Key(int64_t key) const { return absl::StrCat(id_, "/", key); }

  void Run() {
    const std::string filling(1000, static_cast<char>('a' + id_));
    for (int64_t number = 0; !stopping_;) {
      const int64_t key = number % kKeys;
      const absl::StatusOr<Version> version =
          table_.Put(Key(key), absl::StrCat(number, ":", filling));
      if (version.ok()) {
        numbers_[key] = number++;
        ++acknowledged_;
      } else if (absl::IsResourceExhausted(version.status())) {
        ++refused_;
        absl::SleepFor(absl::Milliseconds(5));
      } else {
        failure_ = version.status();
        return;
      }
    }
  }

  Table table_;
  const int id_;
  std::map<int64_t, int64_t> numbers_;
  std::atomic<int64_t> acknowledged_{0};
  std::atomic<int64_t> refused_{0};
  absl::Status failure_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// A store under load on a small volume, and what every test of it does.
class Scene {
 public:
  Scene(LoopVolume::Type type, const std::string& directory) {
    // xfs has a least size of its own.
    const int64_t bytes = (type == LoopVolume::Type::kXfs ? 320 : 200) * kMiB;
    auto volume = LoopVolume::Make({type, bytes}, directory);
    EXPECT_OK(volume);
    if (!volume.ok()) return;
    volume_ = *std::move(volume);
    Open();
    for (int id = 0; id < 4 && store_ != nullptr; ++id) {
      writers_.push_back(std::make_unique<Writer>(table_, id));
    }
  }

  bool ready() const { return !writers_.empty(); }
  LoopVolume& volume() { return *volume_; }
  Store& store() { return *store_; }
  Table& table() { return table_; }

  int64_t Refused() const {
    int64_t refused = 0;
    for (const auto& writer : writers_) refused += writer->refused();
    return refused;
  }

  void AwaitProgress() {
    for (const auto& writer : writers_) {
      const int64_t before = writer->acknowledged();
      ASSERT_TRUE(Await([&] { return writer->acknowledged() > before + 100; }))
          << store_->health().ToString();
    }
  }

  // How long the slowest writer takes until a commit succeeds.
  absl::Duration TimeToResume() {
    const absl::Duration begin = SteadyNow();
    for (const auto& writer : writers_) {
      const int64_t before = writer->acknowledged();
      EXPECT_TRUE(Await([&] { return writer->acknowledged() > before; }))
          << "writes have not resumed: " << store_->health().ToString();
    }
    return SteadyNow() - begin;
  }

  void ExpectNothingLost() {
    for (const auto& writer : writers_) {
      writer->Stop();
      EXPECT_OK(writer->failure());
      writer->Verify(table_);
    }
    Reopen();
  }

  void Reopen() {
    for (const auto& writer : writers_) writer->Stop();
    EXPECT_TRUE(store_->Close(kBound).released);
    Open();
    for (const auto& writer : writers_) writer->Verify(table_);
  }

  void Open() {
    auto store = Store::Open(SmallStore(volume_->path()));
    ASSERT_OK(store);
    store_ = *std::move(store);
    ASSERT_OK_AND_ASSIGN(table_, store_->OpenTable("t"));
  }

 private:
  std::unique_ptr<LoopVolume> volume_;
  std::unique_ptr<Store> store_;
  Table table_;
  std::vector<std::unique_ptr<Writer>> writers_;
};

void FillAndFreeTenTimes(LoopVolume::Type type, const std::string& directory) {
  Scene scene(type, directory);
  ASSERT_TRUE(scene.ready());
  ASSERT_OK(scene.table().Put("kept", "value"));
  for (int round = 0; round < 10; ++round) {
    scene.AwaitProgress();
    const int64_t refused = scene.Refused();
    ASSERT_OK(scene.volume().Fill());
    ASSERT_TRUE(Await([&] { return scene.store().health().state == Health::State::kFull; }));
    ASSERT_TRUE(Await([&] { return scene.Refused() > refused; })) << "no write was refused";
    ASSERT_OK(scene.volume().Fill());  // What the ballast was.
    Value value;
    EXPECT_OK(scene.table().Get("kept", &value));
    ASSERT_OK(scene.volume().Free());
    const absl::Duration resumed = scene.TimeToResume();
    std::printf("round %d: writes resumed after %s\n", round,
                absl::FormatDuration(resumed).c_str());
    ASSERT_TRUE(Await([&] { return scene.store().health().state == Health::State::kServing; }));
  }
  scene.ExpectNothingLost();
}

TEST(FullVolumeTest, WritesResumeTenTimesOnExt4) {
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    FillAndFreeTenTimes(LoopVolume::Type::kExt4, directory);
  });
}

TEST(FullVolumeTest, WritesResumeTenTimesOnXfs) {
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    FillAndFreeTenTimes(LoopVolume::Type::kXfs, directory);
  });
}

void FillAndGrow(LoopVolume::Type type, const std::string& directory) {
  Scene scene(type, directory);
  ASSERT_TRUE(scene.ready());
  scene.AwaitProgress();
  ASSERT_OK(scene.volume().Fill());
  ASSERT_TRUE(Await([&] { return scene.store().health().state == Health::State::kFull; }));
  ASSERT_OK(scene.volume().Grow(640 * kMiB));
  std::printf("writes resumed after %s\n", absl::FormatDuration(scene.TimeToResume()).c_str());
  scene.ExpectNothingLost();
}

// ext4 asks for this capability, xfs for less.
bool MayGrowExt4() { return prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) == 1; }

TEST(FullVolumeTest, WritesResumeWhenExt4Grows) {
  if (!MayGrowExt4()) GTEST_SKIP() << "needs CAP_SYS_RESOURCE to grow a mounted ext4";
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    FillAndGrow(LoopVolume::Type::kExt4, directory);
  });
}

TEST(FullVolumeTest, WritesResumeWhenXfsGrows) {
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    FillAndGrow(LoopVolume::Type::kXfs, directory);
  });
}

// A volume that leaves a little: puts are refused with the numbers, deletes go through.
TEST(FullVolumeTest, DeletesGoOnWhilePutsAreRefused) {
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    ASSERT_OK_AND_ASSIGN(auto volume, LoopVolume::Make({}, directory));
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(SmallStore(volume->path())));
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    for (int i = 0; i < 100; ++i) ASSERT_OK(table.Put(absl::StrCat(i), "value"));
    ASSERT_TRUE(Await([&] { return access((volume->path() + "/BALLAST").c_str(), F_OK) == 0; }));
    ASSERT_OK(volume->Fill());
    ASSERT_TRUE(Await([&] { return store->health().state == Health::State::kFull; }));
    EXPECT_THAT(table.Put("more", "value"),
                StatusIs(absl::StatusCode::kResourceExhausted, ::testing::HasSubstr("MiB")));
    EXPECT_THAT(store->OpenTable("more"), StatusIs(absl::StatusCode::kResourceExhausted));
    int deleted = 0;
    const auto delete_next = [&] {
      deleted += table.Delete(absl::StrCat(deleted)).ok() ? 1 : 0;
      return deleted == 100;
    };
    EXPECT_TRUE(Await(delete_next)) << deleted << " of 100 deletes happened";
    EXPECT_FALSE(Await([&] { return table.Put("more", "value").ok(); }, absl::Milliseconds(200)));
    const CloseReport report = store->Close(kBound);
    EXPECT_TRUE(report.synced && report.released) << report.status;
  });
}

TEST(FullVolumeTest, ClosesAndOpensWhileFull) {
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    Scene scene(LoopVolume::Type::kExt4, directory);
    ASSERT_TRUE(scene.ready());
    scene.AwaitProgress();
    ASSERT_OK(scene.volume().Fill());
    ASSERT_TRUE(Await([&] { return scene.store().health().state == Health::State::kFull; }));
    ASSERT_OK(scene.volume().Fill());
    const CloseReport report = scene.store().Close(kBound);
    EXPECT_TRUE(report.released) << report.status;
    {
      const auto opened = Store::Open(SmallStore(scene.volume().path()));
      if (!opened.ok()) {
        EXPECT_THAT(opened, StatusIs(absl::StatusCode::kResourceExhausted));
        std::printf("%s\n", opened.status().ToString().c_str());
      }
    }
    ASSERT_OK(scene.volume().Free());
    scene.Reopen();
    EXPECT_OK(scene.table().Put("more", "value"));
  });
}

}  // namespace
}  // namespace mooring
