// mooring inspect, verify and log on whole and on damaged volumes; help and exit codes.
#include <fcntl.h>

#include "absl/strings/match.h"
#include "src/base/posix_file.h"
#include "src/cli/exit_code.h"
#include "tests/cli/command_fixture.h"

namespace mooring::testing {
namespace {

using cli::kDamaged;
using cli::kDone;
using cli::kNotFound;
using cli::kUsage;
using ::testing::HasSubstr;

class VolumeCommandTest : public CommandTest {};

TEST_F(VolumeCommandTest, HelpTeachesByExampleAndListsTheExitCodes) {
  const Ran help = Run({"--help"});
  EXPECT_THAT(help, Exits(kDone));
  EXPECT_THAT(help.out, HasSubstr("Examples:"));
  EXPECT_THAT(help.out, HasSubstr("Exit codes:"));
  for (const char* command :
       {"inspect", "verify", "log", "get", "put", "delete", "scan", "dump", "load"}) {
    const Ran ran = Run({command, "--help"});
    EXPECT_THAT(ran, Exits(kDone));
    EXPECT_THAT(ran.out, HasSubstr("Examples:")) << command;
  }
  EXPECT_THAT(Run({"--version"}).out, HasSubstr("mooring 0."));
}

TEST_F(VolumeCommandTest, AWrongCommandLineIsToldFromTrouble) {
  EXPECT_THAT(Run({}), Exits(kUsage));
  EXPECT_THAT(Run({"frobnicate"}), Exits(kUsage));
  EXPECT_THAT(Run({"inspect"}), Exits(kUsage));
  EXPECT_THAT(Run({"inspect", "-V", directory_.File("nowhere")}), Exits(kNotFound));
}

TEST_F(VolumeCommandTest, InspectShowsStoreOwnerLogAndTables) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const Ran text = Run({"inspect", "-V", volume_});
  EXPECT_THAT(text, Exits(kDone));
  for (const char* word : {"mount ", "survives ", "store ", "owner      none", "epoch      1",
                           "version    1.", "carts"}) {
    EXPECT_THAT(text.out, HasSubstr(word));
  }
  const Json json = Run({"--json", "inspect", "-V", volume_}).json();
  EXPECT_EQ(json["epoch"], 1);
  EXPECT_TRUE(json["owner"].is_null());
  EXPECT_EQ(json["tables"].size(), 2);
  EXPECT_EQ(json["tables"][1]["name"], "carts");

  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(StoreOptions()));
  ASSERT_OK_AND_ASSIGN(Table carts, store->OpenTable("carts"));
  ASSERT_OK(carts.Put("live", "cart").status());
  const Json live = Run({"inspect", "--json", "-V", volume_}).json();
  EXPECT_THAT(live["owner"].get<std::string>(), HasSubstr("pid "));
  EXPECT_EQ(live["version"].get<std::string>(), store->version().ToString());
}

TEST_F(VolumeCommandTest, InspectOfAnEmptyDirectorySaysThatItHoldsNoStore) {
  const Ran ran = Run({"inspect", "-V", volume_});
  EXPECT_THAT(ran, Exits(kNotFound));
  EXPECT_THAT(ran.error, HasSubstr("holds no store"));
}

TEST_F(VolumeCommandTest, ErrorsAreJsonWhereThatIsAskedFor) {
  const Ran ran = Run({"--json", "get", "-V", volume_, "carts", "key"});
  EXPECT_THAT(ran, Exits(kNotFound));
  EXPECT_EQ(Json::parse(ran.error, nullptr, false)["error"]["code"], "NOT_FOUND");
}

TEST_F(VolumeCommandTest, LogShowsFramesAndVerdict) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const Ran ran = Shell("mooring --json log " + volume_ + "/data/*.log | cat");
  EXPECT_THAT(ran, Exits(kDone));
  const Json json = ran.json();
  const Json& log = json.is_array() ? json.back() : json;
  EXPECT_THAT(log["verdict"].get<std::string>(), HasSubstr("whole")) << ran;
  EXPECT_GE(log["frames"].size(), 1) << ran;
  EXPECT_THAT(Run({"log", volume_ + "/data/999999.log"}), Exits(kNotFound));
}

// One bit in each kind of file: verify ends with 3 and names the file.
class FlippedBitTest : public CommandTest {
 protected:
  // A store with table files and a log that is not replayed yet.
  void SetUp() override {
    CommandTest::SetUp();
    ASSERT_NO_FATAL_FAILURE(MakeStore());
    ChildProcess writer({"/bin/bash", "-c",
                         MOORING_COMMAND " dump -V " + volume_ +
                             " | " MOORING_COMMAND " load --unsafe-volume -V " + volume_});
    ASSERT_EQ(writer.Wait(), 0);
  }

  // The first file of the data directory whose name holds `part`.
  std::string FileWith(const std::string& part) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(volume_ + "/data")) {
      const std::string name = entry.path().filename().string();
      if (absl::StrContains(name, part)) names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    return names.empty() ? "" : names.front();
  }

  static void Flip(const std::string& path, uint64_t offset) {
    ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path, O_RDWR));
    char byte = 0;
    ASSERT_OK(file.ReadAt(offset, 1, &byte));
    ASSERT_OK(file.WriteAt(offset, std::string(1, static_cast<char>(byte ^ 4))));
  }

  void ExpectNamed(const std::string& file, uint64_t offset) {
    SCOPED_TRACE(file);
    ASSERT_THAT(Run({"verify", "-V", volume_}), Exits(kDone));
    ASSERT_NO_FATAL_FAILURE(Flip(file, offset));
    const Ran ran = Run({"--json", "verify", "-V", volume_});
    EXPECT_THAT(ran, Exits(kDamaged));
    bool named = false;
    const Json json = ran.json();
    for (const Json& finding : json["findings"]) named |= finding["file"] == file;
    EXPECT_TRUE(named) << ran;
    ASSERT_NO_FATAL_FAILURE(Flip(file, offset));
  }
};

TEST_F(FlippedBitTest, VerifyNamesTheFile) {
  ExpectNamed(volume_ + "/MOORING", 70);
  ExpectNamed(volume_ + "/EPOCH", 20);
  ExpectNamed(volume_ + "/EPOCH", 4096 + 20);
  ExpectNamed(volume_ + "/HISTORY", 80);
  ExpectNamed(FileWith(".sst"), 30);
  ExpectNamed(FileWith("MANIFEST-"), 30);
  ExpectNamed(FileWith("MOORING-MANIFEST"), 30);
  ExpectNamed(FileWith("MOORING-MANIFEST"), 4096 + 30);
  ExpectNamed(FileWith("CURRENT"), 2);
}

}  // namespace
}  // namespace mooring::testing
