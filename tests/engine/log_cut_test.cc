// A log is cut at each commit of random groups and replayed by the real engine.
#include "src/engine/log_cut.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/engine/batch_operations.h"
#include "src/engine/log_source.h"
#include "src/engine/open.h"
#include "src/engine/restored_directory.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::engine {
namespace {

namespace fs = std::filesystem;
using testing::StatusIs;

constexpr char kStoreId[] = "00112233445566778899aabbccddeeff";
constexpr int kGroups = 25;

using Contents = std::map<std::string, std::string>;

EngineOptions OptionsFor(const std::string& directory, bool create) {
  EngineOptions options;
  options.directory = directory;
  options.store_id = kStoreId;
  options.create = create;
  options.cache_bytes = 1 << 20;
  options.write_buffer_bytes = 64 << 20;
  options.wal_file_bytes = 1 << 20;
  options.max_wal_bytes = 64 << 20;
  options.keep_logs = create;
  return options;
}

class LogCutTest : public ::testing::Test {
 protected:
  struct Commit {
    uint64_t last_sequence = 0;
    int64_t time_us = 0;
    Contents contents;  // After it.
  };

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(engine_, engine::Open(OptionsFor(directory_.File("data"), true)));
    ASSERT_OK_AND_ASSIGN(table_, engine_->CreateTable("t"));
    const auto alone = [](const std::function<absl::Status()>& work) { return work(); };
    ASSERT_OK_AND_ASSIGN(base_, engine_->log_source()->Capture(directory_.File("capture"), alone));
    commits_.emplace_back();
  }

  std::string Key() { return absl::StrCat("key", random_() % 40); }

  void WriteGroup() {
    engine_->BeginGroup();
    std::deque<std::string> batches;
    const int commits = 1 + static_cast<int>(random_() % 5);
    for (int i = 0; i < commits; ++i) {
      Commit commit = commits_.back();
      std::string& operations = batches.emplace_back();
      const uint32_t count = 1 + random_() % 3;
      for (uint32_t n = 0; n < count; ++n) AddOperation(n == 0, &operations, &commit.contents);
      commit.last_sequence += count;
      commit.time_us = ++time_us_;
      ASSERT_OK(engine_->AddToGroup({operations, count, time_us_}));
      commits_.push_back(std::move(commit));
    }
    ASSERT_OK(engine_->WriteGroup(/*sync=*/true).status());
    ASSERT_EQ(engine_->LastSequence(), commits_.back().last_sequence);
  }

  // The first one of a commit leaves a trace, so that each state is another.
  void AddOperation(bool first, std::string* operations, Contents* contents) {
    Operation operation{OperationKind::kPut, table_->id(), "", ""};
    std::string key = Key(), value;
    const uint64_t kind = first ? 0 : random_() % 4;
    if (kind == 1) {
      operation.kind = OperationKind::kDelete;
      contents->erase(key);
    } else if (kind == 2) {
      operation.kind = OperationKind::kDeleteRange;
      value = key + "5";
      contents->erase(contents->lower_bound(key), contents->lower_bound(value));
    } else {
      if (first) key = "last";
      const size_t most = random_() % 8 == 0 ? 90000 : 400;
      value = absl::StrCat(time_us_, ".") + std::string(random_() % most, 'v');
      (*contents)[key] = value;
    }
    operation.key = key;
    operation.value = value;
    AppendOperation(operation, operations);
  }

  std::vector<LogPiece> Log() {
    std::vector<LogPiece> all;
    uint64_t reached = base_.max_sequence;
    while (reached < engine_->LastSequence()) {
      auto pieces = engine_->log_source()->ReadLog(reached, base_.table_changes, 100000);
      EXPECT_OK(pieces);
      if (!pieces.ok() || pieces->empty()) break;
      for (LogPiece& piece : *pieces) {
        reached = piece.last_sequence;
        all.push_back(std::move(piece));
      }
    }
    return all;
  }

  // What the engine finds in the log up to `sequence`.
  Contents Replay(const std::vector<LogPiece>& log, uint64_t sequence) {
    const std::string elsewhere = directory_.File("elsewhere");
    fs::remove_all(elsewhere);
    fs::create_directories(elsewhere);
    for (const CapturedFile& file : base_.files) {
      fs::copy_file(file.local, elsewhere + "/" + file.path);
    }
    Contents contents;
    auto restored = RestoredDirectory::Begin(elsewhere, kStoreId);
    EXPECT_OK(restored);
    for (const LogPiece& piece : log) {
      if (piece.first_sequence > sequence) break;
      if (piece.last_sequence <= sequence) {
        EXPECT_OK((*restored)->AppendToLog(piece.log, piece.bytes));
        continue;
      }
      const auto cut = CutLog("log", piece.begin, piece.bytes, sequence);
      EXPECT_OK(cut);
      if (!cut.ok()) return contents;
      EXPECT_OK((*restored)->AppendToLog(piece.log, *cut));
    }
    EXPECT_OK((*restored)->Finish(base_.manifest_path, base_.manifest, base_.current));
    auto engine = engine::Open(OptionsFor(elsewhere, false));
    EXPECT_OK(engine);
    if (!engine.ok()) return contents;
    EXPECT_EQ((*engine)->LastSequence(), sequence);
    {
      const auto cursor = (*engine)->NewCursor(*(*engine)->Tables().front(), {});
      for (; cursor->Valid(); cursor->Next()) {
        contents.emplace(cursor->key(), cursor->value());
      }
    }
    EXPECT_OK((*engine)->Close());
    return contents;
  }

  testing::HangGuard guard_;
  testing::TempDirectory directory_;
  std::mt19937_64 random_{testing::TestSeed()};
  std::unique_ptr<Engine> engine_;
  TablePtr table_;
  CapturedState base_;
  std::vector<Commit> commits_;  // The first one: nothing.
  int64_t time_us_ = 1'700'000'000'000'000;
};

TEST_F(LogCutTest, ALogThatIsCutAtAnyCommitIsReplayedUpToIt) {
  for (int i = 0; i < kGroups; ++i) WriteGroup();
  const std::vector<LogPiece> log = Log();
  for (size_t i = 1; i < commits_.size(); ++i) {
    const Contents found = Replay(log, commits_[i].last_sequence);
    ASSERT_TRUE(found == commits_[i].contents) << "at commit " << i;
    // A cut that is off by one commit would be noticed.
    ASSERT_FALSE(found == commits_[i - 1].contents) << "at commit " << i;
  }
}

TEST_F(LogCutTest, CommitsAreFoundWithTheirTimes) {
  for (int i = 0; i < kGroups; ++i) WriteGroup();
  std::vector<LoggedCommit> found;
  for (const LogPiece& piece : Log()) {
    ASSERT_OK(ReadLoggedCommits("log", piece.begin, piece.bytes, &found));
  }
  ASSERT_EQ(found.size() + 1, commits_.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].last_sequence, commits_[i + 1].last_sequence);
    EXPECT_EQ(found[i].time_us, commits_[i + 1].time_us);
  }
}

TEST_F(LogCutTest, NothingIsCutInsideACommitOrBeyondTheLog) {
  while (engine_->LastSequence() < 30) WriteGroup();
  const std::vector<LogPiece> log = Log();
  ASSERT_FALSE(log.empty());
  for (uint64_t sequence = log[0].first_sequence; sequence <= log[0].last_sequence; ++sequence) {
    const bool is_end = std::any_of(commits_.begin(), commits_.end(), [&](const Commit& commit) {
      return commit.last_sequence == sequence;
    });
    const auto cut = CutLog("log", log[0].begin, log[0].bytes, sequence);
    if (is_end) {
      EXPECT_OK(cut);
    } else {
      EXPECT_THAT(cut, StatusIs(absl::StatusCode::kInvalidArgument,
                                ::testing::HasSubstr("inside a commit")));
    }
  }
  EXPECT_THAT(CutLog("log", log[0].begin, log[0].bytes, log[0].last_sequence + 1),
              StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(LogCutTest, ALogWhoseMarkersDoNotAddUpIsDamaged) {
  WriteGroup();
  LogPiece piece = Log().at(0);
  // Behind the headers of fragment and batch, the tag, the length and the magic.
  constexpr size_t kCountOfTheFirstMarker = 7 + 12 + 3;
  piece.bytes[kCountOfTheFirstMarker] = 77;
  EXPECT_THAT(CutLog("log", piece.begin, piece.bytes, piece.last_sequence),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace mooring::engine
