// What an archive reads of the engine (engine/log_source.h, E1 to E4): captures and pieces of log,
// put together elsewhere, give the state that they say, whatever flushes and rotations came
// between.

#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "src/engine/batch_operations.h"
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

using Contents = std::map<std::string, std::map<std::string, std::string>>;

EngineOptions OptionsFor(const std::string& directory, bool create) {
  EngineOptions options;
  options.directory = directory;
  options.store_id = kStoreId;
  options.create = create;
  options.cache_bytes = 1 << 20;
  options.write_buffer_bytes = 256 << 10;
  options.wal_file_bytes = 128 << 10;
  options.max_wal_bytes = 512 << 10;
  options.keep_logs = create;
  return options;
}

Contents Read(const Engine& engine) {
  Contents contents;
  for (const TablePtr& table : engine.Tables()) {
    auto& rows = contents[table->name()];
    const auto cursor = engine.NewCursor(*table, {});
    for (; cursor->Valid(); cursor->Next()) {
      rows[std::string(cursor->key())] = std::string(cursor->value());
    }
    EXPECT_OK(cursor->status());
  }
  return contents;
}

// An engine, all that was written to it, and what was read of it.
class LogSourceTest : public ::testing::Test {
 protected:
  struct Write {
    uint64_t sequence = 0;
    std::string table;
    std::string key;
    std::string value;
  };
  struct Change {  // A table that was made after that sequence.
    uint64_t sequence = 0;
    std::string table;
  };
  struct Archive {  // What an archive would hold.
    CapturedState base;
    std::vector<LogPiece> pieces;
    uint64_t reached = 0;
  };

  void SetUp() override { Open(); }

  void Open() {
    ASSERT_OK_AND_ASSIGN(engine_, engine::Open(OptionsFor(directory_.File("data"), true)));
    source_ = engine_->log_source();
    ASSERT_NE(source_, nullptr);
    MakeTable("t0");
  }

  void MakeTable(const std::string& name) {
    absl::MutexLock lock(&mutex_);
    changes_.push_back({engine_->LastSequence(), name});
    ASSERT_OK_AND_ASSIGN(TablePtr table, engine_->CreateTable(name));
    tables_.push_back(std::move(table));
  }

  // A group of commits.
  void Commit(bool sync, size_t value_bytes = 100) {
    absl::MutexLock lock(&mutex_);
    engine_->BeginGroup();
    const int commits = 1 + static_cast<int>(random_() % 3);
    std::vector<Write> group;
    for (int i = 0; i < commits; ++i) {
      std::string operations;
      const TablePtr& table = tables_[random_() % tables_.size()];
      const uint32_t count = 1 + random_() % 3;
      for (uint32_t n = 0; n < count; ++n) {
        Write write{0, table->name(), absl::StrCat("key", random_() % 500),
                    std::string(random_() % (2 * value_bytes) + 1, 'a' + random_() % 26)};
        AppendOperation({OperationKind::kPut, table->id(), write.key, write.value}, &operations);
        group.push_back(std::move(write));
      }
      batches_.push_back(operations);
      ASSERT_OK(engine_->AddToGroup({batches_.back(), count, ++time_us_}));
    }
    ASSERT_OK_AND_ASSIGN(uint64_t sequence, engine_->WriteGroup(sync));
    for (Write& write : group) {
      write.sequence = sequence++;
      writes_.push_back(std::move(write));
    }
    batches_.clear();
  }

  absl::Status Exclusively(const std::function<absl::Status()>& work) {
    absl::MutexLock lock(&mutex_);
    return work();
  }

  absl::Status Capture(Archive* archive) {
    const std::string directory = directory_.File(absl::StrCat("capture", ++captures_));
    auto captured = source_->Capture(
        directory, [this](const std::function<absl::Status()>& work) { return Exclusively(work); });
    if (!captured.ok()) return captured.status();
    archive->base = *std::move(captured);
    archive->reached = std::max(archive->reached, archive->base.max_sequence);
    return absl::OkStatus();
  }

  // One step of an archive: more log, or a capture where that is needed.
  void Ship(Archive* archive, size_t max_bytes = 64 << 10) {
    auto pieces = source_->ReadLog(archive->reached, archive->base.table_changes, max_bytes);
    if (absl::IsOutOfRange(pieces.status())) {
      ASSERT_OK(Capture(archive));
      return;
    }
    ASSERT_OK(pieces);
    for (LogPiece& piece : *pieces) {
      ASSERT_EQ(piece.first_sequence, archive->reached + 1);
      ASSERT_EQ(piece.bytes.size(), piece.end - piece.begin);
      ASSERT_GT(piece.last_time_us, 0);
      archive->reached = piece.last_sequence;
      archive->pieces.push_back(std::move(piece));
    }
    ASSERT_LE(archive->reached, source_->DurableSequence());  // E1
  }

  Contents Expected(const Archive& archive) {
    absl::MutexLock lock(&mutex_);
    Contents contents;
    for (size_t i = 0; i < changes_.size(); ++i) {
      if (i < archive.base.table_changes) contents[changes_[i].table];
    }
    for (const Write& write : writes_) {
      if (write.sequence <= archive.reached) contents[write.table][write.key] = write.value;
    }
    return contents;
  }

  // Puts it together elsewhere, as a restore does, and compares.
  void ExpectRestores(const Archive& archive) {
    const std::string elsewhere = directory_.File(absl::StrCat("restored", ++restores_));
    fs::create_directories(elsewhere);
    for (const CapturedFile& file : archive.base.files) {
      fs::copy_file(file.local, elsewhere + "/" + file.path);
      ASSERT_EQ(fs::file_size(file.local), file.size);
    }
    ASSERT_OK_AND_ASSIGN(auto restored, RestoredDirectory::Begin(elsewhere, kStoreId));
    uint64_t log = 0;
    for (const LogPiece& piece : archive.pieces) {
      if (piece.log < archive.base.min_log) continue;
      if (piece.log != log) {
        ASSERT_EQ(piece.begin, 0u) << "log " << piece.log;  // E3
      }
      log = piece.log;
      ASSERT_OK(restored->AppendToLog(piece.log, piece.bytes));
    }
    ASSERT_OK(
        restored->Finish(archive.base.manifest_path, archive.base.manifest, archive.base.current));
    ASSERT_OK_AND_ASSIGN(auto engine, engine::Open(OptionsFor(elsewhere, false)));
    EXPECT_EQ(engine->LastSequence(), archive.reached);
    EXPECT_TRUE(Read(*engine) == Expected(archive)) << "at sequence " << archive.reached;
    ASSERT_OK(engine->Close());
    engine.reset();
    fs::remove_all(elsewhere);
  }

  testing::HangGuard guard_;
  testing::TempDirectory directory_;
  const uint64_t seed_ = testing::TestSeed();
  std::mt19937_64 random_{seed_};
  absl::Mutex mutex_;  // Of whoever writes.
  std::unique_ptr<Engine> engine_;
  LogSource* source_ = nullptr;
  std::vector<TablePtr> tables_;
  std::vector<Write> writes_;
  std::vector<Change> changes_;
  std::deque<std::string> batches_;
  int64_t time_us_ = 1'700'000'000'000'000;
  int captures_ = 0;
  int restores_ = 0;
};

TEST_F(LogSourceTest, CapturesAndPiecesGiveTheStateThatTheySay) {
  Archive archive;
  ASSERT_OK(Capture(&archive));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    std::mt19937_64 own(random_());
    for (int i = 0; i < 1500 && !stop; ++i) {
      if (own() % 300 == 0) MakeTable(absl::StrCat("later", i));
      Commit(own() % 4 != 0, own() % 50 == 0 ? 60000 : 300);
    }
    stop = true;
  });
  std::mt19937_64 own(seed_ + 1);
  std::vector<Archive> moments;
  while (!stop) {
    Ship(&archive, 1 + own() % 100000);
    if (own() % 40 == 0) {
      EXPECT_OK(Capture(&archive));
    }
    if (own() % 10 == 0) source_->Release(archive.reached);
    if (own() % 60 == 0 && moments.size() < 6) moments.push_back(archive);
    if (HasFatalFailure()) stop = true;
  }
  writer.join();
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_OK(engine_->Sync());
  while (archive.reached < engine_->LastSequence() && !HasFatalFailure()) Ship(&archive);
  moments.push_back(archive);
  for (const Archive& moment : moments) ExpectRestores(moment);
}

// The second time there is nothing to flush.
TEST_F(LogSourceTest, ACaptureOfAnIdleEngineHasEverything) {
  for (int i = 0; i < 50; ++i) Commit(true);
  for (int i = 0; i < 2; ++i) {
    Archive archive;
    ASSERT_OK(Capture(&archive));
    EXPECT_EQ(archive.base.max_sequence, engine_->LastSequence());
    EXPECT_EQ(archive.base.max_time_us, time_us_);
    ExpectRestores(archive);
  }
}

TEST_F(LogSourceTest, DamageOfALogIsNoticed) {
  Archive archive;
  ASSERT_OK(Capture(&archive));
  Commit(true);
  for (const auto& file : fs::directory_iterator(directory_.File("data"))) {
    if (file.path().extension() != ".log") continue;
    std::fstream log(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    constexpr int kInTheFirstPayload = 4096 + 90;
    log.seekg(kInTheFirstPayload);
    const char byte = static_cast<char>(log.get() ^ 1);
    log.seekp(kInTheFirstPayload);
    log.put(byte);
  }
  EXPECT_THAT(source_->ReadLog(archive.reached, archive.base.table_changes, 1 << 20),
              StatusIs(absl::StatusCode::kDataLoss));
}

// E1
TEST_F(LogSourceTest, WhatIsNotSyncedIsNotGiven) {
  Archive archive;
  ASSERT_OK(Capture(&archive));
  Commit(/*sync=*/true);
  const uint64_t synced = engine_->LastSequence();
  Commit(/*sync=*/false);
  Ship(&archive);
  EXPECT_EQ(archive.reached, synced);
  ASSERT_OK(engine_->Sync());
  Ship(&archive);
  EXPECT_EQ(archive.reached, engine_->LastSequence());
  ExpectRestores(archive);
}

// E2
TEST_F(LogSourceTest, ANewTableNeedsACapture) {
  Archive archive;
  ASSERT_OK(Capture(&archive));
  Commit(true);
  const uint64_t before = engine_->LastSequence();
  MakeTable("later");
  EXPECT_GT(source_->TableChanges(), archive.base.table_changes);
  for (int i = 0; i < 10; ++i) Commit(true);
  Ship(&archive);
  EXPECT_EQ(archive.reached, before);
  EXPECT_THAT(source_->ReadLog(archive.reached, archive.base.table_changes, 1 << 20),
              StatusIs(absl::StatusCode::kOutOfRange));
  ASSERT_OK(Capture(&archive));
  Ship(&archive);
  EXPECT_EQ(archive.reached, engine_->LastSequence());
  ExpectRestores(archive);
}

// E4: it is in no commit and no log, so that nothing else would tell.
TEST_F(LogSourceTest, ATableThatIsDroppedDuringACaptureWasThereBefore) {
  MakeTable("dropped");
  Commit(true);
  Archive archive;
  ASSERT_OK(Capture(&archive));
  const TablePtr dropped = tables_.back();
  tables_.pop_back();
  Commit(true);

  int calls = 0;
  ASSERT_OK_AND_ASSIGN(
      const CapturedState state,
      source_->Capture(directory_.File("capture"), [&](const std::function<absl::Status()>& work) {
        const absl::Status status = Exclusively(work);
        if (++calls > 1) return status;
        Commit(true);  // The files hold what came before this one.
        EXPECT_OK(engine_->DropTable(*dropped));
        return status;
      }));
  EXPECT_EQ(state.table_changes, source_->TableChanges());
  EXPECT_EQ(state.max_sequence, engine_->LastSequence());
}

TEST_F(LogSourceTest, LogsAreKeptUntilTheyAreReleasedOrTooMany) {
  Archive archive;
  ASSERT_OK(Capture(&archive));
  const auto held = [&] {
    int count = 0;
    for (const auto& file : fs::directory_iterator(directory_.File("data"))) {
      count += file.path().filename().string().rfind("MOORING-HELD-", 0) == 0;
    }
    return count;
  };
  Archive ahead = archive;
  for (int i = 0; i < 100; ++i) Commit(true, 1000);  // Less than may be kept.
  ASSERT_OK(Capture(&ahead));
  EXPECT_GT(held(), 0);
  while (archive.reached < engine_->LastSequence() && !HasFatalFailure()) Ship(&archive);
  EXPECT_EQ(archive.base.max_sequence, 0u);  // No other capture was needed.
  source_->Release(archive.reached);
  EXPECT_EQ(held(), 0);
  EXPECT_EQ(source_->UnreleasedBytes(), 0);
  ExpectRestores(archive);

  for (int i = 0; i < 2000; ++i) Commit(true, 1000);  // More.
  EXPECT_GT(source_->UnreleasedBytes(), 0);
  ASSERT_OK(Capture(&ahead));
  while (archive.reached < engine_->LastSequence() && !HasFatalFailure()) Ship(&archive);
  EXPECT_GT(archive.base.max_sequence, 0u);  // W6: over the budget a capture takes their place.
  ExpectRestores(archive);
}

TEST_F(LogSourceTest, IntactLogsOfADirectoryAreReadUpToTheirFirstDamage) {
  for (int i = 0; i < 20; ++i) Commit(true);
  const uint64_t last = engine_->LastSequence();
  ASSERT_OK(engine_->Close());
  ASSERT_OK_AND_ASSIGN(std::vector<LogPiece> pieces,
                       ReadIntactLogs(directory_.File("data"), kStoreId));
  ASSERT_FALSE(pieces.empty());
  EXPECT_EQ(pieces.back().last_sequence, last);
  EXPECT_EQ(pieces.back().begin, 0u);
}

}  // namespace
}  // namespace mooring::engine
