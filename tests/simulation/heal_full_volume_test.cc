// Healing a volume that is two thirds full: files that are intact are not written again, what was
// set aside makes room, and where nothing can, the open says how much it takes.

#include <fcntl.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/store.h"
#include "src/base/posix_file.h"
#include "src/base/steady_clock.h"
#include "src/volume/space_reserve.h"
#include "tests/testing/loop_volume.h"
#include "tests/testing/status_matchers.h"

namespace mooring {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::LoopVolume;
using testing::RunInOwnMounts;
using testing::StatusIs;

constexpr absl::Duration kChildLimit = absl::Seconds(240);
constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int kTables = 5;
constexpr int kKeys = 250;  // Of 100 kB each: 24 MiB in each table.

// A store on a small volume, with its archive beside it.
class SmallVolume {
 public:
  explicit SmallVolume(const std::string& directory) {
    auto volume = LoopVolume::Make({}, directory);
    EXPECT_OK(volume);
    volume_ = *std::move(volume);
    options_.volume = volume_->path() + "/store";
    fs::create_directory(options_.volume);
    options_.cache_bytes = options_.write_buffer_bytes = options_.wal_file_bytes = 4 * kMiB;
    options_.max_wal_bytes = 8 * kMiB;
    options_.archive.url = absl::StrCat("file://", directory, "/archive");
    options_.archive.ship_interval = absl::Milliseconds(20);
    options_.archive.takeover_wait = absl::Milliseconds(100);
    options_.log = [this](LogSeverity, std::string_view text) { log_ += std::string(text) + "\n"; };
  }

  absl::Status Open() {
    auto store = Store::Open(options_);
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return absl::OkStatus();
  }
  void Close() {
    const CloseReport report = store_->Close(absl::Minutes(2));
    EXPECT_OK(report.status);
    EXPECT_TRUE(report.archived);
    store_.reset();
  }

  // Each table in files of its own, all of it archived.
  void Fill() {
    ASSERT_OK(Open());
    for (int t = 0; t < kTables; ++t) {
      ASSERT_OK_AND_ASSIGN(Table table, store_->OpenTable(absl::StrCat("t", t)));
      for (int key = 0; key < kKeys; ++key) {
        ASSERT_OK(table.Put(absl::StrCat("key", key), ValueOf(t, key)));
      }
    }
    Close();
    ASSERT_OK(Open());
    AwaitQuiet();
    Close();
    // The checkpoint of this opening names what the compactions made.
    ASSERT_OK(Open());
    Close();
    EXPECT_GT(UsedShare(), 0.62);
    EXPECT_LT(UsedShare(), 0.8);
  }
  void ReadAll() {
    for (int t = 0; t < kTables; ++t) {
      ASSERT_OK_AND_ASSIGN(Table table, store_->OpenTable(absl::StrCat("t", t)));
      for (int key = 0; key < kKeys; ++key) {
        ASSERT_OK_AND_ASSIGN(const Value value, table.Get(absl::StrCat("key", key)));
        ASSERT_EQ(value.view(), ValueOf(t, key)) << t << " " << key;
      }
    }
  }

  void Damage(const std::string& kind, uint64_t at) {
    for (const auto& entry : fs::directory_iterator(options_.volume + "/data")) {
      if (!absl::StrContains(entry.path().filename().string(), kind)) continue;
      ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(entry.path().string(), O_RDWR));
      ASSERT_OK(file.WriteAt(at, "damaged"));
    }
  }
  // Compactions take room for a while.
  void AwaitQuiet() const {
    const Deadline deadline(absl::Seconds(60));
    const auto names = [&] { return *ListDirectory(options_.volume + "/data"); };
    for (std::vector<std::string> before; before != names() && !deadline.Passed();) {
      before = names();
      absl::SleepFor(absl::Seconds(2));
    }
  }
  double UsedShare() const {
    const auto space = volume::ReadVolumeSpace(options_.volume);
    return 1 - static_cast<double>(space->free_bytes) / static_cast<double>(space->total_bytes);
  }
  Store& store() { return *store_; }
  const Options& options() const { return options_; }
  const std::string& log() const { return log_; }

 private:
  static std::string ValueOf(int table, int key) {
    std::mt19937 random(static_cast<unsigned>(1000 * table + key));
    std::string value(100000, '\0');
    for (char& c : value) c = static_cast<char>(random());
    return value;
  }

  std::unique_ptr<LoopVolume> volume_;
  Options options_;
  std::string log_;
  std::unique_ptr<Store> store_;
};

TEST(HealFullVolumeTest, AVolumeTwoThirdsFullHeals) {
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    SmallVolume volume(directory);
    ASSERT_NO_FATAL_FAILURE(volume.Fill());
    for (const char* kind : {"MANIFEST-", "CURRENT"}) {
      volume.Damage(kind, 0);
      ASSERT_OK(volume.Open());
      volume.ReadAll();
      EXPECT_THAT(volume.log(), HasSubstr(" 0 files fetched"));
      // What is set aside has none of the files that are the same.
      for (const auto& file : fs::directory_iterator(volume.options().volume + "/data.aside")) {
        EXPECT_NE(file.path().extension(), ".sst") << file.path();
      }
      volume.Close();
      EXPECT_LT(volume.UsedShare(), 0.9);
    }
  });
}

TEST(HealFullVolumeTest, WhatWasSetAsideMakesRoom) {
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    SmallVolume volume(directory);
    ASSERT_NO_FATAL_FAILURE(volume.Fill());
    const std::string aside = volume.options().volume + "/data.aside";
    fs::create_directory(aside);
    std::ofstream(aside + "/000001.sst") << std::string(1000000, 'x');
    ASSERT_OK(volume.Open());
    ASSERT_OK_AND_ASSIGN(Table table, volume.store().OpenTable("more"));
    EXPECT_TRUE(fs::exists(aside));
    const Deadline deadline(absl::Seconds(120));
    for (int key = 0; fs::exists(aside) && !deadline.Passed(); ++key) {
      // Refused once it is full, and then what was set aside is gone.
      table.Put(absl::StrCat("key", key), std::string(1000000, static_cast<char>(key)))
          .status()
          .IgnoreError();
      std::ofstream(absl::StrCat(volume.options().volume, "/../ballast", key))
          << std::string(1000000, 'x');
    }
    EXPECT_FALSE(fs::exists(aside));
    ASSERT_TRUE(volume.store().Close(absl::Minutes(2)).released);
  });
}

TEST(HealFullVolumeTest, WhereThereIsNoRoomTheOpenSaysHowMuchItTakes) {
  RunInOwnMounts(kChildLimit, [](const std::string& directory) {
    SmallVolume volume(directory);
    ASSERT_NO_FATAL_FAILURE(volume.Fill());
    volume.Damage("MANIFEST-", 0);
    volume.Damage(".sst", 50000);
    EXPECT_THAT(volume.Open(), StatusIs(absl::StatusCode::kResourceExhausted,
                                        HasSubstr("bytes are needed on the volume")));
    EXPECT_TRUE(fs::exists(volume.options().volume + "/data"));
  });
}

}  // namespace
}  // namespace mooring
