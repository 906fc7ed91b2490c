#include "tests/simulation/engine_life.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/engine/batch_operations.h"
#include "src/engine/rocksdb_engine.h"

namespace mooring::simulation {
namespace {

using testing::CommitOracle;
using testing::OracleCommit;
using testing::OracleOperation;

engine::OperationKind KindOf(const OracleOperation& operation) {
  switch (operation.kind) {
    case OracleOperation::Kind::kPut:
      return engine::OperationKind::kPut;
    case OracleOperation::Kind::kDelete:
      return engine::OperationKind::kDelete;
    case OracleOperation::Kind::kDeleteRange:
      break;
  }
  return engine::OperationKind::kDeleteRange;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EngineLife>> EngineLife::Open(
    std::shared_ptr<testing::FaultFileSystem> files, bool create) {
  engine::EngineOptions options;
  options.directory = "/data";
  options.store_id = "00112233445566778899aabbccddeeff";
  options.create = create;
  options.cache_bytes = 1 << 20;
  // Small, so that a short life flushes, rotates and recycles.
  options.write_buffer_bytes = 64 << 10;
  options.wal_file_bytes = 64 << 10;
  options.max_wal_bytes = 256 << 10;
  std::unique_ptr<EngineLife> life(new EngineLife);
  options.failed = [raw = life.get()](const absl::Status& reason) {
    if (raw->queue_ != nullptr) raw->queue_->Fail(reason);
  };
  MOORING_ASSIGN_OR_RETURN(life->engine_, engine::RocksDbEngine::Open(options, std::move(files)));
  MOORING_RETURN_IF_ERROR(life->MakeTables());
  life->queue_ = std::make_unique<internal::CommitQueue>(life->engine_.get(), /*epoch=*/1,
                                                         [](const absl::Status&) {});
  return life;
}

EngineLife::~EngineLife() {
  if (queue_ != nullptr) queue_->Stop();
  tables_.clear();
  if (engine_ != nullptr) engine_->Close().IgnoreError();
}

absl::Status EngineLife::MakeTables() {
  for (int i = 0; i < kTables; ++i) {
    const std::string name = absl::StrCat("t", i);
    engine::TablePtr found;
    for (engine::TablePtr& table : engine_->Tables()) {
      if (table->name() == name) found = table;
    }
    if (found == nullptr) {
      MOORING_ASSIGN_OR_RETURN(found, engine_->CreateTable(name));
    }
    tables_.push_back(std::move(found));
  }
  return absl::OkStatus();
}

absl::Status EngineLife::Commit(const OracleCommit& commit, Durability durability) {
  std::string operations;
  for (const OracleOperation& operation : commit.operations) {
    engine::AppendOperation(
        {KindOf(operation), tables_[operation.table]->id(), operation.key, operation.value},
        &operations);
  }
  CommitOptions options;
  options.durability = durability;
  return queue_->Add(operations, static_cast<uint32_t>(commit.operations.size()), options).status();
}

void EngineLife::Write(CommitOracle* oracle, int commits, uint64_t seed,
                       const Acknowledge& acknowledge, bool acknowledge_early) {
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([=, &acknowledge] {
      std::mt19937_64 random(seed + static_cast<uint64_t>(writer));
      for (int i = 0; i < commits; ++i) {
        const bool synced = random() % 2 == 0;
        const OracleCommit commit = oracle->Next(writer);
        const bool lie = synced && acknowledge_early;
        const absl::Status status =
            Commit(commit, synced && !lie ? Durability::kVolume : Durability::kProcess);
        const auto level = synced ? CommitOracle::Level::kVolume : CommitOracle::Level::kProcess;
        if (!status.ok() || !acknowledge(commit, level)) return;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
}

testing::OracleTables EngineLife::Read() const {
  testing::OracleTables contents;
  for (int i = 0; i < kTables; ++i) {
    const auto cursor = engine_->NewCursor(*tables_[i], {});
    for (; cursor->Valid(); cursor->Next()) {
      contents[i].emplace(cursor->key(), cursor->value());
    }
  }
  return contents;
}

CommitOracle::Options OracleOptions(uint64_t seed) {
  CommitOracle::Options options;
  options.seed = seed;
  options.writers = EngineLife::kWriters;
  options.tables = EngineLife::kTables;
  return options;
}

std::string Judge(const std::shared_ptr<testing::FaultFileSystem>& left, CommitOracle* oracle,
                  CommitOracle::Loss loss) {
  const auto life = EngineLife::Open(left, /*create=*/false);
  if (!life.ok()) return absl::StrCat("does not open: ", life.status().ToString());
  const auto position = oracle->Judge((*life)->Read(), loss);
  if (!position.ok()) return position.status().ToString();
  oracle->ContinueFrom(*position);
  return "";
}

}  // namespace mooring::simulation
