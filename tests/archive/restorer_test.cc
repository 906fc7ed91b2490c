#include "src/archive/restorer.h"

#include <filesystem>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "tests/archive/entries.h"
#include "tests/archive/faulty_store.h"
#include "tests/servers/archive_place.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Writes logs as plain files, as an engine without a format would.
class PlainDirectory final : public engine::RestoredDirectory {
 public:
  explicit PlainDirectory(std::string path) : path_(std::move(path)) {}
  absl::Status AppendToLog(uint64_t log, std::string_view bytes) override {
    logs_[log] += bytes;
    return absl::OkStatus();
  }
  absl::Status Finish(std::string_view manifest_path, std::string_view manifest,
                      std::string_view current) override {
    for (const auto& [log, bytes] : logs_) {
      if (auto s = WriteFileDurably(path_ + "/" + std::to_string(log) + ".log", bytes); !s.ok()) {
        return s;
      }
    }
    const std::string name(manifest_path);
    if (auto s = WriteFileDurably(path_ + "/" + name, manifest); !s.ok()) return s;
    return WriteFileDurably(path_ + "/CURRENT", current);
  }

 private:
  const std::string path_;
  std::map<uint64_t, std::string> logs_;
};

class RestorerTest : public ::testing::Test {
 protected:
  using Contents = std::map<std::string, std::string>;

  void SetUp() override {
    MOORING_NEED_PLACE(place_);
    store_ = std::make_unique<FaultyStore>(place_.Open());
    MakePlan();
  }

  // Three files, and sequences 1 to 8 in log 11.
  void MakePlan() {
    CheckpointEntry checkpoint = Checkpoint(2, 0, History(), 11);
    checkpoint.files.clear();
    for (int i = 0; i < 3; ++i) {
      const std::string path = "00001" + std::to_string(i) + ".sst";
      const std::string bytes((size_t{1} << 20) + i * 1000, static_cast<char>('a' + i));
      const ArchivedFile file{"1-" + path, path, bytes.size(), Crc32c(bytes)};
      ASSERT_OK(store_->Put(FileKey(file.name), bytes, {}));
      checkpoint.files.push_back(file);
      restored_[path] = bytes;
    }
    restored_["CURRENT"] = checkpoint.current;
    restored_["MANIFEST-000005"] = checkpoint.manifest;
    plan_.checkpoint = std::make_shared<const Entry>(MakeEntry(2, 1, checkpoint));
    const LogEntry log = Log({MakeSegment(1, 1, 8)});
    restored_["11.log"] = log.bytes;
    const auto entry = std::make_shared<const Entry>(MakeEntry(3, 1, log));
    plan_.logs.push_back({entry, 0, 0, 8});
    plan_.state = {MakeHistory({{1, 1}}), 8};
  }
  void PutLocal(const Contents& contents) {
    std::filesystem::remove_all(directory_.File("v"));
    ASSERT_TRUE(std::filesystem::create_directories(data_));
    for (const auto& [name, bytes] : contents) {
      ASSERT_OK(WriteFileDurably(data_ + "/" + name, bytes));
    }
  }
  Contents Read(const std::string& directory) {
    Contents contents;
    const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory);
    EXPECT_OK(names);
    if (!names.ok()) return contents;
    for (const std::string& name : *names) {
      if (name != "SET-ASIDE") contents[name] = *ReadFile(directory + "/" + name);
    }
    return contents;
  }
  Restorer Make(bool resumed = false,
                std::function<absl::Status(std::string_view)> after_step = nullptr) {
    RestoreOptions options;
    options.data_directory = data_;
    options.store_id = Id(0x57);
    options.resumed = resumed;
    options.trim_aside = trim_aside_;
    options.after_step = std::move(after_step);
    options.begin =
        [](const std::string& path,
           const std::string&) -> absl::StatusOr<std::unique_ptr<engine::RestoredDirectory>> {
      return std::make_unique<PlainDirectory>(path);
    };
    return Restorer(store_.get(), options);
  }

  bool trim_aside_ = false;
  mooring::testing::TempDirectory directory_;
  mooring::testing::ArchivePlace place_;
  const std::string data_ = directory_.File("v/data");
  std::unique_ptr<FaultyStore> store_;
  RestorePlan plan_;
  Contents restored_;
};

TEST_F(RestorerTest, AnEmptyVolumeGetsEverything) {
  PutLocal({});
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Make().PutInPlace(plan_));
  EXPECT_EQ(Read(data_), restored_);
  EXPECT_EQ(report.files_fetched, 3);
  EXPECT_EQ(report.files_reused, 0);
  EXPECT_FALSE(*FileExists(data_ + ".restore"));
}

TEST_F(RestorerTest, WhatIsAtHandAndGoodIsNotFetched) {
  Contents local = restored_;
  local["000011.sst"][5] = '?';
  PutLocal(local);
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Make().PutInPlace(plan_));
  EXPECT_EQ(Read(data_), restored_);
  EXPECT_EQ(report.files_fetched, 1);
  EXPECT_EQ(report.files_reused, 2);
  EXPECT_EQ(report.set_aside, data_ + ".aside");
  EXPECT_EQ(Read(report.set_aside), local);
}

TEST_F(RestorerTest, WhatIsSetAsideOfADamagedDirectoryIsWhatIsNotInUse) {
  Contents local = restored_;
  local["000011.sst"][5] = '?';
  PutLocal(local);
  trim_aside_ = true;
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Make().PutInPlace(plan_));
  EXPECT_EQ(Read(data_), restored_);
  const Contents aside = Read(report.set_aside);
  EXPECT_EQ(aside.count("000011.sst"), 1U);
  EXPECT_EQ(aside.count("000010.sst"), 0U);
}

TEST_F(RestorerTest, FetchTouchesNothingOfTheDataDirectory) {
  const Contents local = {{"CURRENT", "old"}};
  PutLocal(local);
  ASSERT_OK(Make().Fetch(plan_));
  EXPECT_EQ(Read(data_), local);
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Make().PutInPlace(plan_));
  EXPECT_EQ(report.files_fetched, 0);
}

TEST_F(RestorerTest, AMissingOrDamagedFileIsDataLossByName) {
  PutLocal({});
  const std::string key = FileKey("1-000011.sst");
  ASSERT_OK(store_->Put(key, std::string(restored_["000011.sst"].size(), 'x'), {}));
  EXPECT_THAT(Make().Fetch(plan_),
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(key), HasSubstr("damaged"))));
  ASSERT_OK(store_->Delete(key, {}));
  EXPECT_THAT(Make().Fetch(plan_),
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(key), HasSubstr("missing"))));
}

TEST_F(RestorerTest, WhatDoesNotFitIsRefusedWithNumbersBeforeAnythingIsFetched) {
  PutLocal({});
  CheckpointEntry checkpoint = *plan_.checkpoint->As<CheckpointEntry>();
  checkpoint.files[0].size = uint64_t{1} << 60;
  plan_.checkpoint = std::make_shared<const Entry>(MakeEntry(2, 1, checkpoint));
  EXPECT_THAT(Make().Fetch(plan_),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr(std::to_string(uint64_t{1} << 60).substr(0, 10))));
  EXPECT_EQ(Read(data_ + ".restore"), Contents());
}

TEST_F(RestorerTest, LocalLogsBeyondTheArchiveAreAppended) {
  PutLocal({});
  const std::string& known = restored_["11.log"];
  engine::LogPiece rest;
  rest.log = 11;
  rest.generation = 0x1001;
  rest.bytes = known + "and more";
  rest.end = rest.bytes.size();
  engine::LogPiece next;
  next.log = 12;
  next.bytes = "the next";
  next.end = next.bytes.size();
  ASSERT_OK(Make().PutInPlace(plan_, {rest, next}));
  EXPECT_EQ(*ReadFile(data_ + "/11.log"), rest.bytes);
  EXPECT_EQ(*ReadFile(data_ + "/12.log"), "the next");
  rest.generation = 7;
  EXPECT_THAT(Make().PutInPlace(plan_, {rest}), StatusIs(absl::StatusCode::kInvalidArgument));
}

// The bytes are no log that could be cut.
TEST_F(RestorerTest, ACutInsideASegmentIsNotSilentlyWider) {
  PutLocal({});
  plan_.logs[0].last_sequence = 5;
  EXPECT_THAT(Make().PutInPlace(plan_), StatusIs(absl::StatusCode::kOutOfRange));
}

// R3. Killed after each step in turn, and run again.
TEST_F(RestorerTest, ARestoreThatIsCutShortAnywhereIsResumed) {
  const Contents local = {{"CURRENT", "old"}, {"000010.sst", restored_["000010.sst"]}};
  int steps = 0;
  for (int killed_at = 1;; ++killed_at) {
    PutLocal(local);
    std::filesystem::create_directory(data_ + ".aside");
    ASSERT_OK(WriteFileDurably(data_ + ".aside/older", "an earlier restore's"));
    ASSERT_OK(WriteFileDurably(data_ + ".aside/SET-ASIDE", ""));
    ASSERT_OK(Make().Fetch(plan_));
    int step = 0;
    std::string where;
    const absl::StatusOr<RestoreReport> first =
        Make(false, [&](std::string_view name) {
          where = std::string(name);
          return ++step == killed_at ? absl::AbortedError("killed") : absl::OkStatus();
        }).PutInPlace(plan_);
    if (first.ok()) break;
    ++steps;
    ASSERT_OK(Make(true).Fetch(plan_)) << where;
    ASSERT_OK_AND_ASSIGN(const RestoreReport report, Make(true).PutInPlace(plan_));
    EXPECT_EQ(Read(data_), restored_) << where;
    EXPECT_EQ(Read(report.set_aside), local) << where;
    EXPECT_FALSE(*FileExists(data_ + ".restore")) << where;
  }
  EXPECT_GE(steps, 9);
}

}  // namespace
}  // namespace mooring::archive
