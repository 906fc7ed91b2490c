// A store and its archive, through the public API: what kArchive promises, who owns what, and what
// an open finds.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "mooring/store.h"
#include "src/archive/volume_record.h"
#include "tests/store/contract_fixture.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::Holds;
using testing::IsAbsent;
using testing::StatusIs;

const CommitOptions kArchived{Durability::kArchive, absl::InfiniteDuration()};
constexpr absl::Duration kAges = absl::Minutes(2);

class ArchiveStoreTest : public ::testing::Test {
 protected:
  struct Opened {
    std::unique_ptr<Store> store;
    Table table;
  };

  Options OptionsFor(const std::string& volume) {
    fs::create_directories(directory_.File(volume));
    Options options = testing::SmallOptions(directory_.File(volume));
    options.archive.url = "file://" + directory_.File("archive");
    options.archive.ship_interval = absl::Milliseconds(20);
    options.archive.fence_check_interval = absl::Milliseconds(50);
    options.archive.takeover_wait = absl::Milliseconds(300);
    options.acquire_timeout = absl::Seconds(60);
    return options;
  }

  Opened Open(const Options& options) {
    Opened opened;
    auto store = Store::Open(options);
    EXPECT_OK(store);
    if (!store.ok()) return opened;
    opened.store = *std::move(store);
    auto table = opened.store->OpenTable("t");
    EXPECT_OK(table);
    if (table.ok()) opened.table = *std::move(table);
    return opened;
  }
  Opened Open(const std::string& volume) { return Open(OptionsFor(volume)); }

  static void Close(Opened& opened) {
    const CloseReport report = opened.store->Close(kAges);
    EXPECT_OK(report.status);
    EXPECT_TRUE(report.archived);
    EXPECT_TRUE(report.released);
    opened = {};
  }

  void LoseVolume(const std::string& volume) {
    fs::remove_all(directory_.File(volume));
    fs::create_directories(directory_.File(volume));
  }
  void CopyVolume(const std::string& from, const std::string& to) {
    fs::remove_all(directory_.File(to));
    fs::copy(directory_.File(from), directory_.File(to), fs::copy_options::recursive);
  }

  // As it is at this moment, while an owner's unfinished objects come and go in it.
  void CopyArchive(const std::string& to) {
    std::error_code error;
    for (int attempt = 0; attempt < 1'000; ++attempt) {
      fs::remove_all(directory_.File(to));
      fs::copy(directory_.File("archive"), directory_.File(to), fs::copy_options::recursive, error);
      if (!error) return;
    }
    FAIL() << error.message();
  }

  int DamageFilesOfTheArchive() {
    int damaged = 0;
    if (!fs::exists(directory_.File("archive/files"))) return 0;
    for (const auto& file : fs::directory_iterator(directory_.File("archive/files"))) {
      fs::resize_file(file, fs::file_size(file) - 1);
      ++damaged;
    }
    return damaged;
  }

  testing::HangGuard guard_;
  testing::TempDirectory directory_;
};

TEST_F(ArchiveStoreTest, WhatIsCommittedAtArchiveSurvivesTheLossOfTheVolume) {
  Opened first = Open("a");
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK(first.table.Put(absl::StrCat("key", i), absl::StrCat("value", i), kArchived));
  }
  const Version before = first.store->version();
  const std::string id = first.store->id();
  CopyArchive("then");  // Without what a close would still send.
  Close(first);
  LoseVolume("a");

  Options options = OptionsFor("b");
  options.archive.url = "file://" + directory_.File("then");
  Opened second = Open(options);
  EXPECT_EQ(second.store->id(), id);
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(second.table.Get(absl::StrCat("key", i)), Holds(absl::StrCat("value", i)));
  }
  EXPECT_GT(*second.table.Put("more", "", kArchived), before);
  Close(second);
}

TEST_F(ArchiveStoreTest, ACommitAtVolumeIsArchivedWithinAnInterval) {
  Opened first = Open("a");
  ASSERT_OK_AND_ASSIGN(const Version version, first.table.Put("key", "value"));
  ASSERT_OK(first.store->WaitArchived(version, kAges));
  ASSERT_OK_AND_ASSIGN(const Version unsynced, first.table.Put("key", "2", testing::kUnsynced));
  ASSERT_OK(first.store->WaitArchived(unsynced, kAges));
  EXPECT_EQ(first.store->archive_status().state, ArchiveStatus::State::kShipping);
  EXPECT_GE(first.store->archive_status().archived->sequence, unsynced.sequence);
  EXPECT_THAT(first.store->WaitArchived({1, unsynced.sequence + 1}, kAges),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("never given")));
  Close(first);
}

TEST_F(ArchiveStoreTest, WhatNobodySyncsIsArchivedAllTheSame) {
  Opened first = Open("a");
  ASSERT_OK_AND_ASSIGN(const Version unsynced, first.table.Put("key", "2", testing::kUnsynced));
  const auto archived = [&] {
    return first.store->archive_status().archived.value_or(Version()).sequence;
  };
  while (archived() < unsynced.sequence) absl::SleepFor(absl::Milliseconds(5));
  Close(first);
}

TEST_F(ArchiveStoreTest, WithoutAnArchiveNothingCanBeCommittedThere) {
  Options options = OptionsFor("a");
  options.archive = {};
  Opened first = Open(options);
  EXPECT_THAT(first.table.Put("key", "value", kArchived),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("archive.url")));
  EXPECT_THAT(first.store->WaitArchived(first.store->version(), kAges),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(first.store->archive_status().state, ArchiveStatus::State::kNone);
  EXPECT_THAT(first.table.Get("key"), IsAbsent());
}

// A table that is made is in no log: without a checkpoint a restore would leave out its commits.
TEST_F(ArchiveStoreTest, ATableMadeLaterIsRestoredWithItsCommits) {
  Opened first = Open("a");
  ASSERT_OK(first.table.Put("key", "value", kArchived));
  ASSERT_OK_AND_ASSIGN(Table later, first.store->OpenTable("later"));
  ASSERT_OK(later.Put("key", "of the later table", kArchived));
  ASSERT_OK_AND_ASSIGN(Table dropped, first.store->OpenTable("dropped"));
  ASSERT_OK(dropped.Put("key", "value", kArchived));
  ASSERT_OK(first.store->DropTable("dropped"));
  Close(first);
  LoseVolume("a");

  Opened second = Open("b");
  ASSERT_OK_AND_ASSIGN(later, second.store->OpenTable("later"));
  EXPECT_THAT(later.Get("key"), Holds("of the later table"));
  EXPECT_THAT(*second.store->ListTables(), ::testing::ElementsAre("later", "t"));
  Close(second);
}

// The last commit before a drop may be the dropped table's own, and of that no file is left.
TEST_F(ArchiveStoreTest, ATableThatIsDroppedLeavesTheSequenceWhereItWas) {
  Opened first = Open("a");
  ASSERT_OK_AND_ASSIGN(Table dropped, first.store->OpenTable("dropped"));
  ASSERT_OK(first.table.Put("key", "1", kArchived));
  ASSERT_OK(first.table.Put("key", "2"));
  ASSERT_OK(dropped.Put("key", "3"));
  ASSERT_OK(first.store->DropTable("dropped"));
  const Version last = first.store->version();
  Close(first);

  Opened second = Open("a");
  EXPECT_EQ(second.store->version().sequence, last.sequence);
  EXPECT_OK(second.store->WaitArchived(last, kAges));
  EXPECT_OK(second.store->WaitArchived(second.store->version(), kAges));
  Close(second);
  LoseVolume("a");
  second = Open("a");
  EXPECT_THAT(second.table.Get("key"), Holds("2"));
  EXPECT_EQ(second.store->version().sequence, last.sequence);
  Close(second);
}

// As before, but the archive came later than the drop, which leaves a log of what is in no file.
TEST_F(ArchiveStoreTest, ATableThatWasDroppedBeforeThereWasAnArchiveLeavesTheSequenceToo) {
  Options options = OptionsFor("a");
  options.archive = {};
  Opened first = Open(options);
  ASSERT_OK(first.table.Put("key", "1"));
  ASSERT_OK_AND_ASSIGN(Table dropped, first.store->OpenTable("dropped"));
  ASSERT_OK(dropped.Put("key", "2"));
  ASSERT_OK(first.store->DropTable("dropped"));
  const Version last = first.store->version();
  dropped = {};
  first.table = {};
  ASSERT_OK(first.store->Close(kAges).status);

  Opened second = Open("a");
  EXPECT_EQ(second.store->version().sequence, last.sequence);
  EXPECT_OK(second.store->WaitArchived(second.store->version(), kAges));
  Close(second);
  second = Open("a");
  EXPECT_EQ(second.store->version().sequence, last.sequence);
  Close(second);
  LoseVolume("a");
  second = Open("a");
  EXPECT_THAT(second.table.Get("key"), Holds("1"));
  Close(second);
}

// RocksDB takes its last sequence from files: of every kind of commit something must be there.
TEST_F(ArchiveStoreTest, WhateverCommitIsTheLastTheSequenceStaysWhereItWas) {
  uint64_t last = 0;
  for (int life = 0; life < 5; ++life) {
    Opened opened = Open("a");
    EXPECT_EQ(opened.store->version().sequence, last);
    ASSERT_OK(opened.table.Put("key", "value"));
    if (life == 1) {
      ASSERT_OK(opened.table.Delete("absent"));
    } else if (life > 1) {
      ASSERT_OK(opened.table.DeleteRange("x", life == 2 ? "y" : "x"));
    }
    last = opened.store->version().sequence;
    ASSERT_OK(opened.store->OpenTable(absl::StrCat("a reason for a checkpoint ", life)));
    Close(opened);
    if (life % 2 == 1) LoseVolume("a");
  }
}

TEST_F(ArchiveStoreTest, ManyFlushesAndReopeningsLeaveOneHistory) {
  for (int life = 0; life < 4; ++life) {
    Opened opened = Open("a");
    for (int i = 0; i < 60; ++i) {
      const std::string value(100000, static_cast<char>('a' + life));
      ASSERT_OK(opened.table.Put(absl::StrCat(i), value));
    }
    ASSERT_OK(opened.table.Put(absl::StrCat("life", life), "", kArchived));
    Close(opened);
    if (life % 2 == 1) LoseVolume("a");
  }
  Opened last = Open("a");
  EXPECT_THAT(last.table.Get("17"), Holds(std::string(100000, 'd')));
  for (int life = 0; life < 4; ++life) {
    EXPECT_THAT(last.table.Get(absl::StrCat("life", life)), Holds(""));
  }
  Close(last);
}

TEST_F(ArchiveStoreTest, AnotherVolumesOwnerTakesOverAndTheFirstIsFenced) {
  Options slow = OptionsFor("a");
  slow.archive.ship_interval = absl::Hours(1);  // So that the watcher sees nothing of it,
  slow.archive.fence_check_interval = absl::Milliseconds(50);  // and it sees the other one soon.
  Opened first = Open(slow);
  ASSERT_OK(first.table.Put("key", "first", kArchived));
  ASSERT_OK_AND_ASSIGN(const Version left_behind, first.table.Put("lost", "first"));
  Opened second = Open("b");
  EXPECT_THAT(second.table.Get("key"), Holds("first"));
  // Nobody waited for it, so that it was left behind unless a checkpoint happened to take it along.
  const bool lost = absl::IsNotFound(second.table.Get("lost").status());
  ASSERT_OK(second.table.Put("key", "second", kArchived));

  const auto late = first.table.Put("key", "late", kArchived);
  EXPECT_TRUE(IsFenced(late.status())) << late.status();
  EXPECT_THAT(late, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(IsFenced(first.table.Put("key", "later").status()));
  EXPECT_EQ(first.store->health().state, Health::State::kReadOnly);
  EXPECT_EQ(first.store->archive_status().state, ArchiveStatus::State::kFenced);
  const CloseReport report = first.store->Close(kAges);
  EXPECT_TRUE(IsFenced(report.status)) << report.status;
  EXPECT_FALSE(report.archived);
  EXPECT_TRUE(report.released);
  first = {};
  Close(second);

  // The first volume is behind and has diverged: it gets what the second one wrote.
  Opened again = Open("a");
  EXPECT_THAT(again.table.Get("key"), Holds("second"));
  EXPECT_EQ(absl::IsNotFound(again.table.Get("lost").status()), lost);
  EXPECT_THAT(again.store->WaitArchived(left_behind, kAges),
              StatusIs(lost ? absl::StatusCode::kDataLoss : absl::StatusCode::kOk));
  Close(again);
}

TEST_F(ArchiveStoreTest, ALivingOwnerIsNotTakenOver) {
  Opened first = Open("a");
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) EXPECT_OK(first.table.Put("key", "value", kArchived));
  });
  Options options = OptionsFor("b");
  options.acquire_timeout = absl::Seconds(1);
  EXPECT_THAT(Store::Open(options), StatusIs(absl::StatusCode::kFailedPrecondition));
  stop = true;
  writer.join();
  Close(first);
}

TEST_F(ArchiveStoreTest, AnOlderCopyOfTheVolumeIsRolledForward) {
  Opened first = Open("a");
  ASSERT_OK(first.table.Put("key", "old", kArchived));
  Close(first);
  CopyVolume("a", "old");
  first = Open("a");
  ASSERT_OK(first.table.Put("key", "new", kArchived));
  Close(first);
  CopyVolume("old", "a");
  first = Open("a");
  EXPECT_THAT(first.table.Get("key"), Holds("new"));
  Close(first);
}

// What it held, a volume that went on since knows; one that stayed behind would go on without it.
TEST_F(ArchiveStoreTest, ADamagedEntryOfAnotherVolumesOwnerIsNoReasonToGoOnWithout) {
  Opened first = Open("a");
  ASSERT_OK(first.table.Put("key", "1", kArchived));
  Close(first);
  Opened second = Open("b");
  ASSERT_OK(second.table.Put("key", "2", kArchived));
  Close(second);
  std::vector<std::string> slots;
  for (const auto& slot : fs::directory_iterator(directory_.File("archive/journal"))) {
    slots.push_back(slot.path());
  }
  std::sort(slots.begin(), slots.end());
  ASSERT_GT(slots.size(), 2u);
  const std::string log = slots[slots.size() - 2];  // Then comes the CLOSE.
  fs::resize_file(log, fs::file_size(log) - 1);

  const absl::Status stayed = Store::Open(OptionsFor("a")).status();
  EXPECT_THAT(stayed, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("accept_loss")));
  second = Open("b");
  EXPECT_THAT(second.table.Get("key"), Holds("2"));
  Close(second);
  first = Open("a");
  EXPECT_THAT(first.table.Get("key"), Holds("2"));
  Close(first);
}

TEST_F(ArchiveStoreTest, ADamagedVolumeHealsFromTheArchive) {
  Opened first = Open("a");
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK(first.table.Put(absl::StrCat(i), std::string(50000, 'x')));
  }
  ASSERT_OK(first.table.Put("key", "value", kArchived));
  Close(first);
  for (const auto& file : fs::directory_iterator(directory_.File("a/data"))) {
    if (file.path().filename().string().rfind("MANIFEST", 0) == 0) fs::resize_file(file, 10);
  }
  Options alone = OptionsFor("a");
  alone.archive = {};
  EXPECT_THAT(Store::Open(alone), StatusIs(absl::StatusCode::kDataLoss));
  first = Open("a");
  EXPECT_THAT(first.table.Get("key"), Holds("value"));
  EXPECT_THAT(first.table.Get("99"), Holds(std::string(50000, 'x')));
  Close(first);
  fs::remove_all(directory_.File("a/data"));
  first = Open("a");
  EXPECT_THAT(first.table.Get("key"), Holds("value"));
  Close(first);
}

TEST_F(ArchiveStoreTest, WhereFilesOfTheArchiveAreDamagedALossIsRefusedByNameUnlessAccepted) {
  Opened first = Open("a");
  // A checkpoint of the empty store stands before anything is in files.
  const absl::Time deadline = absl::Now() + absl::Minutes(2);
  while (first.store->archive_status().last_checkpoint == 0 && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  ASSERT_OK(first.table.Put("key", "value", kArchived));
  ASSERT_OK_AND_ASSIGN(const Table later, first.store->OpenTable("later"));
  ASSERT_OK(first.table.Put("key2", "value2", kArchived));
  Close(first);
  LoseVolume("a");

  ASSERT_GT(DamageFilesOfTheArchive(), 0);
  Options options = OptionsFor("a");
  std::string log;
  options.log = [&](LogSeverity, std::string_view text) { log += std::string(text) + "\n"; };
  EXPECT_THAT(Store::Open(options),
              StatusIs(absl::StatusCode::kDataLoss,
                       ::testing::AllOf(HasSubstr("files/"), HasSubstr("accept_loss"))));
  options.archive.accept_loss = true;
  const auto opened = Store::Open(options);
  ASSERT_OK(opened);
  EXPECT_THAT(log, HasSubstr("cannot be used"));
}

// Killed while it replaces a damaged volume, before and after the swap: what only the volume's log
// held is not lost with the second attempt.
TEST_F(ArchiveStoreTest, AHealingThatIsKilledStillKeepsWhatOnlyTheLogHeld) {
  for (const bool swapped : {false, true}) {
    Opened first = Open("a");
    ASSERT_OK(first.table.Put("key", "archived", kArchived));
    CopyArchive("then");
    ASSERT_OK(first.table.Put("key", "on the volume"));
    const std::string id = first.store->id();
    Close(first);
    fs::remove_all(directory_.File("archive"));
    fs::rename(directory_.File("then"), directory_.File("archive"));
    for (const auto& file : fs::directory_iterator(directory_.File("a/data"))) {
      if (file.path().filename().string().rfind("MANIFEST", 0) == 0) fs::resize_file(file, 10);
    }
    const std::string record_path = directory_.File("a/HISTORY");
    ASSERT_OK_AND_ASSIGN(archive::VolumeRecord record, archive::ReadVolumeRecord(record_path, id));
    record.restoring = true;
    ASSERT_OK(archive::WriteVolumeRecord(record_path, id, record));
    if (swapped) {
      fs::remove_all(directory_.File("a/data.aside"));
      fs::rename(directory_.File("a/data"), directory_.File("a/data.aside"));
      std::ofstream(directory_.File("a/data.aside/SET-ASIDE")) << "Replaced by a restore.\n";
      fs::create_directory(directory_.File("a/data"));
    }
    first = Open("a");
    EXPECT_THAT(first.table.Get("key"), Holds("on the volume")) << swapped;
    Close(first);
  }
}

// A table is made in no log, and the engine passes over commits to one that it does not know. What
// comes back is all up to some commit, never a later one without an earlier one.
TEST_F(ArchiveStoreTest, AHealingBeyondTheArchiveEndsWhereATableWasMade) {
  Opened first = Open("a");
  ASSERT_OK(first.table.Put("key", "archived", kArchived));
  fs::rename(directory_.File("archive"), directory_.File("away"));
  ASSERT_OK(first.table.Put("key", "on the volume"));
  ASSERT_OK_AND_ASSIGN(Table later, first.store->OpenTable("later"));
  ASSERT_OK(later.Put("key", "in the new table"));
  ASSERT_OK(first.table.Put("key", "after it"));
  EXPECT_FALSE(first.store->Close(absl::Milliseconds(100)).archived);
  first = {};
  fs::rename(directory_.File("away"), directory_.File("archive"));
  for (const auto& file : fs::directory_iterator(directory_.File("a/data"))) {
    if (file.path().filename().string().rfind("MANIFEST", 0) == 0) fs::resize_file(file, 10);
  }
  Options options = OptionsFor("a");
  std::string log;
  options.log = [&](LogSeverity, std::string_view text) { log += std::string(text) + "\n"; };
  for (int i = 0; i < 2; ++i) {  // And it stays so.
    first = Open(options);
    EXPECT_THAT(first.table.Get("key"), Holds("on the volume"));
    ASSERT_OK_AND_ASSIGN(const std::vector<std::string> tables, first.store->ListTables());
    EXPECT_EQ(tables.size(), 1u);
    Close(first);
  }
  EXPECT_THAT(log, HasSubstr("2 operations on the volume are lost"));
}

// Killed at its first opening, a store must not look like one that lost its volume.
TEST_F(ArchiveStoreTest, AVolumeHasItsFirstStateBeforeTheArchiveIsClaimed) {
  Options options = OptionsFor("a");
  bool state_first = false;
  options.progress = [&](const Progress& progress) {
    if (progress.phase != Progress::Phase::kReplayingLog) return;
    state_first = !fs::exists(directory_.File("archive/journal"));
  };
  Opened first = Open(options);
  EXPECT_TRUE(state_first);
  // As a kill behind the first claim leaves it: a volume with an empty state.
  Close(first);
  for (const char* later : {"archive/latest", "a/HISTORY"}) fs::remove(directory_.File(later));
  for (const auto& entry : fs::directory_iterator(directory_.File("archive/journal"))) {
    if (entry.path().filename() != "00000000000000000001") fs::remove(entry);
  }
  first = Open("a");
  ASSERT_OK(first.table.Put("key", "value", kArchived));
  Close(first);
}

TEST_F(ArchiveStoreTest, WhatBelongsToAnotherStoreIsRefusedAndLeftAlone) {
  Opened first = Open("a");
  Close(first);
  Options foreign = OptionsFor("b");
  foreign.archive = {};
  Opened other = Open(foreign);
  ASSERT_OK(other.table.Put("key", "value"));
  other = {};
  EXPECT_THAT(Store::Open(OptionsFor("b")), StatusIs(absl::StatusCode::kFailedPrecondition));
  other = Open(foreign);
  EXPECT_THAT(other.table.Get("key"), Holds("value"));
}

TEST_F(ArchiveStoreTest, AVolumeRemembersItsArchive) {
  Opened first = Open("a");
  ASSERT_OK(first.table.Put("key", "value", kArchived));
  Close(first);
  Options other = OptionsFor("a");
  other.archive.url = "file://" + directory_.File("elsewhere");
  EXPECT_THAT(Store::Open(other),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("adopt_archive")));
  Options none = OptionsFor("a");
  none.archive = {};
  EXPECT_THAT(Store::Open(none),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("adopt_archive")));
  other.archive.adopt_archive = true;
  first = Open(other);
  EXPECT_THAT(first.table.Get("key"), Holds("value"));
  Close(first);
  LoseVolume("a");
  other.archive.adopt_archive = false;
  first = Open(other);
  EXPECT_THAT(first.table.Get("key"), Holds("value"));
  Close(first);
}

TEST_F(ArchiveStoreTest, AWriteThatIsNotArchivedInTimeKeepsItsVersion) {
  Opened first = Open("a");
  const auto late = first.table.Put("key", "value", {Durability::kArchive, absl::Microseconds(1)});
  ASSERT_THAT(late, StatusIs(absl::StatusCode::kDeadlineExceeded));
  // It may have been too late for the volume already; then there is no version.
  if (const auto version = UnarchivedVersion(late.status())) {
    EXPECT_OK(first.store->WaitArchived(*version, kAges));
  }
  Close(first);
}

}  // namespace
}  // namespace mooring
