// What the engine answers after its own work on the volume has failed.
#include <errno.h>

#include <memory>
#include <string>

#include "src/engine/batch_operations.h"
#include "src/engine/rocksdb_engine.h"
#include "tests/testing/fault_file_system.h"
#include "tests/testing/status_matchers.h"

namespace mooring::engine {
namespace {

using mooring::testing::FaultFileSystem;
using mooring::testing::IsOk;
using ::testing::Not;

class EngineFailureTest : public ::testing::Test {
 protected:
  EngineFailureTest() {
    options_.directory = "/db";
    options_.store_id = "00112233445566778899aabbccddeeff";
    options_.create = true;
    options_.cache_bytes = options_.write_buffer_bytes = options_.wal_file_bytes = 1 << 20;
    options_.max_wal_bytes = 2 << 20;
    options_.failed = [this](const absl::Status&) { ++failures_; };
  }

  void Open() { ASSERT_OK_AND_ASSIGN(engine_, RocksDbEngine::Open(options_, files_)); }

  absl::Status Put(const EngineTable& table, std::string_view key) {
    std::string operations;
    AppendOperation({OperationKind::kPut, table.id(), key, "value"}, &operations);
    engine_->BeginGroup();
    if (absl::Status s = engine_->AddToGroup({operations, 1, 0}); !s.ok()) return s;
    return engine_->WriteGroup(/*sync=*/true).status();
  }

  EngineOptions options_;
  int failures_ = 0;
  const std::shared_ptr<FaultFileSystem> files_ = FaultFileSystem::Create();
  std::unique_ptr<Engine> engine_;
};

// The MANIFEST may say that the table is gone: what is put into it now would be gone after
// reopening.
TEST_F(EngineFailureTest, NothingIsAcknowledgedAfterADropWhoseSyncFailed) {
  Open();
  ASSERT_OK_AND_ASSIGN(const TablePtr table, engine_->CreateTable("orders"));
  ASSERT_OK(Put(*table, "before"));
  files_->faults().Add({testing::kSyncCall, "MANIFEST", 1, false, EIO, false, false});
  EXPECT_THAT(engine_->DropTable(*table), Not(IsOk()));
  const absl::Status put = Put(*table, "after");
  EXPECT_EQ(failures_, 1);
  engine_.reset();

  options_.create = false;
  Open();
  const bool survived = !engine_->Tables().empty();
  EXPECT_TRUE(survived || !put.ok()) << "an acknowledged commit is gone";
  EXPECT_THAT(put, Not(IsOk()));
}

TEST_F(EngineFailureTest, NothingIsAcknowledgedAfterATableWhoseSyncFailed) {
  Open();
  ASSERT_OK_AND_ASSIGN(const TablePtr table, engine_->CreateTable("orders"));
  files_->faults().Add({testing::kSyncCall, "MANIFEST", 1, false, EIO, false, false});
  EXPECT_THAT(engine_->CreateTable("more"), Not(IsOk()));
  EXPECT_EQ(failures_, 1);
  EXPECT_THAT(Put(*table, "after"), Not(IsOk()));
}

}  // namespace
}  // namespace mooring::engine
