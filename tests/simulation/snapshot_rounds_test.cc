// Row 21: snapshots under load, killed, and where there is no room.

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/store.h"
#include "src/base/steady_clock.h"
#include "tests/simulation/snapshot_writers.h"
#include "tests/testing/child_process.h"
#include "tests/testing/loop_volume.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

ImportOptions Into(const std::string& volume) {
  std::filesystem::create_directories(volume);
  ImportOptions options;
  options.volume = volume;
  options.allow_unsafe_volume = true;
  return options;
}

absl::StatusOr<std::unique_ptr<Store>> OpenThere(const std::string& volume) {
  Options options = SnapshotRoundOptions(volume);
  options.create_if_missing = false;
  return Store::Open(options);
}

// Reads the workload of the store on `volume`, which is there already.
absl::StatusOr<OracleTables> ReadVolume(const std::string& volume) {
  auto store = OpenThere(volume);
  if (!store.ok()) return store.status();
  return ReadWorkload(**store);
}

TEST(SnapshotRoundsTest, AnExportDuringEightWritersIsTheStateAfterExactlyOneCommit) {
  const uint64_t seed = TestSeed();
  const int rounds = TestTrials(50);
  TempDirectory directory;
  std::filesystem::create_directory(directory.File("source"));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store,
                       Store::Open(SnapshotRoundOptions(directory.File("source"))));
  SnapshotWriters writers(store.get(), seed);
  ASSERT_OK(writers.Start());
  std::vector<std::pair<Version, OracleTables>> copies;
  for (int round = 0; round < rounds; ++round) {
    // Not two of the same commit.
    const int64_t before = writers.acknowledged();
    while (writers.acknowledged() < before + 20) absl::SleepFor(absl::Milliseconds(1));
    const std::string path = directory.File("snapshot");
    ASSERT_OK_AND_ASSIGN(const SnapshotInfo info, store->ExportSnapshot(path));
    ASSERT_OK(ImportSnapshot(path, Into(directory.File("copy"))));
    ASSERT_OK_AND_ASSIGN(OracleTables found, ReadVolume(directory.File("copy")));
    copies.emplace_back(info.version, std::move(found));
    std::filesystem::remove(path);
    std::filesystem::remove_all(directory.File("copy"));
  }
  ASSERT_OK(writers.Stop());
  for (size_t i = 0; i < copies.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const OracleTables expected, writers.StateAt(copies[i].first));
    ASSERT_TRUE(copies[i].second == expected)
        << "round " << i << ", version " << copies[i].first.ToString();
    ASSERT_LT(i > 0 ? copies[i - 1].first : Version(), copies[i].first);
  }
  std::cout << rounds << " rounds, " << writers.acknowledged() << " commits" << std::endl;
}

TEST(SnapshotRoundsTest, AnExportThatIsKilledLeavesNoFileThatIsNotWhole) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  const int trials = TestTrials(20);
  int published = 0;
  for (int trial = 0; trial < trials; ++trial) {
    TempDirectory directory;
    for (const char* name : {"source", "snapshots"}) {
      std::filesystem::create_directory(directory.File(name));
    }
    const uint64_t chain_seed = random();
    ChildProcess child({MOORING_SNAPSHOT_CHILD, "export", directory.File("source"),
                        directory.File("snapshots"), absl::StrCat(chain_seed)});
    ASSERT_EQ(child.ReadLine(), "serving");
    absl::SleepFor(absl::Microseconds(random() % 300'000));
    child.Signal(SIGKILL);
    ASSERT_EQ(child.Wait(), -SIGKILL);
    std::string newest;
    for (const auto& file : std::filesystem::directory_iterator(directory.File("snapshots"))) {
      if (file.path().extension() == ".partial") continue;
      ASSERT_OK(VerifySnapshot(file.path())) << file.path();
      ++published;
      if (newest.empty() || std::stoi(file.path().filename()) > std::stoi(newest)) {
        newest = file.path().filename();
      }
    }
    if (!newest.empty()) {
      ASSERT_OK(
          ImportSnapshot(directory.File("snapshots/" + newest), Into(directory.File("copy"))));
      ASSERT_OK_AND_ASSIGN(const OracleTables found, ReadVolume(directory.File("copy")));
      const CommitOracle oracle(WorkloadOf(chain_seed, /*large=*/false));
      ASSERT_OK(oracle.Judge(found, CommitOracle::Loss::kProcessKill));
    }
    // The store itself is none the worse, and lets go of what the export held.
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenThere(directory.File("source")));
    EXPECT_FALSE(std::filesystem::exists(directory.File("source/export")));
    ASSERT_OK(store->ExportSnapshot(directory.File("snapshots/next")));
  }
  std::cout << trials << " kills, " << published << " snapshots published" << std::endl;
}

// A snapshot of some MiB in several files, and what it holds.
struct Exported {
  std::string path;
  OracleTables tables;
};

absl::StatusOr<Exported> ExportOne(const TempDirectory& directory, uint64_t seed) {
  std::filesystem::create_directory(directory.File("source"));
  absl::StatusOr<std::unique_ptr<Store>> store =
      Store::Open(SnapshotRoundOptions(directory.File("source")));
  if (!store.ok()) return store.status();
  SnapshotWriters writers(store->get(), seed);
  absl::Status status = writers.Start();
  while (writers.acknowledged() < 2000) absl::SleepFor(absl::Milliseconds(1));
  status.Update(writers.Stop());
  absl::StatusOr<Table> bulk = (*store)->OpenTable("bulk");
  status.Update(bulk.status());
  std::mt19937_64 random(seed);
  for (int i = 0; i < 4000 && status.ok(); ++i) {
    std::string value(1000, '\0');
    for (char& c : value) c = static_cast<char>(random());
    status.Update(bulk->Put(absl::StrCat(i), value, {Durability::kProcess}).status());
  }
  Exported exported{directory.File("snapshot"), {}};
  status.Update((*store)->ExportSnapshot(exported.path).status());
  if (!status.ok()) return status;
  absl::StatusOr<OracleTables> tables = ReadWorkload(**store);
  if (!tables.ok()) return tables.status();
  exported.tables = *std::move(tables);
  return exported;
}

TEST(SnapshotRoundsTest, AnImportThatIsKilledLeavesNothingThatOpensHalfMade) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  const int trials = TestTrials(40);
  TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const Exported exported, ExportOne(directory, seed));
  const absl::Duration begin = SteadyNow();
  ASSERT_OK(ImportSnapshot(exported.path, Into(directory.File("timed"))));
  const int64_t micros = absl::ToInt64Microseconds(SteadyNow() - begin);
  int untouched = 0, cut_short = 0, whole = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const std::string volume = directory.File(absl::StrCat("copy", trial));
    std::filesystem::create_directory(volume);
    ChildProcess child({MOORING_SNAPSHOT_CHILD, "import", exported.path, volume});
    ASSERT_EQ(child.ReadLine(), "importing");
    absl::SleepFor(absl::Microseconds(random() % static_cast<uint64_t>(micros * 5 / 4)));
    child.Signal(SIGKILL);
    child.Wait();
    absl::StatusOr<OracleTables> found = ReadVolume(volume);
    untouched += absl::IsNotFound(found.status()) ? 1 : 0;
    cut_short += absl::IsFailedPrecondition(found.status()) ? 1 : 0;
    whole += found.ok() ? 1 : 0;
    if (!found.ok()) {
      ASSERT_THAT(found, AnyOf(StatusIs(absl::StatusCode::kNotFound, HasSubstr("holds no store")),
                               StatusIs(absl::StatusCode::kFailedPrecondition,
                                        HasSubstr("was cut short"))));
      ASSERT_OK(ImportSnapshot(exported.path, Into(volume)));
      found = ReadVolume(volume);
    }
    ASSERT_OK(found);
    ASSERT_TRUE(*found == exported.tables) << "trial " << trial;
    std::filesystem::remove_all(volume);
  }
  std::cout << trials << " kills: " << untouched << " before it began, " << cut_short
            << " cut short, " << whole << " whole" << std::endl;
}

// "mooring export | mooring import" as two processes.
TEST(SnapshotRoundsTest, GoesFromProcessToProcessThroughAPipe) {
  TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const Exported exported, ExportOne(directory, TestSeed()));
  std::filesystem::create_directory(directory.File("copy"));
  const std::string command = absl::StrCat(
      "set -o pipefail; '", MOORING_SNAPSHOT_CHILD, "' send '", directory.File("source"), "' | '",
      MOORING_SNAPSHOT_CHILD, "' receive '", directory.File("copy"), "'");
  ChildProcess shell({"/bin/bash", "-c", command});
  ASSERT_EQ(shell.Wait(), 0);
  ASSERT_OK_AND_ASSIGN(const OracleTables found, ReadVolume(directory.File("copy")));
  EXPECT_TRUE(found == exported.tables);
}

TEST(SnapshotVolumeTest, AFullVolumeIsToldWithNumbersAndNothingIsLeftThatOpens) {
  RunInOwnMounts(absl::Minutes(5), [](const std::string& mounts) {
    TempDirectory directory;
    ASSERT_OK_AND_ASSIGN(const Exported exported, ExportOne(directory, TestSeed()));
    LoopVolume::Options small;
    small.bytes = int64_t{64} << 20;
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<LoopVolume> volume, LoopVolume::Make(small, mounts));
    ImportOptions into = Into(volume->path() + "/store");
    // Full from the start: nothing is begun.
    ASSERT_OK(volume->Fill());
    EXPECT_THAT(ImportSnapshot(exported.path, into),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("free")));
    EXPECT_THAT(OpenThere(into.volume), StatusIs(absl::StatusCode::kNotFound));
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> source, OpenThere(directory.File("source")));
    EXPECT_THAT(source->ExportSnapshot(volume->path() + "/snapshot"),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_FALSE(std::filesystem::exists(volume->path() + "/snapshot"));
    EXPECT_FALSE(std::filesystem::exists(volume->path() + "/snapshot.partial"));
    ASSERT_OK(volume->Free());
    // Full in the middle.
    into.progress = [&](const SnapshotProgress& progress) {
      EXPECT_OK(volume->Fill());
      return true;
    };
    EXPECT_THAT(ImportSnapshot(exported.path, into),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(OpenThere(into.volume),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("was cut short")));
    ASSERT_OK(volume->Free());
    into.progress = nullptr;
    ASSERT_OK(ImportSnapshot(exported.path, into));
    ASSERT_OK_AND_ASSIGN(const OracleTables found, ReadVolume(into.volume));
    EXPECT_TRUE(found == exported.tables);
  });
}

TEST(SnapshotVolumeTest, AReadOnlyVolumeIsRefused) {
  RunInOwnMounts(absl::Minutes(5), [](const std::string& mounts) {
    TempDirectory directory;
    ASSERT_OK_AND_ASSIGN(const Exported exported, ExportOne(directory, TestSeed()));
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<LoopVolume> volume, LoopVolume::Make({}, mounts));
    const ImportOptions into = Into(volume->path() + "/store");
    ASSERT_OK(volume->TurnReadOnly());
    EXPECT_THAT(ImportSnapshot(exported.path, into),
                AnyOf(StatusIs(absl::StatusCode::kFailedPrecondition),
                      StatusIs(absl::StatusCode::kUnavailable)));
    EXPECT_TRUE(std::filesystem::is_empty(into.volume));
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> source, OpenThere(directory.File("source")));
    EXPECT_THAT(source->ExportSnapshot(volume->path() + "/snapshot"),
                StatusIs(absl::StatusCode::kFailedPrecondition));
  });
}

}  // namespace
}  // namespace mooring::testing
