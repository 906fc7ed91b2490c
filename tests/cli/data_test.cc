// mooring get, put, delete, scan, dump and load: what they print and what they end with.
#include "src/cli/exit_code.h"
#include "tests/cli/command_fixture.h"

namespace mooring::testing {
namespace {

using cli::kDone;
using cli::kNotFound;
using cli::kRefused;
using cli::kUsage;
using ::testing::HasSubstr;

class DataCommandTest : public CommandTest {};

TEST_F(DataCommandTest, GetPrintsTheValueOfAKey) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const Ran ran = Run({"get", "-V", volume_, "carts", KeyOf(7)});
  EXPECT_THAT(ran, Exits(kDone));
  EXPECT_EQ(ran.out, ValueOf(7) + "\n");
  EXPECT_EQ(ran.error, "");
}

TEST_F(DataCommandTest, GetOfWhatIsNotThereSaysWhatIsMissing) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const Ran key = Run({"get", "-V", volume_, "carts", "nobody"});
  EXPECT_THAT(key, Exits(kNotFound));
  EXPECT_THAT(key.error, HasSubstr("no key \"nobody\""));
  const Ran table = Run({"get", "-V", volume_, "cart", "nobody"});
  EXPECT_THAT(table, Exits(kNotFound));
  EXPECT_THAT(table.error, HasSubstr("no table \"cart\""));
  const Ran store = Run({"get", "-V", MakeVolume("empty"), "carts", "nobody"});
  EXPECT_THAT(store, Exits(kNotFound));
  EXPECT_THAT(store.error, HasSubstr("holds no store"));
  EXPECT_THAT(Run({"get", "-V", volume_}), Exits(kUsage));
}

TEST_F(DataCommandTest, KeysOfAnyBytesPassThroughBase64) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const Ran ran = Run({"--json", "get", "-V", volume_, "--base64", "bytes", "AP8="});
  EXPECT_THAT(ran, Exits(kDone));
  EXPECT_EQ(ran.json()["key_base64"], "AP8=");
  EXPECT_EQ(ran.json()["value_base64"], "/gAK");
  const Ran raw = Run({"get", "-V", volume_, "--raw", "--base64", "bytes", "AP8="});
  EXPECT_EQ(raw.out, std::string("\xfe\0\n", 3));
}

TEST_F(DataCommandTest, ReadingChangesNoByteOfTheVolume) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const std::string listing = "cd " + volume_ +
                              " && find . -type f -printf '%p %s %T@\\n' | sort "
                              "&& find . -type f -exec cksum {} + | sort";
  const Ran before = Shell(listing);
  EXPECT_THAT(Run({"scan", "-V", volume_, "carts"}), Exits(kDone));
  EXPECT_THAT(Run({"verify", "-V", volume_}), Exits(kDone));
  EXPECT_THAT(Run({"inspect", "-V", volume_}), Exits(kDone));
  EXPECT_EQ(Shell(listing).out, before.out);
}

TEST_F(DataCommandTest, PutCommitsAndGetFindsIt) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const Ran put = Run({"--json", "put", "-V", volume_, "--unsafe-volume", "carts", "new", "value"});
  EXPECT_THAT(put, Exits(kDone));
  EXPECT_TRUE(put.json()["version"].is_string()) << put;
  EXPECT_EQ(Run({"get", "-V", volume_, "carts", "new"}).out, "value\n");
  EXPECT_THAT(Run({"put", "-V", volume_, "--unsafe-volume", "--create-table", "other", "key", "-"},
                  std::string("a\0b", 3)),
              Exits(kDone));
  EXPECT_EQ(Run({"get", "-V", volume_, "--raw", "other", "key"}).out, std::string("a\0b", 3));
  EXPECT_THAT(Run({"delete", "-V", volume_, "--unsafe-volume", "carts", "new"}), Exits(kDone));
  EXPECT_THAT(Run({"get", "-V", volume_, "carts", "new"}), Exits(kNotFound));
}

TEST_F(DataCommandTest, PutIntoATableThatIsMissingIsRefusedUnlessItIsToBeMade) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  const Ran ran = Run({"put", "-V", volume_, "--unsafe-volume", "cart", "key", "value"});
  EXPECT_THAT(ran, Exits(kNotFound));
  EXPECT_THAT(ran.error, HasSubstr("--create-table"));
}

TEST_F(DataCommandTest, ScanKeepsToItsBounds) {
  ASSERT_NO_FATAL_FAILURE(MakeStore());
  EXPECT_EQ(Run({"scan", "-V", volume_, "carts", "--prefix", "user:0000", "--limit", "2"}).out,
            KeyOf(0) + "\t" + ValueOf(0) + "\n" + KeyOf(1) + "\t" + ValueOf(1) + "\n");
  EXPECT_EQ(Run({"scan", "-V", volume_, "carts", "--begin", KeyOf(3), "--end", KeyOf(5),
                 "--reverse", "--keys"})
                .out,
            KeyOf(4) + "\n" + KeyOf(3) + "\n");
  EXPECT_EQ(Run({"scan", "-V", volume_, "carts", "--count"}).out, "100\n");
  EXPECT_EQ(Run({"scan", "-V", volume_, "carts", "--prefix", "x", "--count"}).out, "0\n");
  EXPECT_EQ(Run({"scan", "-V", volume_, "bytes"}).out, "\\x00\\xff\t\\xfe\\x00\\n\n");
}

TEST_F(DataCommandTest, DumpAndLoadGiveTheSameState) {
  ASSERT_NO_FATAL_FAILURE(MakeStore(/*with_archive=*/false, 3000));
  const std::string copy = MakeVolume("copy");
  const Ran ran = Shell("mooring dump -V " + volume_ + " | mooring --json load -V " + copy +
                        " --create --unsafe-volume");
  ASSERT_THAT(ran, Exits(kDone));
  EXPECT_EQ(ran.json()["records"], 3001);
  EXPECT_EQ(ran.json()["tables"], 2);
  EXPECT_EQ(Run({"dump", "-V", volume_}).out, Run({"dump", "-V", copy}).out);
}

TEST_F(DataCommandTest, LoadNamesTheLineThatIsWrong) {
  const Ran ran = Run({"load", "-V", volume_, "--create", "--unsafe-volume"},
                      "{\"table\":\"t\",\"key\":\"a\",\"value\":\"1\"}\nnonsense\n");
  EXPECT_THAT(ran, Exits(kUsage));
  EXPECT_THAT(ran.error, HasSubstr("line 2"));
  const Ran missing = Run({"load", "-V", volume_, "--create", "--unsafe-volume"},
                          "{\"table\":\"t\",\"key\":\"a\"}\n");
  EXPECT_THAT(missing, Exits(kUsage));
  EXPECT_THAT(missing.error, HasSubstr("value"));
}

// A living owner: reads see what it wrote and do not disturb it, writes are refused.
TEST_F(DataCommandTest, ALivingOwnerIsReadAndNotDisturbed) {
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(StoreOptions()));
  ASSERT_NO_FATAL_FAILURE(Fill(*store));
  ASSERT_OK_AND_ASSIGN(Table carts, store->OpenTable("carts"));
  for (int i = 0; i < 300; ++i) {  // Rotates the log, flushes and compacts meanwhile.
    ASSERT_OK(carts.Put("big", std::string(20000, static_cast<char>('a' + i % 26))).status());
    if (i % 60 != 0) continue;
    ASSERT_OK(carts.Put("last", std::to_string(i)).status());
    const Ran read = Run({"get", "-V", volume_, "carts", "last"});
    EXPECT_THAT(read, Exits(kDone));
    EXPECT_EQ(read.out, std::to_string(i) + "\n");
    EXPECT_THAT(read.error, HasSubstr("alive"));
  }
  const Ran put = Run({"put", "-V", volume_, "--unsafe-volume", "carts", "key", "value"});
  EXPECT_THAT(put, Exits(kRefused));
  EXPECT_THAT(put.error, HasSubstr("locked by pid"));
  const Ran verify = Run({"--json", "verify", "-V", volume_});
  EXPECT_THAT(verify, Exits(kDone));
  EXPECT_TRUE(verify.json()["owner"].is_string()) << verify;
  EXPECT_OK(carts.Put("still", "here").status());
  EXPECT_OK(store->Close(absl::Minutes(1)).status);
}

}  // namespace
}  // namespace mooring::testing
