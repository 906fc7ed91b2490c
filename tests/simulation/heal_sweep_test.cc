// FAULTS rows 10, 11 and 15 of a store with an archive: bytes are flipped, files cut and deleted,
// one at a time, over every kind of file on the volume and every kind of object in the archive.
// Then a process opens the volume (for the archive's objects: an empty one) and reads everything:
// it is what was written, or an error names what is damaged.

#include <fcntl.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/archive/entry.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "tests/testing/child_process.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

namespace fs = std::filesystem;

// "data .sst", "data MANIFEST-", "EPOCH", "journal CLAIM": what has the same form.
std::string KindOf(const std::string& directory, const std::string& file) {
  const fs::path path(file);
  const std::string folder = path.parent_path().string();
  if (const auto slot = archive::ParseSlotKey(file); slot.ok()) {
    const auto entry =
        archive::DecodeEntry(file, *slot, ReadFile(absl::StrCat(directory, "/", file)).value());
    return absl::StrCat(folder, " ", ToAbsl(archive::KindOf(entry.value())));
  }
  if (folder == "files" || folder == "merged" || folder == "pins") return folder;
  if (path.has_extension()) return absl::StrCat(folder, " ", path.extension().string());
  const std::string name = path.filename().string();
  return absl::StrCat(folder, " ", name.substr(0, name.find_first_of("0123456789")));
}

using Files = std::map<std::string, std::vector<std::string>>;  // By kind.

Files FilesOf(const std::string& directory) {
  Files files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.file_size() == 0) continue;
    const std::string file = fs::relative(entry.path(), directory).string();
    files[KindOf(directory, file)].push_back(file);
  }
  for (auto& [kind, names] : files) std::sort(names.begin(), names.end());
  return files;
}

void Flip(const std::string& path, uint64_t at, unsigned bit) {
  ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path, O_RDWR));
  char byte = 0;
  ASSERT_OK(file.ReadAt(at, 1, &byte));
  ASSERT_OK(file.WriteAt(at, std::string(1, static_cast<char>(byte ^ (1U << bit)))));
}

struct Outcome {
  bool refused = false;
  std::string said;  // What it read, or why not.
  std::string repaired = "0";
};

class HealSweepTest : public ::testing::Test {
 protected:
  // Two images of volume and archive: one of a store that was killed, one of a closed one.
  void SetUp() override {
    for (const char* name : {"live", "live/volume"}) fs::create_directory(directory_.File(name));
    ChildProcess child({MOORING_HEAL_CHILD, "fill", directory_.File("live/volume"),
                        directory_.File("live/archive"), absl::StrCat(seed_)});
    const std::string filled = child.ReadLine();
    ASSERT_TRUE(absl::StartsWith(filled, "filled ")) << filled;
    digest_ = filled.substr(7);
    do {  // A copy is of one moment only where nothing went on beside it.
      Copy("live", "killed");
      Copy("killed", "trial");
    } while (Read("").said != digest_);
    child.Write("close\n");
    ASSERT_EQ(child.ReadLine(), "closed");
    Copy("live", "closed");
  }

  void Copy(const std::string& from, const std::string& to) const {
    fs::remove_all(directory_.File(to));
    for (const auto& entry : fs::recursive_directory_iterator(directory_.File(from))) {
      const fs::path target = directory_.File(to) / fs::relative(entry, directory_.File(from));
      std::error_code gone;  // A live store may remove one meanwhile.
      if (entry.is_directory()) fs::create_directories(target);
      if (entry.is_regular_file() && entry.path().filename() != "BALLAST") {
        fs::create_directories(target.parent_path());
        fs::copy_file(entry, target, gone);
      }
    }
  }

  Outcome Read(const std::string& accept) const {
    ChildProcess child({MOORING_HEAL_CHILD, "read", directory_.File("trial/volume"),
                        directory_.File("trial/archive"), accept});
    const std::string line = child.ReadLine();
    const int result = child.Wait();
    if (result != 0) return {true, absl::StrCat("the process ended with ", result)};
    if (!absl::StartsWith(line, "same ")) return {true, line};
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    return {false, words.at(1), words.at(2)};
  }

  // Reads the trial, in which `file` was damaged. Whether nothing was read wrong or short.
  bool Judge(const std::string& image, const std::string& kind, const std::string& file,
             const std::string& damage, const std::string& accept = "") {
    const Outcome outcome = Read(accept);
    const std::string what = absl::StrCat(image, ": ", file, " ", damage, ": ");
    const std::string name = fs::path(file).filename().string();
    if (!outcome.refused) {
      ++outcomes_[absl::StrCat(kind, outcome.repaired == "0" ? " healed" : " repaired in place")];
      if (outcome.said != digest_) std::cout << what << "another state was read" << std::endl;
      return outcome.said == digest_;
    }
    ++outcomes_[kind + " refused"];
    std::cout << what << outcome.said.substr(0, 300) << std::endl;
    EXPECT_TRUE(absl::StrContains(outcome.said, name)) << what << "not named: " << outcome.said;
    return true;
  }

  // Flips one byte of a file of any kind below `part` ("volume" or "archive").
  bool FlipOne(const std::string& part, const std::string& accept = "") {
    const std::string image = random_() % 2 == 0 ? "killed" : "closed";
    const Files files = FilesOf(directory_.File(image + "/" + part));
    auto kind = files.begin();
    std::advance(kind, random_() % files.size());
    const std::string& file = kind->second[random_() % kind->second.size()];
    Copy(image, "trial");
    const std::string path = directory_.File("trial/" + part + "/" + file);
    // At the ends there is more than in the middle.
    const uint64_t size = fs::file_size(path);
    const uint64_t near = std::min<uint64_t>(size, 200);
    const uint64_t places[] = {random_() % size, random_() % near, size - 1 - random_() % near};
    const uint64_t at = places[random_() % 3];
    Flip(path, at, random_() % 8);
    if (part == "archive") EmptyTheVolume();
    return Judge(image, kind->first, file, absl::StrCat("flipped at ", at), accept);
  }

  std::string NewestEntry(const std::string& image) const {
    std::string newest;
    for (const auto& entry : fs::directory_iterator(directory_.File(image + "/archive/journal"))) {
      newest = std::max(newest, "journal/" + entry.path().filename().string());
    }
    return newest;
  }

  // Cuts and deletes one file of each kind.
  void CutAndDelete(const std::string& part) {
    for (const std::string image : {"killed", "closed"}) {
      for (const auto& [kind, files] : FilesOf(directory_.File(image + "/" + part))) {
        for (const std::string damage : {"deleted", "cut to half", "emptied"}) {
          const std::string& file = files[random_() % files.size()];
          // Gone together with the volume it is as if it had never been archived: FORMAT.md.
          if (damage == "deleted" && part == "archive" && file == NewestEntry(image)) continue;
          Copy(image, "trial");
          const fs::path path = directory_.File("trial/" + part + "/" + file);
          if (damage == "deleted") fs::remove(path);
          if (damage == "cut to half") fs::resize_file(path, fs::file_size(path) / 2);
          if (damage == "emptied") fs::resize_file(path, 0);
          if (part == "archive") EmptyTheVolume();
          EXPECT_TRUE(Judge(image, kind, file, damage)) << image << ": " << file << " " << damage;
        }
      }
    }
  }

  void EmptyTheVolume() const {
    fs::remove_all(directory_.File("trial/volume"));
    fs::create_directory(directory_.File("trial/volume"));
  }

  void TearDown() override {
    for (const auto& [outcome, times] : outcomes_) std::cout << outcome << " " << times << "\n";
  }

  const HangGuard guard_{1500};
  const uint64_t seed_ = TestSeed();
  std::mt19937_64 random_{seed_};
  const TempDirectory directory_;
  std::string digest_;
  std::map<std::string, int> outcomes_;
};

TEST_F(HealSweepTest, AFlippedByteOnTheVolumeIsHealedOrRefusedByName) {
  const int trials = TestTrials(300);
  for (int i = 0; i < trials && !HasFailure(); ++i) EXPECT_TRUE(FlipOne("volume"));
}

TEST_F(HealSweepTest, AFlippedByteInTheArchiveIsHealedOrRefusedByName) {
  const int trials = TestTrials(300);
  for (int i = 0; i < trials && !HasFailure(); ++i) EXPECT_TRUE(FlipOne("archive"));
}

TEST_F(HealSweepTest, AFileOfTheVolumeThatIsCutOrDeletedIsHealedOrRefusedByName) {
  CutAndDelete("volume");
}

TEST_F(HealSweepTest, AnObjectOfTheArchiveThatIsCutOrDeletedIsHealedOrRefusedByName) {
  CutAndDelete("archive");
}

// What the archive alone cannot tell the volume can: it is archived again, for whoever comes later.
TEST_F(HealSweepTest, TheNewestEntryOfTheArchiveThatIsDeletedIsHealedFromTheVolume) {
  for (const std::string image : {"killed", "closed"}) {
    Copy(image, "trial");
    const std::string newest = NewestEntry(image);
    ASSERT_TRUE(fs::remove(directory_.File("trial/archive/" + newest)));
    EXPECT_EQ(Read("").said, digest_) << image << ": " << newest << " deleted";
    EmptyTheVolume();
    EXPECT_EQ(Read("").said, digest_) << image << ": " << newest << " deleted, then the volume";
  }
}

// The control: where a loss is accepted a state is short, and the sweep sees it.
TEST_F(HealSweepTest, AShortStateIsCaught) {
  int caught = 0;
  for (int i = 0; i < 200 && caught == 0; ++i) caught += FlipOne("archive", "accept") ? 0 : 1;
  EXPECT_GT(caught, 0);
}

}  // namespace
}  // namespace mooring::testing
