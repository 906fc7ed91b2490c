// FAULTS rows 10 and 11: each file of a store is damaged in each of its regions, deleted, replaced
// by an older copy of itself or swapped with another. Then a process opens the store and reads it
// all: either everything acknowledged is right, or an error names the file.

#include <fcntl.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/file_system.h"
#include "src/base/posix_file.h"
#include "src/wal/recovery.h"
#include "tests/simulation/killed_store.h"
#include "tests/simulation/store_under_load.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

namespace fs = std::filesystem;

// Files whose content nobody needs to be right: no test of theirs may end in an error, either.
bool IsExpendable(const std::string& file) {
  return absl::StrContains(file, "OPTIONS-") || absl::StrContains(file, "SPARE") ||
         absl::EndsWith(file, "LOCK") || absl::EndsWith(file, "IDENTITY");
}

std::vector<std::string> FilesOf(const std::string& image) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(image)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), image).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// "sst", "MANIFEST" and so on: what has the same form.
std::string KindOf(const std::string& file) {
  const fs::path path(file);
  if (path.has_extension()) return path.extension().string();
  const std::string name = path.filename().string();
  const size_t number = name.find_first_of("0123456789");
  return number == std::string::npos ? name : name.substr(0, number);
}

struct Trial {
  std::string image;
  std::string file;
  std::string damage;
  std::function<void(const std::string& directory)> inflict;
  std::string other = {};  // The other file of a swap, which the error may name as well.
};

void Overwrite(const std::string& path, uint64_t offset, const std::string& bytes) {
  ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path, O_RDWR));
  ASSERT_OK(file.WriteAt(offset, bytes));
}

void FlipBit(const std::string& path, uint64_t offset, unsigned bit) {
  ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path, O_RDWR));
  char byte = 0;
  ASSERT_OK(file.ReadAt(offset, 1, &byte));
  ASSERT_OK(file.WriteAt(offset, std::string(1, static_cast<char>(byte ^ (1U << bit)))));
}

class RotTest : public ::testing::Test {
 protected:
  // Three images of a store: an older one, one after a kill, and one after a Close().
  void SetUp() override {
    fs::create_directory(directory_.File("live"));
    for (const char* image : {"older", "closed"}) {
      ASSERT_OK(store_.Open(CommitOracle::Loss::kProcessKill));
      store_.Start();
      ASSERT_TRUE(store_.AwaitAcknowledged(2500));
      store_.Stop();
      ASSERT_OK(store_.Write(1));
      if (image == std::string("closed")) TakeKilledImage();
      ASSERT_OK(store_.Close());
      Copy("live", image);
    }
  }

  // A copy is of one moment only where nothing went on beside it; and the last commits must have
  // been witnessed, for rot of them cannot be told from a tear before that.
  void TakeKilledImage() {
    for (;;) {
      Copy("live", "killed");
      if (!Witnessed(directory_.File("killed/data"))) continue;
      Copy("killed", "trial");
      const absl::Status judged = Judge();
      if (judged.ok()) return;
      std::cout << "not of one moment: " << judged << std::endl;
    }
  }

  bool Witnessed(const std::string& data) const {
    wal::LogOptions options;
    options.directory = data;
    options.store_id = store_.id();
    const auto recovered = wal::RecoverLogs(rocksdb::FileSystem::Default().get(), options);
    if (!recovered.ok()) return false;
    for (const auto& [number, log] : recovered->logs) {
      if (!log.obsolete && log.witnessed < log.length) return false;
    }
    return true;
  }

  absl::Status Judge() const {
    const auto found = ReadInChild(directory_.File("trial"), seed_);
    if (!found.ok()) return found.status();
    return store_.Judge(*found, CommitOracle::Loss::kPowerCut);
  }

  void Copy(const std::string& from, const std::string& to) const {
    const std::string source = directory_.File(from);
    fs::remove_all(directory_.File(to));
    for (const char* part : {"", "/data"}) fs::create_directory(directory_.File(to) + part);
    for (const std::string& file : FilesOf(source)) {
      if (file == "BALLAST") continue;  // Large, empty and made anew.
      std::error_code gone;             // A live store may delete one meanwhile.
      fs::copy_file(source + "/" + file, directory_.File(to) + "/" + file, gone);
    }
  }

  void AddDamages(const std::string& image, const std::string& file, std::vector<Trial>* trials);
  void AddReplacements(const std::string& image, const std::string& file,
                       std::vector<Trial>* trials);
  std::vector<Trial> AllOf(void (RotTest::*add)(const std::string&, const std::string&,
                                                std::vector<Trial>*));
  std::vector<Trial> AllDamages() { return AllOf(&RotTest::AddDamages); }
  std::vector<Trial> AllReplacements() { return AllOf(&RotTest::AddReplacements); }
  void Run(const Trial& trial);
  void RunAll(const std::vector<Trial>& trials, size_t count);

  const HangGuard guard_{800};
  const uint64_t seed_ = TestSeed();
  std::mt19937_64 random_{seed_};
  const TempDirectory directory_;
  // Values so large that tables are flushed while it lives.
  // Without range deletions: RocksDB's merging iterator forgets a damaged block that it meets while
  // it skips what a range deletion covers, and a scan then ends short (tests/README.md).
  StoreUnderLoad store_{directory_.File("live"), seed_, /*max_value_bytes=*/1500,
                        /*range_deletions=*/false};
  std::map<std::string, int> outcomes_;
};

void RotTest::AddDamages(const std::string& image, const std::string& file,
                         std::vector<Trial>* trials) {
  const uint64_t size = fs::file_size(directory_.File(image) + "/" + file);
  if (size == 0) return;
  const uint64_t quarter = size / 4;
  const std::pair<const char*, std::pair<uint64_t, uint64_t>> regions[] = {
      {"head", {0, std::min<uint64_t>(size, 64)}},
      {"first quarter", {0, quarter + 1}},
      {"middle", {quarter, 3 * quarter + 1}},
      {"last quarter", {3 * quarter, size}},
      {"footer", {size - std::min<uint64_t>(size, 64), size}},
  };
  for (const auto& [name, range] : regions) {
    const uint64_t at = range.first + random_() % (range.second - range.first);
    const auto bit = static_cast<unsigned>(random_() % 8);
    const uint64_t zeros = std::min<uint64_t>(4096, size - at);
    trials->push_back({image, file, absl::StrCat("bit ", bit, " at ", at, " flipped (", name, ")"),
                       [=](const std::string& path) { FlipBit(path + "/" + file, at, bit); }});
    trials->push_back({image, file, absl::StrCat(zeros, " bytes at ", at, " zeroed (", name, ")"),
                       [=](const std::string& path) {
                         Overwrite(path + "/" + file, at, std::string(zeros, '\0'));
                       }});
    trials->push_back({image, file, absl::StrCat("cut from ", size, " to ", at, " bytes"),
                       [=](const std::string& path) { fs::resize_file(path + "/" + file, at); }});
  }
}

void RotTest::AddReplacements(const std::string& image, const std::string& file,
                              std::vector<Trial>* trials) {
  trials->push_back(
      {image, file, "deleted", [=](const std::string& path) { fs::remove(path + "/" + file); }});
  const std::string older = directory_.File("older") + "/" + file;
  if (fs::exists(older) && file != "EPOCH") {  // FORMAT.md: what only the archive can notice.
    trials->push_back({image, file, "replaced by an older copy", [=](const std::string& path) {
                         fs::copy_file(older, path + "/" + file,
                                       fs::copy_options::overwrite_existing);
                       }});
  }
  std::vector<std::string> others;
  for (const std::string& other : FilesOf(directory_.File(image))) {
    if (other != file && KindOf(other) == KindOf(file)) others.push_back(other);
  }
  if (others.empty()) return;
  const std::string other = others[random_() % others.size()];
  trials->push_back({image, file, "swapped with " + other,
                     [=](const std::string& path) {
                       fs::rename(path + "/" + file, path + "/swapped");
                       fs::rename(path + "/" + other, path + "/" + file);
                       fs::rename(path + "/swapped", path + "/" + other);
                     },
                     other});
}

std::vector<Trial> RotTest::AllOf(void (RotTest::*add)(const std::string&, const std::string&,
                                                       std::vector<Trial>*)) {
  std::vector<Trial> trials;
  for (const char* image : {"killed", "closed"}) {
    for (const std::string& file : FilesOf(directory_.File(image)))
      (this->*add)(image, file, &trials);
  }
  std::shuffle(trials.begin(), trials.end(), random_);
  return trials;
}

void RotTest::Run(const Trial& trial) {
  const std::string what = absl::StrCat(trial.image, ": ", trial.file, ": ", trial.damage);
  SCOPED_TRACE(what);
  Copy(trial.image, "trial");
  trial.inflict(directory_.File("trial"));
  const auto found = ReadInChild(directory_.File("trial"), seed_);
  if (found.ok()) {
    ++outcomes_["nothing lost"];
    EXPECT_OK(store_.Judge(*found, CommitOracle::Loss::kPowerCut)) << "opened short";
    return;
  }
  const std::string said(found.status().message());
  EXPECT_EQ(found.status().code(), absl::StatusCode::kAborted) << said;
  const bool crashed = absl::StrContains(said, "ended with -");
  ++outcomes_[crashed ? "the process ended" : "refused"];
  std::cout << what << ": " << said << std::endl;
  EXPECT_FALSE(IsExpendable(trial.file)) << "nobody needs that file";
  const auto names = [&](const std::string& file) {
    return !file.empty() && absl::StrContains(said, fs::path(file).filename().string());
  };
  // Of a table whose footer makes no sense RocksDB may name the MANIFEST alone.
  EXPECT_TRUE(names(trial.file) || names(trial.other) ||
              (KindOf(trial.file) == ".sst" && absl::StrContains(said, "MANIFEST-")))
      << "the error does not name the file: " << said;
}

void RotTest::RunAll(const std::vector<Trial>& trials, size_t count) {
  for (size_t i = 0; i < count; ++i) Run(trials[i % trials.size()]);
  std::cout << count << " trials";
  for (const auto& [outcome, times] : outcomes_) std::cout << ", " << outcome << " " << times;
  std::cout << std::endl;
}

TEST_F(RotTest, DamageInAnyRegionOfAnyFileIsHarmlessOrRefused) {
  const auto count = static_cast<size_t>(TestTrials(300));
  for (size_t done = 0; done < count && !HasFailure();) {
    const std::vector<Trial> trials = AllDamages();
    const size_t now = std::min(count - done, trials.size());
    RunAll(trials, now);
    done += now;
  }
}

TEST_F(RotTest, AFileMissingSwappedOrOldIsHarmlessOrRefused) {
  const std::vector<Trial> trials = AllReplacements();
  RunAll(trials, trials.size());
}

}  // namespace
}  // namespace mooring::testing
