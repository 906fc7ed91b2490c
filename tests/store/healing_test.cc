// A volume whose files rot: repaired one by one from the archive, at the opening and while the
// store serves; said by name where that cannot be.

#include <fcntl.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/snapshot_file.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/base/posix_file.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/directory_store.h"
#include "src/objectstore/open.h"
#include "tests/archive/faulty_store.h"
#include "tests/store/contract_fixture.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::Holds;
using testing::StatusIs;

constexpr absl::Duration kAges = absl::Minutes(2);
constexpr int kTables = 6;
constexpr int kKeys = 150;

// What was fetched from the archive, over all of a test's openings.
class CountingStore {
 public:
  static void Register() {
    objectstore::RegisterScheme("counted",
                                [](const objectstore::Url& url)
                                    -> absl::StatusOr<std::unique_ptr<objectstore::ObjectStore>> {
                                  auto base = objectstore::DirectoryStore::Open(url.path);
                                  if (!base.ok()) return base.status();
                                  return std::make_unique<Store>(*std::move(base));
                                });
  }
  static int64_t file_bytes() { return file_bytes_; }
  static int64_t all_bytes() { return file_bytes_ + other_bytes_; }
  static void Reset() { file_bytes_ = other_bytes_ = 0; }

 private:
  class Store final : public archive::FaultyStore {
   public:
    using FaultyStore::FaultyStore;
    absl::StatusOr<std::string> Get(std::string_view key, const Options& options) override {
      auto bytes = FaultyStore::Get(key, options);
      if (bytes.ok()) other_bytes_ += static_cast<int64_t>(bytes->size());
      return bytes;
    }
    absl::StatusOr<std::string> GetRange(std::string_view key, int64_t offset, int64_t size,
                                         const Options& options) override {
      auto bytes = FaultyStore::GetRange(key, offset, size, options);
      if (bytes.ok()) other_bytes_ += static_cast<int64_t>(bytes->size());
      return bytes;
    }
    absl::StatusOr<int64_t> GetToFile(std::string_view key, std::string_view path,
                                      const Options& options) override {
      auto bytes = FaultyStore::GetToFile(key, path, options);
      file_bytes_ += bytes.value_or(0);
      return bytes;
    }
  };
  static inline std::atomic<int64_t> file_bytes_{0};
  static inline std::atomic<int64_t> other_bytes_{0};
};

class HealingTest : public ::testing::Test {
 protected:
  HealingTest() { CountingStore::Register(); }

  void SetUp() override {
    fs::create_directories(directory_.File("volume"));
    options_ = testing::SmallOptions(directory_.File("volume"));
    options_.archive.url = "counted://" + directory_.File("archive");
    options_.archive.ship_interval = absl::Milliseconds(20);
    options_.archive.fence_check_interval = absl::Milliseconds(50);
    options_.archive.takeover_wait = absl::Milliseconds(100);
    options_.scrub_bytes_per_second = 0;
    options_.log = [this](LogSeverity, std::string_view text) { log_ += std::string(text) + "\n"; };
  }

  // A store whose tables are in files of their own, all of them archived, and then closed.
  void Fill() {
    ASSERT_NO_FATAL_FAILURE(Open());
    for (int table = 0; table < kTables; ++table) {
      for (int key = 0; key < kKeys; ++key) {
        std::string value(1000, '\0');
        for (char& c : value) c = static_cast<char>(random_());
        ASSERT_OK(tables_[table].Put(Key(key), value));
        values_[{table, key}] = value;
      }
    }
    Reopen();  // What is replayed is flushed.
    Close();
  }

  void Open() {
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(options_));
    for (int i = 0; i < kTables; ++i) {
      ASSERT_OK_AND_ASSIGN(Table table, store_->OpenTable(absl::StrCat("t", i)));
      tables_.push_back(std::move(table));
    }
  }
  void Close() {
    const CloseReport report = store_->Close(kAges);
    EXPECT_OK(report.status);
    EXPECT_TRUE(report.released);
    tables_.clear();
    store_.reset();
  }
  void Reopen() {
    Close();
    ASSERT_NO_FATAL_FAILURE(Open());
  }

  static std::string Key(int key) { return absl::StrCat("key", 1000 + key); }
  absl::Status ReadAll() {
    for (const auto& [place, value] : values_) {
      absl::StatusOr<Value> found = tables_[place.first].Get(Key(place.second));
      if (!found.ok()) return found.status();
      if (found->view() != value) return absl::InternalError("another value");
    }
    return absl::OkStatus();
  }

  // The largest file of that kind in the data directory.
  std::string FileOf(std::string_view kind) {
    std::string largest;
    for (const auto& file : fs::directory_iterator(directory_.File("volume/data"))) {
      const std::string path = file.path().string();
      if (!absl::StrContains(file.path().filename().string(), std::string(kind))) continue;
      if (largest.empty() || fs::file_size(path) > fs::file_size(largest)) largest = path;
    }
    EXPECT_FALSE(largest.empty()) << kind;
    return largest;
  }
  int64_t SizeOfAll(std::string_view kind) {
    int64_t size = 0;
    for (const auto& file : fs::directory_iterator(directory_.File("volume/data"))) {
      if (absl::StrContains(file.path().string(), std::string(kind))) size += file.file_size();
    }
    return size;
  }
  static void Flip(const std::string& path, uint64_t at) {
    ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path, O_RDWR));
    char byte = 0;
    ASSERT_OK(file.ReadAt(at, 1, &byte));
    ASSERT_OK(file.WriteAt(at, std::string(1, static_cast<char>(byte ^ 1))));
    ASSERT_OK(file.Sync());
  }
  static bool Await(const std::function<bool()>& condition) {
    const Deadline deadline(kAges);
    while (!condition() && !deadline.Passed()) absl::SleepFor(absl::Milliseconds(5));
    return condition();
  }

  const testing::HangGuard guard_;
  const testing::TempDirectory directory_;
  std::mt19937 random_{1};
  Options options_;
  std::string log_;
  std::unique_ptr<Store> store_;
  std::vector<Table> tables_;
  std::map<std::pair<int, int>, std::string> values_;
};

TEST_F(HealingTest, AFileThatKeepsTheStoreFromOpeningIsFetchedAlone) {
  Fill();
  const std::string path = FileOf(".sst");
  const auto size = static_cast<int64_t>(fs::file_size(path));
  for (const char* damage : {"missing", "cut", "footer"}) {
    SCOPED_TRACE(damage);
    if (damage == std::string("missing")) fs::remove(path);
    if (damage == std::string("cut")) fs::resize_file(path, size / 2);
    if (damage == std::string("footer")) Flip(path, size - 3);
    CountingStore::Reset();
    log_.clear();
    ASSERT_NO_FATAL_FAILURE(Open());
    EXPECT_EQ(CountingStore::file_bytes(), size);
    EXPECT_LT(CountingStore::all_bytes(), size * 11 / 10);
    EXPECT_GT(SizeOfAll(".sst"), 3 * size);
    EXPECT_THAT(log_, HasSubstr("is repaired from the archive"));
    EXPECT_FALSE(fs::exists(directory_.File("volume/data.aside")));
    EXPECT_OK(ReadAll());
    Close();
  }
}

// By hand, for it takes minutes: one file of 64 MiB of a store of 1 GiB.
TEST_F(HealingTest, DISABLED_OneFileOfAGibibyteIsFetchedAlone) {
  Options options;
  options.volume = options_.volume;
  options.allow_unsafe_volume = true;
  options.archive = options_.archive;
  options.log = options_.log;
  options_ = options;
  ASSERT_NO_FATAL_FAILURE(Open());
  std::string value(100000, '\0');
  for (int key = 0; key < 10700; ++key) {
    for (char& c : value) c = static_cast<char>(random_());
    ASSERT_OK(tables_[0].Put(absl::StrCat("key", random_()), value));
  }
  Reopen();
  for (int64_t before = 0; before != SizeOfAll(".sst");) {  // Until compactions are done.
    before = SizeOfAll(".sst");
    absl::SleepFor(absl::Seconds(3));
  }
  Reopen();
  Close();
  const std::string path = FileOf(".sst");
  const auto size = static_cast<int64_t>(fs::file_size(path));
  Flip(path, size - 3);
  CountingStore::Reset();
  const absl::Duration begin = SteadyNow();
  ASSERT_NO_FATAL_FAILURE(Open());
  std::cout << "a file of " << size << " bytes of " << SizeOfAll(".sst") << ": "
            << CountingStore::all_bytes() << " bytes were fetched, in "
            << absl::FormatDuration(SteadyNow() - begin) << "\n"
            << log_;
  EXPECT_LT(CountingStore::all_bytes(), size * 11 / 10);
  Close();
}

// Restored as a whole, but of files only what differs is moved.
TEST_F(HealingTest, ADamagedManifestMovesNoFiles) {
  Fill();
  for (const char* kind : {"MANIFEST-", "CURRENT", "MOORING-MANIFEST"}) {
    SCOPED_TRACE(kind);
    const std::string path = FileOf(kind);
    fs::resize_file(path, fs::file_size(path) / 2);
    CountingStore::Reset();
    ASSERT_NO_FATAL_FAILURE(Open());
    EXPECT_EQ(CountingStore::file_bytes(), 0);
    EXPECT_OK(ReadAll());
    Close();
  }
}

TEST_F(HealingTest, ABlockThatRotsIsFoundAndRepairedWhileTheStoreServes) {
  Fill();
  options_.scrub_bytes_per_second = 1 << 30;
  options_.scrub_period = absl::Seconds(1);
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_TRUE(Await([&] { return store_->health().scrub.passes >= 1; }));
  EXPECT_EQ(store_->health().scrub.files_repaired, 0);
  for (int round = 1; round <= 3; ++round) {
    Flip(FileOf(".sst"), 1000 + 20000 * round);
    ASSERT_TRUE(Await([&] { return store_->health().scrub.files_repaired == round; }));
  }
  EXPECT_OK(ReadAll());
  EXPECT_EQ(store_->health().scrub.files_damaged, 0);
  EXPECT_EQ(store_->health().ToString(), "serving");
  Close();
}

// Row 21 of the faults: whatever is published restores.
TEST_F(HealingTest, AnExportBesideARepairIsWholeOrRefused) {
  Fill();
  options_.scrub_bytes_per_second = 1 << 30;
  options_.scrub_period = absl::Seconds(1);
  ASSERT_NO_FATAL_FAILURE(Open());
  const std::string path = directory_.File("snapshot");
  const auto published = [&]() -> absl::StatusOr<bool> {
    const absl::Status status = store_->ExportSnapshot(path).status();
    if (absl::IsDataLoss(status)) return false;
    MOORING_RETURN_IF_ERROR(status);
    ImportOptions import;
    import.volume = directory_.File("imported");
    import.allow_unsafe_volume = true;
    fs::create_directories(import.volume);
    MOORING_RETURN_IF_ERROR(ImportSnapshot(path, import).status());
    Options options = testing::SmallOptions(import.volume);
    MOORING_ASSIGN_OR_RETURN(const auto copy, Store::Open(options));
    for (const auto& [place, value] : values_) {
      MOORING_ASSIGN_OR_RETURN(const Table table, copy->OpenTable(absl::StrCat("t", place.first)));
      MOORING_ASSIGN_OR_RETURN(const Value found, table.Get(Key(place.second)));
      if (found.view() != value) return absl::InternalError("another value");
    }
    MOORING_RETURN_IF_ERROR(copy->Close(kAges).status);
    fs::remove(path);
    fs::remove_all(import.volume);
    return true;
  };
  for (int round = 1; round <= 4; ++round) {
    Flip(FileOf(".sst"), 1000 + 20000 * round);
    for (bool whole = false; !whole || store_->health().scrub.files_repaired < round;) {
      EXPECT_FALSE(fs::exists(path));
      ASSERT_OK_AND_ASSIGN(whole, published());
    }
  }
  Close();
}

TEST_F(HealingTest, AReadThatMeetsDamageHasItRepaired) {
  Fill();
  for (uint64_t at = 500; at < fs::file_size(FileOf(".sst")) / 2; at += 20000) {
    Flip(FileOf(".sst"), at);
  }
  ASSERT_NO_FATAL_FAILURE(Open());
  const absl::Status read = ReadAll();
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("repaired from the archive")));
  ASSERT_TRUE(Await([&] { return store_->health().scrub.files_repaired == 1; }));
  EXPECT_OK(ReadAll());
  Close();
}

TEST_F(HealingTest, WithoutAnArchiveHealthSaysWhatIsDamagedAndWhatToDo) {
  options_.archive = {};
  Fill();
  const std::string path = FileOf(".sst");
  Flip(path, 30000);
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_THAT(ReadAll(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("health()")));
  ASSERT_TRUE(Await([&] { return store_->health().scrub.files_damaged == 1; }));
  const std::string damage(store_->health().scrub.damage.message());
  EXPECT_THAT(damage, HasSubstr(fs::path(path).filename().string()));
  EXPECT_THAT(damage, HasSubstr("offset"));
  EXPECT_THAT(damage, HasSubstr("restore a copy of the volume"));
  EXPECT_THAT(store_->health().ToString(), HasSubstr("serving; damaged: "));
  EXPECT_THAT(ReadAll(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("restore a copy")));
  ASSERT_TRUE(store_->Close(kAges).released);
}

TEST_F(HealingTest, WhereTheArchivesCopyIsDamagedTooBothAreNamed) {
  Fill();
  const std::string path = FileOf(".sst");
  for (const auto& file : fs::directory_iterator(directory_.File("archive/files"))) {
    if (file.file_size() == fs::file_size(path)) Flip(file.path(), 100);
  }
  Flip(path, 30000);
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_THAT(ReadAll(), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_TRUE(Await([&] { return store_->health().scrub.files_damaged == 1; }));
  const std::string damage(store_->health().scrub.damage.message());
  EXPECT_THAT(damage, HasSubstr(fs::path(path).filename().string()));
  EXPECT_THAT(damage, HasSubstr("archive object files/"));
  ASSERT_TRUE(store_->Close(kAges).released);
}

}  // namespace
}  // namespace mooring
