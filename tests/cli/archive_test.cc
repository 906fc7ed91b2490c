// mooring archive, restore, drill, export, import, doctor and completion.
#include <fcntl.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/base/posix_file.h"
#include "src/cli/exit_code.h"
#include "tests/cli/command_fixture.h"

namespace mooring::testing {
namespace {

namespace fs = std::filesystem;
using cli::kDamaged;
using cli::kDone;
using cli::kNotFound;
using cli::kRefused;
using cli::kUsage;
using ::testing::HasSubstr;

void Flip(const std::string& path, uint64_t offset) {
  ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path, O_RDWR));
  char byte = 0;
  ASSERT_OK(file.ReadAt(offset, 1, &byte));
  ASSERT_OK(file.WriteAt(offset, std::string(1, static_cast<char>(byte ^ 4))));
}

// The first file below `directory` whose name holds `part`.
std::string FileWith(const std::string& directory, const std::string& part) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && absl::StrContains(entry.path().filename().string(), part)) {
      names.push_back(entry.path().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names.empty() ? "" : names.front();
}

class ArchiveCommandTest : public CommandTest {
 protected:
  std::string archive_directory() const { return directory_.File("archive"); }

  // Two openings, so that checkpoints name files.
  void MakeArchivedStore() {
    ASSERT_NO_FATAL_FAILURE(MakeStore(/*with_archive=*/true));
    ASSERT_NO_FATAL_FAILURE(MakeStore(/*with_archive=*/true, 200));
  }
  std::string ArchivedFile() const { return FileWith(archive_directory() + "/files", ""); }
};

TEST_F(ArchiveCommandTest, ListAndStatTellWhatItHolds) {
  ASSERT_NO_FATAL_FAILURE(MakeArchivedStore());
  const Ran list = Run({"--json", "archive", "list", "-A", archive_});
  EXPECT_THAT(list, Exits(kDone));
  std::vector<std::string> kinds;
  const Json document = list.json();
  for (const Json& entry : document["entries"]) kinds.push_back(entry["kind"]);
  EXPECT_THAT(kinds, ::testing::IsSupersetOf({"CLAIM", "CHECKPOINT", "LOG", "CLOSE"}));
  EXPECT_THAT(Run({"archive", "list", "-A", archive_, "--last", "1"}).out, HasSubstr("CLOSE"));

  const Ran stat = Run({"--json", "archive", "stat", "-A", archive_});
  EXPECT_THAT(stat, Exits(kDone));
  const Json inspected = Run({"--json", "inspect", "-V", volume_}).json();
  EXPECT_EQ(stat.json()["restorable"]["version"], inspected["version"]) << stat;
  EXPECT_EQ(stat.json()["store_id"], inspected["store_id"]);
  EXPECT_EQ(stat.json()["closed"], true);
}

TEST_F(ArchiveCommandTest, NoArchiveIsNotFoundAndNoneIsMade) {
  const std::string url = "file://" + directory_.File("elsewhere");
  EXPECT_THAT(Run({"archive", "stat", "-A", url}), Exits(kNotFound));
  EXPECT_THAT(Run({"drill", "-A", url}), Exits(kNotFound));
  EXPECT_THAT(Run({"restore", "-V", volume_, "-A", url, "--unsafe-volume"}), Exits(kNotFound));
  EXPECT_TRUE(fs::is_empty(volume_));
  EXPECT_THAT(Run({"archive", "stat", "-A", "s3://user:secret@bucket/x"}), Exits(kUsage));
  EXPECT_THAT(Run({"archive", "stat", "-A", "s3://user:secret@bucket/x"}).error,
              ::testing::Not(HasSubstr("secret")));
}

TEST_F(ArchiveCommandTest, VerifyNamesADamagedFileAndADamagedEntry) {
  ASSERT_NO_FATAL_FAILURE(MakeArchivedStore());
  EXPECT_THAT(Run({"archive", "verify", "-A", archive_}), Exits(kDone));
  const std::string file = ArchivedFile();
  ASSERT_NO_FATAL_FAILURE(Flip(file, 30));
  const Ran ran = Run({"archive", "verify", "-A", archive_});
  EXPECT_THAT(ran, Exits(kDamaged));
  EXPECT_THAT(ran.out, HasSubstr(fs::path(file).filename().string()));
  EXPECT_THAT(Run({"archive", "verify", "--quick", "-A", archive_}), Exits(kDone));
  fs::remove(file);
  EXPECT_THAT(Run({"archive", "verify", "--quick", "-A", archive_}), Exits(kDamaged));
}

TEST_F(ArchiveCommandTest, GcSaysWhatMayGoAndDeletesNothing) {
  ASSERT_NO_FATAL_FAILURE(MakeArchivedStore());
  const Json before = Run({"--json", "archive", "stat", "-A", archive_}).json();
  const Ran ran = Run({"--json", "archive", "gc", "-A", archive_, "--keep-days", "0"});
  EXPECT_THAT(ran, Exits(kDone));
  EXPECT_EQ(ran.json()["deleted"], false);
  EXPECT_EQ(ran.json()["holds"]["objects"], before["objects"]) << ran;
  EXPECT_EQ(Run({"--json", "archive", "stat", "-A", archive_}).json()["objects"],
            before["objects"]);
}

TEST_F(ArchiveCommandTest, DrillRestoresToScratchAndLeavesNothing) {
  ASSERT_NO_FATAL_FAILURE(MakeArchivedStore());
  const std::string scratch = MakeVolume("scratch");
  const Ran ran = Run({"--json", "drill", "-A", archive_, "--scratch", scratch});
  EXPECT_THAT(ran, Exits(kDone));
  EXPECT_EQ(ran.json()["keys"], 201);
  EXPECT_EQ(ran.json()["complete"], true);
  EXPECT_TRUE(fs::is_empty(scratch));
  for (const fs::path& file : {fs::path(ArchivedFile())}) Flip(file.string(), 30);
  EXPECT_THAT(Run({"drill", "-A", archive_, "--scratch", scratch}), Exits(kDamaged));
  EXPECT_TRUE(fs::is_empty(scratch));
}

TEST_F(ArchiveCommandTest, DrillDoesNotDisturbALivingOwner) {
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(StoreOptions(/*with_archive=*/true)));
  ASSERT_NO_FATAL_FAILURE(Fill(*store));
  ASSERT_OK(store->WaitArchived(store->version(), absl::Minutes(1)));
  EXPECT_THAT(Run({"drill", "-A", archive_, "--scratch", MakeVolume("scratch")}), Exits(kDone));
  ASSERT_OK_AND_ASSIGN(Table carts, store->OpenTable("carts"));
  CommitOptions archived;
  archived.durability = Durability::kArchive;
  EXPECT_OK(carts.Put("still", "the owner", archived).status());
}

TEST_F(ArchiveCommandTest, RestoreFillsAnEmptyVolume) {
  ASSERT_NO_FATAL_FAILURE(MakeArchivedStore());
  const std::string dump = Run({"dump", "-V", volume_}).out;
  const std::string other = MakeVolume("other");
  EXPECT_THAT(Run({"restore", "-V", other, "-A", archive_, "--unsafe-volume"}), Exits(kDone));
  EXPECT_EQ(Run({"dump", "-V", other}).out, dump);
}

TEST_F(ArchiveCommandTest, AnEarlierStateIsRestoredRewoundToCopiedAndDrilled) {
  std::string early;
  Version version;
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(StoreOptions(/*with_archive=*/true)));
    ASSERT_NO_FATAL_FAILURE(Fill(*store));
    ASSERT_OK(store->WaitArchived(store->version(), absl::Minutes(1)));
    ASSERT_OK_AND_ASSIGN(Table carts, store->OpenTable("carts"));
    ASSERT_OK_AND_ASSIGN(version, carts.Put("early", "1"));
    ASSERT_OK(carts.Put("late", "1").status());
    ASSERT_OK(store->Close(absl::Minutes(1)).status);
  }
  const std::string dump = Run({"dump", "-V", volume_}).out;
  const std::string to = version.ToString();
  const auto of = [&](const std::string& volume) {
    return Run({"scan", "-V", volume, "carts", "--prefix", "e"}).out +
           Run({"scan", "-V", volume, "carts", "--prefix", "l"}).out;
  };
  EXPECT_THAT(of(volume_), "early\t1\nlate\t1\n");

  const Ran drill = Run(
      {"--json", "drill", "-A", archive_, "--scratch", MakeVolume("scratch"), "--at-version", to});
  EXPECT_THAT(drill, Exits(kDone));
  EXPECT_EQ(drill.json()["version"], to);
  EXPECT_EQ(drill.json()["keys"], 102);

  const std::string copy = MakeVolume("copy");
  const Arguments copying = {"--json", "copy", "-V", copy, "-A", archive_, "--unsafe-volume"};
  Arguments to_version = copying;
  to_version.insert(to_version.end(), {"--to-version", to});
  const Ran copied = Run(to_version);
  EXPECT_THAT(copied, Exits(kDone));
  EXPECT_EQ(copied.json()["version"], to);
  EXPECT_THAT(of(copy), "early\t1\n");
  EXPECT_THAT(Run(copying), Exits(kRefused));  // It is not empty.
  EXPECT_EQ(Run({"dump", "-V", volume_}).out, dump);

  EXPECT_THAT(Run({"rewind", "-V", volume_, "-A", archive_, "--unsafe-volume"}), Exits(kUsage));
  EXPECT_THAT(
      Run({"rewind", "-V", volume_, "-A", archive_, "--unsafe-volume", "--to-version", "1.999999"}),
      Exits(kNotFound));
  EXPECT_EQ(Run({"dump", "-V", volume_}).out, dump);
  const Ran rewound =
      Run({"rewind", "-V", volume_, "-A", archive_, "--unsafe-volume", "--to-version", to});
  EXPECT_THAT(rewound, Exits(kDone));
  EXPECT_THAT(rewound.out, HasSubstr(to));
  EXPECT_THAT(of(volume_), "early\t1\n");

  // What was left behind is still there for a copy.
  const std::string late = Version{version.epoch, version.sequence + 1}.ToString();
  const std::string left = MakeVolume("left");
  const Ran left_behind =
      Run({"--json", "copy", "-V", left, "-A", archive_, "--unsafe-volume", "--to-version", late});
  EXPECT_THAT(left_behind, Exits(kDone));
  EXPECT_EQ(left_behind.json()["left_behind"], true);
  EXPECT_THAT(of(left), "early\t1\nlate\t1\n");
}

TEST_F(ArchiveCommandTest, AnEmptyVolumeIsRestoredToAnEarlierVersion) {
  ASSERT_NO_FATAL_FAILURE(MakeArchivedStore());
  const std::string to = Run({"--json", "inspect", "-V", volume_}).json()["version"];
  const std::string dump = Run({"dump", "-V", volume_}).out;
  EXPECT_THAT(Run({"put", "-V", volume_, "-A", archive_, "--unsafe-volume", "carts", "late", "1"}),
              Exits(kDone));
  const std::string other = MakeVolume("other");
  EXPECT_THAT(Run({"restore", "-V", other, "-A", archive_, "--unsafe-volume", "--to-version", to}),
              Exits(kDone));
  EXPECT_EQ(Run({"dump", "-V", other}).out, dump);
}

TEST_F(ArchiveCommandTest, GcCollectsWhereItMayClaimAndNeverUnderALivingOwner) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_NO_FATAL_FAILURE(MakeStore(/*with_archive=*/true, 100 + i));
  }
  const std::string dump = Run({"dump", "-V", volume_}).out;
  const Arguments collect = {"--json",      "archive", "gc", "-A",    archive_,         "--claim",
                             "--keep-days", "0",       "-V", volume_, "--unsafe-volume"};
  {
    ASSERT_OK_AND_ASSIGN(const auto owner, Store::Open(StoreOptions(/*with_archive=*/true)));
    EXPECT_THAT(Run(collect), Exits(kRefused));
    ASSERT_OK(owner->Close(absl::Minutes(1)).status);
  }
  const Ran ran = Run(collect);
  EXPECT_THAT(ran, Exits(kDone));
  EXPECT_LT(ran.json()["holds"]["objects"], ran.json()["held"]["objects"]) << ran;
  EXPECT_THAT(Run({"archive", "verify", "-A", archive_}), Exits(kDone));
  EXPECT_THAT(Run({"archive", "gc", "-A", archive_, "--claim"}), Exits(kUsage));
  const std::string other = MakeVolume("other");
  EXPECT_THAT(Run({"restore", "-V", other, "-A", archive_, "--unsafe-volume"}), Exits(kDone));
  EXPECT_EQ(Run({"dump", "-V", other}).out, dump);
}

TEST_F(ArchiveCommandTest, ExportAndImportWorkThroughAPipe) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const std::string other = MakeVolume("other");
  const Ran piped = Shell("mooring export --unsafe-volume --volume " + volume_ +
                          " - | mooring --json import --unsafe-volume --volume " + other + " -");
  EXPECT_THAT(piped, Exits(kDone));
  EXPECT_EQ(Run({"dump", "-V", other}).out, Run({"dump", "-V", volume_}).out);
  EXPECT_NE(piped.json()["new_store_id"], piped.json()["store_id"]);
}

TEST_F(ArchiveCommandTest, AnExportedFileIsVerifiedAndNothingIsOverwritten) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const std::string file = directory_.File("snapshot");
  const Arguments exporting = {"export", "--unsafe-volume", "-V", volume_, file};
  EXPECT_THAT(Run(exporting), Exits(kDone));
  EXPECT_THAT(Run(exporting), Exits(kRefused));
  EXPECT_THAT(Run({"import", "--unsafe-volume", "-V", volume_, file}), Exits(kRefused));
  EXPECT_THAT(Run({"verify", "--snapshot", file}), Exits(kDone));
  ASSERT_NO_FATAL_FAILURE(Flip(file, fs::file_size(file) / 2));
  EXPECT_THAT(Run({"verify", "--snapshot", file}), Exits(kDamaged));
}

TEST_F(ArchiveCommandTest, AnExportBesideALivingOwnerIsRefusedAndItsArchiveServes) {
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(StoreOptions(/*with_archive=*/true)));
  ASSERT_NO_FATAL_FAILURE(Fill(*store));
  ASSERT_OK(store->WaitArchived(store->version(), absl::Minutes(1)));
  const std::string file = directory_.File("snapshot");
  const Ran ran = Run({"export", "--unsafe-volume", "-V", volume_, "-A", archive_, file});
  EXPECT_THAT(ran, Exits(kRefused));
  EXPECT_THAT(ran.error, HasSubstr("mooring copy"));
  EXPECT_FALSE(fs::exists(file));
  const std::string copy = MakeVolume("copy");
  EXPECT_THAT(Run({"copy", "--unsafe-volume", "-V", copy, "-A", archive_}), Exits(kDone));
  EXPECT_THAT(Run({"export", "--unsafe-volume", "-V", copy, file}), Exits(kDone));
  EXPECT_THAT(Run({"verify", "--snapshot", file}), Exits(kDone));
  EXPECT_EQ(Run({"dump", "-V", copy}).out, Run({"dump", "-V", volume_}).out);
}

TEST_F(ArchiveCommandTest, AnImportThatWasKilledIsToldByDoctorAndDoneAgain) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const std::string file = directory_.File("snapshot");
  ASSERT_THAT(Run({"export", "--unsafe-volume", "-V", volume_, file}), Exits(kDone));
  const std::string other = MakeVolume("other");
  const std::string half = std::to_string(fs::file_size(file) / 2);
  Shell(MOORING_COMMAND " import --unsafe-volume -V " + other + " - < <(head -c " + half + " " +
        file + "; exec sleep 60 2>/dev/null) & for ((i = 0; i < 600; ++i)); do [ -e " + other +
        "/data.import ] && break; sleep 0.1; done; kill -KILL $!; wait");
  ASSERT_TRUE(fs::exists(other + "/data.import"));
  const Ran doctor = Run({"doctor", "-V", other});
  EXPECT_THAT(doctor, Exits(kDamaged));
  EXPECT_THAT(doctor.out, HasSubstr("cut short"));
  EXPECT_THAT(doctor.out, HasSubstr("mooring import"));
  EXPECT_THAT(Run({"inspect", "-V", other}).code, ::testing::Ne(70));
  EXPECT_THAT(Run({"import", "--unsafe-volume", "-V", other, file}), Exits(kDone));
  EXPECT_EQ(Run({"dump", "-V", other}).out, Run({"dump", "-V", volume_}).out);
}

// Killed before it made the store's identity.
TEST_F(ArchiveCommandTest, AnImportThatHadOnlyBegunIsToldByDoctor) {
  const std::string other = MakeVolume("other");
  fs::create_directory(other + "/data.import");
  const Ran doctor = Run({"doctor", "-V", other});
  EXPECT_THAT(doctor, Exits(kDamaged));
  EXPECT_THAT(doctor.out, HasSubstr("cut short"));
  EXPECT_THAT(doctor.out, HasSubstr("mooring import"));
}

TEST_F(ArchiveCommandTest, CompletionIsABashScriptThatKnowsTheCommands) {
  const Ran ran = Shell(
      "script=$(mooring completion) && bash -n <<<\"$script\" && eval \"$script\" "
      "&& COMP_WORDS=(mooring archive ve) COMP_CWORD=2 && _mooring && "
      "echo \"${COMPREPLY[0]}\"");
  EXPECT_THAT(ran, Exits(kDone));
  EXPECT_EQ(ran.out, "verify\n");
}

// One bit in each kind of file of an archived store: doctor tells the remedy, and it works.
class DoctorTest : public ArchiveCommandTest {
 protected:
  void ExpectRemedy(const std::string& file, uint64_t offset) {
    SCOPED_TRACE(absl::StrCat(file, " at ", offset));
    const std::string dump = Run({"dump", "-V", volume_}).out;
    ASSERT_NO_FATAL_FAILURE(Flip(file, offset));
    const Ran verify = Run({"verify", "-V", volume_});
    EXPECT_THAT(verify, Exits(kDamaged));
    EXPECT_THAT(verify.out, HasSubstr(fs::path(file).filename().string()));
    const Ran ran = Run({"--json", "doctor", "-V", volume_, "-A", archive_});
    EXPECT_THAT(ran, Exits(kDamaged));
    const Json document = ran.json();
    // The mount of a test is no remedy's business.
    for (const Json& finding : document["findings"]) {
      if (finding["kind"] == "mount") continue;
      for (const Json& step : finding["steps"]) {
        const Ran done = Shell(Unsafe(step.get<std::string>()));
        EXPECT_THAT(done, Exits(kDone)) << step << ran;
      }
      break;  // One remedy mends all.
    }
    EXPECT_THAT(Run({"verify", "-V", volume_}), Exits(kDone));
    EXPECT_EQ(Run({"dump", "-V", volume_}).out, dump);
    fs::remove_all(volume_ + ".damaged");
  }
  // The disk of a test may be a container's own.
  static std::string Unsafe(std::string step) {
    const bool opens = absl::StrContains(step, "mooring restore");
    return opens && !absl::StrContains(step, "--unsafe") ? step + " --unsafe-volume" : step;
  }
  std::string Data(const std::string& part) const { return FileWith(volume_ + "/data", part); }
};

TEST_F(DoctorTest, AWellVolumeIsWell) {
  ASSERT_NO_FATAL_FAILURE(MakeArchivedStore());
  const Ran ran = Run({"doctor", "-V", volume_, "-A", archive_});
  EXPECT_THAT(ran.code, ::testing::AnyOf(kDone, kRefused)) << ran;  // Refused: the test's mount.
  EXPECT_THAT(ran.out, ::testing::Not(HasSubstr("damaged")));
}

TEST_F(DoctorTest, TheRemedyOfEachKindOfDamageWorks) {
  ASSERT_NO_FATAL_FAILURE(MakeArchivedStore());
  ExpectRemedy(volume_ + "/MOORING", 70);
  ExpectRemedy(volume_ + "/EPOCH", 20);
  ExpectRemedy(volume_ + "/EPOCH", 4096 + 20);
  ExpectRemedy(volume_ + "/HISTORY", 80);
  ExpectRemedy(Data(".sst"), 30);
  ExpectRemedy(Data("MANIFEST-0"), 30);
  ExpectRemedy(Data("MOORING-MANIFEST"), 30);
  ExpectRemedy(Data("MOORING-MANIFEST"), 4096 + 30);
  ExpectRemedy(Data("CURRENT"), 2);
}

TEST_F(DoctorTest, ADamagedLogIsReplacedFromTheArchive) {
  ASSERT_NO_FATAL_FAILURE(MakeStore(/*with_archive=*/true));
  std::string last;
  for (const auto& entry : fs::directory_iterator(volume_ + "/data")) {
    if (entry.path().extension() == ".log") last = std::max(last, entry.path().string());
  }
  ExpectRemedy(last, 4096 + 100);
}

TEST_F(DoctorTest, WithoutAnArchiveItSaysWhatIsLeftToDo) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  ASSERT_NO_FATAL_FAILURE(Flip(Data(".log"), 4096 + 100));
  const Ran ran = Run({"doctor", "-V", volume_});
  EXPECT_THAT(ran, Exits(kDamaged));
  EXPECT_THAT(ran.out, HasSubstr("This store has no archive"));
  EXPECT_THAT(ran.out, HasSubstr("mooring import"));
}

}  // namespace
}  // namespace mooring::testing
