#include "mooring/snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/store.h"
#include "tests/snapshot/memory_stream.h"
#include "tests/store/contract_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class SnapshotFileTest : public ContractTest {
 protected:
  void SetUp() override {
    options_ = SmallOptions(MakeDirectory("source"));
    Reopen();
  }

  std::string MakeDirectory(const std::string& name) {
    const std::string path = directory_.File(name);
    std::filesystem::create_directory(path);
    return path;
  }

  ImportOptions Into(const std::string& name) {
    ImportOptions options;
    options.volume = MakeDirectory(name);
    options.allow_unsafe_volume = true;
    return options;
  }

  std::string Fill() {
    for (int i = 0; i < 3000; ++i) {
      EXPECT_OK(table_.Put(absl::StrCat("key", i), std::string(500, static_cast<char>('a' + i % 7)),
                           kUnsynced));
    }
    Table other = Open("other");
    EXPECT_OK(other.Put("k", "v"));
    Open("empty");
    return directory_.File("snapshot");
  }

  std::string Export() {
    StringSink sink;
    EXPECT_OK(store_->ExportSnapshot(sink));
    return std::move(sink.bytes);
  }

  absl::StatusOr<std::unique_ptr<Store>> OpenAt(const std::string& name) {
    Options options = SmallOptions(directory_.File(name));
    options.create_if_missing = false;
    return Store::Open(options);
  }
};
MOORING_CONTRACT(SnapshotFileTest);

TEST_P(SnapshotFileTest, AnImportedSnapshotHoldsWhatTheStoreHeld) {
  const std::string path = Fill();
  ASSERT_OK_AND_ASSIGN(const SnapshotInfo info, store_->ExportSnapshot(path));
  EXPECT_EQ(info.version, store_->version());
  EXPECT_EQ(info.store_id, store_->id());
  EXPECT_THAT(info.tables, ElementsAre("empty", "other", "t"));
  EXPECT_LT(info.committed, info.exported);
  const std::vector<Entry> held = Entries(table_.Scan());
  ASSERT_OK(table_.Put("later", "not in the snapshot"));

  ASSERT_OK_AND_ASSIGN(const SnapshotInfo verified, VerifySnapshot(path));
  EXPECT_EQ(verified.version, info.version);
  EXPECT_EQ(verified.bytes, info.bytes);
  EXPECT_EQ(verified.stored_bytes, static_cast<int64_t>(std::filesystem::file_size(path)));

  ASSERT_OK_AND_ASSIGN(const ImportReport report, ImportSnapshot(path, Into("copy")));
  EXPECT_EQ(report.snapshot.version, info.version);
  EXPECT_NE(report.store_id, store_->id());
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, OpenAt("copy"));
  EXPECT_EQ(copy->id(), report.store_id);
  EXPECT_EQ(copy->version().sequence, info.version.sequence);
  EXPECT_GT(copy->version(), info.version);  // Versions go on.
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> tables, copy->ListTables());
  EXPECT_EQ(tables, info.tables);
  ASSERT_OK_AND_ASSIGN(Table table, copy->OpenTable("t"));
  EXPECT_EQ(Entries(table.Scan()), held);
  ASSERT_OK_AND_ASSIGN(const Version next, table.Put("own", "work"));
  EXPECT_GT(next, info.version);
  EXPECT_THAT(table_.Get("own"), IsAbsent());
}

TEST_P(SnapshotFileTest, AnEmptyStoreCanBeExported) {
  ASSERT_OK(store_->DropTable("t"));
  ASSERT_OK(store_->ExportSnapshot(directory_.File("snapshot")));
  ASSERT_OK(ImportSnapshot(directory_.File("snapshot"), Into("copy")));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, OpenAt("copy"));
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> tables, copy->ListTables());
  EXPECT_THAT(tables, IsEmpty());
}

// The last commit is the dropped table's own, and of that no file is left.
TEST_P(SnapshotFileTest, ATableThatIsDroppedTakesNoVersionWithIt) {
  ASSERT_OK(table_.Put("k", "v"));
  ASSERT_OK(Open("dropped").Put("k", "v"));
  ASSERT_OK(store_->DropTable("dropped"));
  ASSERT_OK_AND_ASSIGN(const SnapshotInfo info,
                       store_->ExportSnapshot(directory_.File("snapshot")));
  EXPECT_EQ(info.version, store_->version());
  ASSERT_OK(ImportSnapshot(directory_.File("snapshot"), Into("copy")));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, OpenAt("copy"));
  EXPECT_EQ(copy->version().sequence, info.version.sequence);
}

TEST_P(SnapshotFileTest, ASnapshotOfAnImportedStoreIsAsGoodAsTheFirst) {
  ASSERT_OK(store_->ExportSnapshot(Fill()));
  ASSERT_OK(ImportSnapshot(directory_.File("snapshot"), Into("copy")));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, OpenAt("copy"));
  ASSERT_OK(copy->ExportSnapshot(directory_.File("second")));
  ASSERT_OK(ImportSnapshot(directory_.File("second"), Into("third")));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> third, OpenAt("third"));
  ASSERT_OK_AND_ASSIGN(Table table, third->OpenTable("t"));
  EXPECT_EQ(Entries(table.Scan()), Entries(table_.Scan()));
}

TEST_P(SnapshotFileTest, TheIdIsKeptOnRequest) {
  ASSERT_OK(store_->ExportSnapshot(Fill()));
  ImportOptions into = Into("copy");
  into.keep_store_id = true;
  ASSERT_OK_AND_ASSIGN(const ImportReport report,
                       ImportSnapshot(directory_.File("snapshot"), into));
  EXPECT_EQ(report.store_id, store_->id());
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, OpenAt("copy"));
  EXPECT_EQ(copy->id(), store_->id());
}

// An export reads and an import writes while the other end of a pipe does the reverse.
TEST_P(SnapshotFileTest, GoesThroughAPipeWithNeitherSideSeeking) {
  Fill();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ImportOptions into = Into("copy");
  absl::StatusOr<ImportReport> imported;
  std::thread importer([&] {
    imported = ImportSnapshot(*MakeSnapshotSource(ends[0]), into);
    ::close(ends[0]);
  });
  const absl::StatusOr<SnapshotInfo> exported = store_->ExportSnapshot(*MakeSnapshotSink(ends[1]));
  ::close(ends[1]);
  importer.join();
  ASSERT_OK(exported);
  ASSERT_OK(imported);
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, OpenAt("copy"));
  ASSERT_OK_AND_ASSIGN(Table table, copy->OpenTable("t"));
  EXPECT_EQ(Entries(table.Scan()), Entries(table_.Scan()));
}

// Without a signal that would end the process.
TEST_P(SnapshotFileTest, APipeThatNobodyReadsIsAnError) {
  Fill();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ::close(ends[0]);
  EXPECT_THAT(store_->ExportSnapshot(*MakeSnapshotSink(ends[1])),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Broken pipe")));
  ::close(ends[1]);
  EXPECT_OK(table_.Put("k", "v"));
}

TEST_P(SnapshotFileTest, AFullSinkEndsTheExportAndLeavesTheStoreAlone) {
  Fill();
  const size_t whole = Export().size();
  for (const size_t room : {size_t{0}, size_t{20}, whole / 2}) {
    StringSink sink;
    sink.room = room;
    EXPECT_THAT(store_->ExportSnapshot(sink),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("the sink is full")));
  }
  EXPECT_THAT(NamesIn(options_.volume + "/export"), IsEmpty());
  EXPECT_OK(table_.Put("k", "v"));
  EXPECT_THAT(store_->ExportSnapshot(*MakeSnapshotSink(::open("/dev/full", O_WRONLY | O_CLOEXEC))),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_P(SnapshotFileTest, NothingIsOverwritten) {
  const std::string path = Fill();
  std::ofstream(path) << "mine";
  EXPECT_THAT(store_->ExportSnapshot(path),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path)));
  EXPECT_EQ(ReadWhole(path), "mine");
  std::filesystem::remove(path);
  // Nor what comes there while it is written.
  ExportOptions options;
  options.progress = [&](const SnapshotProgress&) {
    std::ofstream(path) << "mine";
    return true;
  };
  EXPECT_THAT(store_->ExportSnapshot(path, options), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(ReadWhole(path), "mine");
  EXPECT_THAT(NamesIn(directory_.path()), ElementsAre("snapshot", "source"));
  EXPECT_THAT(store_->ExportSnapshot(directory_.File("none/snapshot")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(SnapshotFileTest, NothingHasTheNameBeforeItIsWholeAndACancelledOneLeavesNothing) {
  const std::string path = Fill();
  int64_t calls = 0;
  ExportOptions options;
  options.progress = [&](const SnapshotProgress& progress) {
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(std::filesystem::exists(path + ".partial"));
    EXPECT_LE(progress.done, progress.total);
    return ++calls < 2;
  };
  EXPECT_THAT(store_->ExportSnapshot(path, options), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(NamesIn(directory_.path()), ElementsAre("source"));
  // What a killed export left is no hindrance.
  std::ofstream(path + ".partial") << std::string(10'000'000, 'x');
  ASSERT_OK(store_->ExportSnapshot(path));
  EXPECT_OK(VerifySnapshot(path));
  EXPECT_THAT(NamesIn(directory_.path()), ElementsAre("snapshot", "source"));
}

TEST_P(SnapshotFileTest, TwoExportsAtATimeDoNotDisturbEachOther) {
  const std::string path = Fill();
  ExportOptions options;
  bool tried = false;
  options.progress = [&](const SnapshotProgress&) {
    if (std::exchange(tried, true)) return true;
    EXPECT_THAT(store_->ExportSnapshot(path),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another export")));
    EXPECT_OK(store_->ExportSnapshot(directory_.File("second")));
    return true;
  };
  ASSERT_OK(store_->ExportSnapshot(path, options));
  EXPECT_OK(VerifySnapshot(path));
  EXPECT_OK(VerifySnapshot(directory_.File("second")));
}

TEST_P(SnapshotFileTest, CloseEndsAnExport) {
  Fill();
  absl::StatusOr<SnapshotInfo> exported;
  ExportOptions options;
  std::thread closer;
  options.progress = [&](const SnapshotProgress&) {
    if (!closer.joinable()) {
      closer = std::thread([&] { store_->Close(absl::Minutes(2)); });
    }
    while (store_->health().state != Health::State::kClosed) std::this_thread::yield();
    return true;
  };
  exported = store_->ExportSnapshot(directory_.File("snapshot"), options);
  if (closer.joinable()) closer.join();
  EXPECT_THAT(exported, StatusIs(absl::StatusCode::kCancelled, HasSubstr("closed")));
  EXPECT_THAT(store_->ExportSnapshot(directory_.File("snapshot")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(NamesIn(directory_.path()), ElementsAre("source"));
}

TEST_P(SnapshotFileTest, WhatAKilledExportLeftIsRemovedAtTheNextOpen) {
  Fill();
  std::filesystem::create_directories(options_.volume + "/export/killed");
  std::ofstream(options_.volume + "/export/killed/000012.sst") << "a link";
  Reopen();
  EXPECT_FALSE(std::filesystem::exists(options_.volume + "/export"));
}

TEST_P(SnapshotFileTest, RotOnTheVolumeIsNotExported) {
  Fill();
  Export();  // All is in files.
  for (const auto& entry : std::filesystem::directory_iterator(options_.volume + "/data")) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(30);
    const char byte = static_cast<char>(file.get() ^ 4);
    file.seekp(30);
    file.put(byte);
  }
  EXPECT_THAT(store_->ExportSnapshot(directory_.File("snapshot")),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(".sst is damaged on the volume"), HasSubstr("CRC-32C"))));
  EXPECT_FALSE(std::filesystem::exists(directory_.File("snapshot")));
}

TEST_P(SnapshotFileTest, ADestinationThatIsNotEmptyIsRefusedAndUntouched) {
  ASSERT_OK(store_->ExportSnapshot(Fill()));
  const std::string path = directory_.File("snapshot");
  ImportOptions into = Into("other");
  std::ofstream(into.volume + "/notes") << "mine";
  EXPECT_THAT(ImportSnapshot(path, into),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("'notes'")));
  EXPECT_THAT(NamesIn(into.volume), ElementsAre("notes"));

  ASSERT_OK(ImportSnapshot(path, Into("copy")));
  const std::vector<std::string> before = NamesIn(directory_.File("copy"));
  const std::string epoch = ReadWhole(directory_.File("copy/EPOCH"));
  EXPECT_THAT(ImportSnapshot(path, Into("copy")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("holds store")));
  EXPECT_EQ(NamesIn(directory_.File("copy")), before);
  EXPECT_EQ(ReadWhole(directory_.File("copy/EPOCH")), epoch);
  // Nor a living one.
  into.volume = options_.volume;
  EXPECT_THAT(ImportSnapshot(path, into), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_OK(table_.Put("k", "v"));

  into.volume = directory_.File("nowhere");
  EXPECT_THAT(ImportSnapshot(path, into), StatusIs(absl::StatusCode::kNotFound));
  into.volume = path;
  EXPECT_THAT(ImportSnapshot(path, into), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(SnapshotFileTest, NothingIsTouchedForWhatIsNoSnapshot) {
  const std::string path = directory_.File("foreign");
  std::ofstream(path) << "this is something else altogether";
  const ImportOptions into = Into("copy");
  EXPECT_THAT(ImportSnapshot(path, into),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path + " is no snapshot")));
  EXPECT_THAT(NamesIn(into.volume), IsEmpty());
  EXPECT_THAT(ImportSnapshot(directory_.File("none"), into), StatusIs(absl::StatusCode::kNotFound));
}

// Bytes flipped, cut off and missing all over a real snapshot: the import says so, and the volume
// opens only once it was imported whole.
TEST_P(SnapshotFileTest, WhatIsDamagedOrEndsEarlyBecomesNoStore) {
  Fill();
  const std::string good = Export();
  const ImportOptions into = Into("copy");
  for (size_t i = 1; i < 40; ++i) {
    std::string bad = good;
    const size_t at = i * good.size() / 40;
    if (i % 2 == 0) {
      bad.resize(at);
    } else {
      bad[at] = static_cast<char>(bad[at] ^ 16);
    }
    StringSource source(bad, 100'000);
    ASSERT_THAT(
        ImportSnapshot(source, into),
        StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("at offset"), HasSubstr("copy"))));
    ASSERT_THAT(OpenAt("copy"),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("was cut short")));
  }
  Options creating = SmallOptions(into.volume);
  EXPECT_THAT(Store::Open(creating), StatusIs(absl::StatusCode::kFailedPrecondition));
  StringSource failing(good);
  failing.fail_at = good.size() / 2;
  EXPECT_THAT(ImportSnapshot(failing, into), StatusIs(absl::StatusCode::kUnavailable));
  ImportOptions cancelled = into;
  cancelled.progress = [](const SnapshotProgress&) { return false; };
  StringSource source(good);
  EXPECT_THAT(ImportSnapshot(source, cancelled), StatusIs(absl::StatusCode::kCancelled));
  StringSource whole(good);
  ASSERT_OK(ImportSnapshot(whole, into));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, OpenAt("copy"));
  ASSERT_OK_AND_ASSIGN(Table table, copy->OpenTable("t"));
  EXPECT_EQ(Entries(table.Scan()), Entries(table_.Scan()));
}

// Both capture states of the engine, and neither needs to wait for the other.
TEST_P(SnapshotFileTest, ExportsAndAnArchiveDoNotDisturbEachOther) {
  options_.archive.url = absl::StrCat("file://", MakeDirectory("archive"));
  options_.archive.ship_interval = absl::Milliseconds(20);
  Reopen();  // Its first checkpoint is on its way.
  Fill();
  for (int i = 0; i < 5; ++i) {
    const std::string path = directory_.File(absl::StrCat("snapshot", i));
    // A table that is new needs a checkpoint before anything ships.
    Table table = Open(absl::StrCat("new", i));
    ASSERT_OK(table.Put("k", "v"));
    ASSERT_OK(store_->ExportSnapshot(path));
    ASSERT_OK(VerifySnapshot(path));
    ASSERT_OK(store_->WaitArchived(store_->version(), absl::Minutes(2)));
  }
  ImportOptions into = Into("copy");
  into.keep_store_id = true;
  ASSERT_OK(ImportSnapshot(directory_.File("snapshot4"), into));
  ASSERT_OK(table_.Put("after", "the snapshot"));
  const std::vector<Entry> held = Entries(table_.Scan());
  ASSERT_OK(store_->Close(absl::Minutes(2)).status);
  // The copy is an older state of the archive's store, and is known as one.
  options_.volume = into.volume;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, Store::Open(options_));
  ASSERT_OK_AND_ASSIGN(Table table, copy->OpenTable("t"));
  EXPECT_EQ(Entries(table.Scan()), held);
}

// One of another id is no heir of its archive.
TEST_P(SnapshotFileTest, AStoreWithItsOwnIdDoesNotTakeTheArchiveOfTheOther) {
  options_.archive.url = absl::StrCat("file://", MakeDirectory("archive"));
  Reopen();
  ASSERT_OK(store_->ExportSnapshot(Fill()));
  ASSERT_OK(store_->Close(absl::Minutes(2)).status);
  ASSERT_OK(ImportSnapshot(directory_.File("snapshot"), Into("copy")));
  options_.volume = directory_.File("copy");
  EXPECT_THAT(Store::Open(options_), StatusIs(absl::StatusCode::kFailedPrecondition));
}

// One may be dropped between the moment of the commits and that of the files.
TEST_P(SnapshotFileTest, TablesThatComeAndGoDuringExportsAreThereOrNotAsOfOneMoment) {
  Fill();
  std::atomic<bool> stop{false};
  std::thread churn([&] {
    for (int i = 0; !stop; ++i) {
      absl::StatusOr<Table> table = store_->OpenTable("churn");
      if (table.ok()) table->Put("k", std::to_string(i)).status().IgnoreError();
      absl::SleepFor(absl::Milliseconds(30));
      EXPECT_OK(store_->DropTable("churn"));
      EXPECT_OK(table_.Put("dropped", std::to_string(i)));
      absl::SleepFor(absl::Milliseconds(30));
    }
  });
  for (int i = 0; i < 5; ++i) {
    const std::string name = absl::StrCat("copy", i);
    StringSink sink;
    const absl::StatusOr<SnapshotInfo> info = store_->ExportSnapshot(sink);
    if (absl::IsUnavailable(info.status())) continue;  // Too often on a slow machine.
    ASSERT_OK(info);
    StringSource source(sink.bytes);
    ASSERT_OK(ImportSnapshot(source, Into(name)));
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, OpenAt(name));
    ASSERT_OK_AND_ASSIGN(const std::vector<std::string> tables, copy->ListTables());
    ASSERT_EQ(tables, info->tables);
    ASSERT_OK_AND_ASSIGN(Table t, copy->OpenTable("t"));
    const absl::StatusOr<Value> dropped = t.Get("dropped");
    const int last = dropped.ok() ? std::stoi(dropped->ToString()) : -1;
    if (std::find(tables.begin(), tables.end(), "churn") == tables.end()) continue;
    ASSERT_OK_AND_ASSIGN(Table churned, copy->OpenTable("churn"));
    const absl::StatusOr<Value> value = churned.Get("k");
    EXPECT_EQ(value.ok() ? value->ToString() : std::to_string(last + 1), std::to_string(last + 1));
  }
  stop = true;
  churn.join();
}

}  // namespace
}  // namespace mooring::testing
