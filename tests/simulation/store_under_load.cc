#include "tests/simulation/store_under_load.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/steady_clock.h"

namespace mooring::testing {
namespace {

constexpr absl::Duration kBound = absl::Seconds(90);

bool Await(const std::function<bool()>& condition) {
  const Deadline deadline(kBound);
  while (!condition()) {
    if (deadline.Passed()) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

CommitOracle::Options OwnWorkload(uint64_t seed, int max_value_bytes, bool range_deletions) {
  CommitOracle::Options options = WorkloadOf(seed, /*large=*/false);
  options.issued_elsewhere = false;
  options.max_value_bytes = max_value_bytes;
  options.range_deletions = range_deletions;
  return options;
}

}  // namespace

void FillBatch(const OracleCommit& commit, const std::array<Table, kWorkloadTables>& tables,
               WriteBatch* batch) {
  batch->Clear();
  for (const OracleOperation& operation : commit.operations) {
    const Table& table = tables[static_cast<size_t>(operation.table)];
    switch (operation.kind) {
      case OracleOperation::Kind::kPut:
        batch->Put(table, operation.key, operation.value);
        break;
      case OracleOperation::Kind::kDelete:
        batch->Delete(table, operation.key);
        break;
      case OracleOperation::Kind::kDeleteRange:
        batch->DeleteRange(table, operation.key, operation.value);
        break;
    }
  }
}

StoreUnderLoad::StoreUnderLoad(std::string volume, uint64_t seed, int max_value_bytes,
                               bool range_deletions)
    : volume_(std::move(volume)), oracle_(OwnWorkload(seed, max_value_bytes, range_deletions)) {}

StoreUnderLoad::~StoreUnderLoad() { Close().IgnoreError(); }

absl::Status StoreUnderLoad::Open(CommitOracle::Loss loss) {
  Options options;
  options.volume = volume_;
  options.allow_unsafe_volume = true;
  options.cache_bytes = int64_t{8} << 20;
  options.write_buffer_bytes = int64_t{1} << 20;
  options.wal_file_bytes = int64_t{1} << 20;
  options.max_wal_bytes = int64_t{2} << 20;
  MOORING_ASSIGN_OR_RETURN(store_, Store::Open(options));
  for (int table = 0; table < kWorkloadTables; ++table) {
    MOORING_ASSIGN_OR_RETURN(tables_[static_cast<size_t>(table)],
                             store_->OpenTable(absl::StrCat("table", table)));
  }
  MOORING_ASSIGN_OR_RETURN(const OracleTables found, Read());
  MOORING_ASSIGN_OR_RETURN(const CommitOracle::Position position, oracle_.Judge(found, loss));
  oracle_.ContinueFrom(position);
  for (int writer = 0; writer < kWorkloadWriters; ++writer) {  // Recovering has synced it.
    oracle_.AcknowledgeNumber(writer, position[static_cast<size_t>(writer)],
                              CommitOracle::Level::kVolume);
  }
  refused_ = 0;
  distrusted_ = false;
  return absl::OkStatus();
}

void StoreUnderLoad::Start() {
  stopping_ = false;
  for (int writer = 0; writer < kWorkloadWriters; ++writer) {
    writers_.emplace_back([this, writer] {
      for (int i = 0; !stopping_; ++i) {
        const absl::Status status = CommitNext(writer, /*process=*/i % 3 == 0);
        if (status.ok()) continue;
        absl::MutexLock lock(&mutex_);
        refusal_ = status;
        ++refused_;
        return;
      }
    });
  }
}

void StoreUnderLoad::Stop() {
  stopping_ = true;
  for (std::thread& writer : writers_) writer.join();
  writers_.clear();
}

absl::Status StoreUnderLoad::Write(int count) {
  for (int i = 0; i < count; ++i) {
    for (int writer = 0; writer < kWorkloadWriters; ++writer) {
      MOORING_RETURN_IF_ERROR(CommitNext(writer, /*process=*/i % 3 == 0 && i + 1 < count));
    }
  }
  return absl::OkStatus();
}

absl::Status StoreUnderLoad::CommitNext(int writer, bool process) {
  const OracleCommit commit = oracle_.Next(writer);
  WriteBatch batch;
  FillBatch(commit, tables_, &batch);
  CommitOptions options;
  if (process) options.durability = Durability::kProcess;
  MOORING_RETURN_IF_ERROR(store_->Commit(batch, options).status());
  oracle_.Acknowledge(commit, process || distrusted_ ? CommitOracle::Level::kProcess
                                                     : CommitOracle::Level::kVolume);
  ++acknowledged_;
  return absl::OkStatus();
}

absl::StatusOr<OracleTables> StoreUnderLoad::Read() {
  OracleTables found;
  for (int table = 0; table < kWorkloadTables; ++table) {
    Iterator iterator = tables_[static_cast<size_t>(table)].Scan();
    for (; iterator.Valid(); iterator.Next()) {
      found[table][std::string(iterator.key())] = std::string(iterator.value());
    }
    MOORING_RETURN_IF_ERROR(iterator.status());
  }
  return found;
}

absl::Status StoreUnderLoad::Judge(const OracleTables& found, CommitOracle::Loss loss) const {
  return oracle_.Judge(found, loss).status();
}

absl::Status StoreUnderLoad::Close() {
  Stop();
  if (store_ == nullptr) return absl::OkStatus();
  const CloseReport report = store_->Close(kBound);
  for (Table& table : tables_) table = Table();
  if (!report.released) {
    return absl::DeadlineExceededError(
        absl::StrCat("the volume is not released: ", report.status.ToString()));
  }
  store_.reset();
  return absl::OkStatus();
}

bool StoreUnderLoad::AwaitAcknowledged(int64_t more) const {
  const int64_t enough = acknowledged_ + more;
  return Await([&] { return acknowledged_ >= enough || refused_ > 0; });
}

bool StoreUnderLoad::AwaitRefusal() const {
  return Await([&] { return refused_ == kWorkloadWriters; });
}

absl::Status StoreUnderLoad::refusal() const {
  absl::MutexLock lock(&mutex_);
  return refusal_;
}

}  // namespace mooring::testing
