// Files of an engine that rot, go missing or are cut, and are repaired under its readers.
#include "src/engine/file_keeper.h"

#include <fcntl.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "src/engine/batch_operations.h"
#include "src/engine/open.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::engine {
namespace {

namespace fs = std::filesystem;
using mooring::testing::StatusIs;
using ::testing::HasSubstr;

bool AtOnce(int64_t) { return true; }

class FileKeeperTest : public ::testing::Test {
 protected:
  FileKeeperTest() {
    options_.directory = directory_.File("db");
    options_.store_id = "00112233445566778899aabbccddeeff";
    options_.create = true;
    options_.cache_bytes = options_.write_buffer_bytes = options_.wal_file_bytes = 1 << 20;
    options_.max_wal_bytes = 2 << 20;
    fs::create_directory(options_.directory);
  }

  // With all that is written in files: what an opening replays is flushed.
  void SetUp() override {
    Open();
    ASSERT_OK_AND_ASSIGN(table_, engine_->CreateTable("t"));
    for (int i = 0; i < 300; ++i) ASSERT_NO_FATAL_FAILURE(Put(i));
    Reopen();
    ASSERT_OK_AND_ASSIGN(const std::vector<LiveFile> files, keeper()->List());
    ASSERT_FALSE(files.empty());
    file_ = files.front();
    path_ = options_.directory + "/" + file_.path;
    fs::copy_file(path_, good_);
  }

  void Open() {
    ASSERT_OK_AND_ASSIGN(engine_, engine::Open(options_));
    options_.create = false;
  }
  void Reopen() {
    table_.reset();
    ASSERT_OK(engine_->Close());
    Open();
    table_ = engine_->Tables().at(0);
  }
  FileKeeper* keeper() { return engine_->file_keeper(); }

  void Put(int i) {
    std::string value(1000, '\0');
    for (char& c : value) c = static_cast<char>(random_());
    values_.push_back(value);
    std::string operations;
    AppendOperation({OperationKind::kPut, table_->id(), Key(i), value}, &operations);
    engine_->BeginGroup();
    ASSERT_OK(engine_->AddToGroup({operations, 1, 0}));
    ASSERT_OK(engine_->WriteGroup(/*sync=*/true).status());
  }
  static std::string Key(int i) { return absl::StrCat("key", 1000 + i); }

  absl::Status ReadAll() {
    for (size_t i = 0; i < values_.size(); ++i) {
      Value value;
      if (absl::Status s = engine_->Get(*table_, Key(static_cast<int>(i)), nullptr, &value);
          !s.ok()) {
        return s;
      }
      if (value.view() != values_[i]) return absl::InternalError("another value");
    }
    return absl::OkStatus();
  }

  void Flip(uint64_t at) {
    ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path_, O_RDWR));
    char byte = 0;
    ASSERT_OK(file.ReadAt(at, 1, &byte));
    ASSERT_OK(file.WriteAt(at, std::string(1, static_cast<char>(byte ^ 4))));
    ASSERT_OK(file.Sync());
  }

  const testing::TempDirectory directory_;
  const std::string good_ = directory_.File("good");
  std::mt19937 random_{1};
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  TablePtr table_;
  std::vector<std::string> values_;
  LiveFile file_;
  std::string path_;
};

TEST_F(FileKeeperTest, WhatTheManifestKnowsIsWhatTheFilesAre) {
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(path_));
  EXPECT_EQ(bytes.size(), file_.size);
  EXPECT_EQ(Crc32c(bytes), file_.crc32c);
  EXPECT_OK(keeper()->Check(file_, AtOnce));
  EXPECT_THAT(keeper()->Check(file_, [](int64_t) { return false; }),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(FileKeeperTest, AFileIsRepairedUnderItsReader) {
  const fs::path link = directory_.File("link");
  fs::create_hard_link(path_, link);
  Flip(50000);
  const absl::Status damage = keeper()->Check(file_, AtOnce);
  EXPECT_THAT(damage, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(file_.path)));
  EXPECT_THAT(damage, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("offset")));
  EXPECT_THAT(ReadAll(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(file_.path)));
  ASSERT_OK_AND_ASSIGN(const uint64_t first, keeper()->Repair(file_, good_));
  EXPECT_EQ(first, 50000U);
  EXPECT_OK(keeper()->Check(file_, AtOnce));
  EXPECT_OK(ReadAll());
  EXPECT_EQ(fs::hard_link_count(link), 2U);
}

TEST_F(FileKeeperTest, AFileThatIsShortLongOrMissingIsRepaired) {
  for (const int change : {-70000, 5000, 0}) {
    if (change == 0) fs::remove(path_);
    if (change != 0) fs::resize_file(path_, file_.size + change);
    EXPECT_THAT(keeper()->Check(file_, AtOnce),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(file_.path)));
    EXPECT_OK(keeper()->Repair(file_, good_).status());
    EXPECT_OK(keeper()->Check(file_, AtOnce));
    Reopen();
    EXPECT_OK(ReadAll());
  }
}

// An engine that cannot open knows which of its files are why, and nothing is changed by asking.
TEST_F(FileKeeperTest, TheFilesOfAClosedEngineAreKnownWhateverBecameOfThem) {
  for (const char* damage : {"none", "missing", "cut", "footer"}) {
    SCOPED_TRACE(damage);
    ASSERT_OK(engine_->Close());
    if (damage == std::string("missing")) fs::remove(path_);
    if (damage == std::string("cut")) fs::resize_file(path_, 100);
    if (damage == std::string("footer")) Flip(file_.size - 3);
    const bool damaged = damage != std::string("none");
    const auto opened = engine::Open(options_);
    EXPECT_EQ(opened.ok(), !damaged);
    if (opened.ok()) {
      ASSERT_OK((*opened)->Close());
    }
    ASSERT_OK_AND_ASSIGN(const auto closed, OpenFileKeeper(options_));
    ASSERT_OK_AND_ASSIGN(const std::vector<LiveFile> files, closed->List());
    ASSERT_EQ(files.size(), 1U);
    EXPECT_EQ(files[0].path, file_.path);
    EXPECT_EQ(files[0].size, file_.size);
    EXPECT_EQ(files[0].crc32c, file_.crc32c);
    EXPECT_EQ(closed->Check(file_, AtOnce).ok(), !damaged);
    EXPECT_OK(closed->Repair(file_, good_).status());
    Open();
    table_ = engine_->Tables().at(0);
    EXPECT_OK(ReadAll());
    table_.reset();
  }
}

}  // namespace
}  // namespace mooring::engine
