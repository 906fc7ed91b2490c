#include "tests/simulation/snapshot_writers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "tests/simulation/store_under_load.h"

namespace mooring::testing {
namespace {

CommitOracle::Options OwnWorkload(uint64_t seed) {
  CommitOracle::Options options = WorkloadOf(seed, /*large=*/false);
  options.issued_elsewhere = false;
  return options;
}

}  // namespace

Options SnapshotRoundOptions(std::string volume) {
  Options options;
  options.volume = std::move(volume);
  options.allow_unsafe_volume = true;
  options.cache_bytes = int64_t{8} << 20;
  options.write_buffer_bytes = int64_t{1} << 20;
  options.wal_file_bytes = int64_t{1} << 20;
  options.max_wal_bytes = int64_t{2} << 20;
  return options;
}

absl::StatusOr<OracleTables> ReadWorkload(Store& store) {
  OracleTables found;
  for (int i = 0; i < kWorkloadTables; ++i) {
    MOORING_ASSIGN_OR_RETURN(Table table, store.OpenTable(absl::StrCat("table", i)));
    Iterator iterator = table.Scan();
    for (; iterator.Valid(); iterator.Next()) {
      found[i][std::string(iterator.key())] = std::string(iterator.value());
    }
    MOORING_RETURN_IF_ERROR(iterator.status());
  }
  return found;
}

SnapshotWriters::SnapshotWriters(Store* store, uint64_t seed)
    : store_(store), oracle_(OwnWorkload(seed)) {}

absl::Status SnapshotWriters::Start() {
  for (int table = 0; table < kWorkloadTables; ++table) {
    MOORING_ASSIGN_OR_RETURN(tables_[static_cast<size_t>(table)],
                             store_->OpenTable(absl::StrCat("table", table)));
  }
  for (int writer = 0; writer < kWorkloadWriters; ++writer) {
    threads_.emplace_back([this, writer] {
      absl::Status status;
      for (int i = 0; !stopping_ && status.ok(); ++i) {
        status = CommitNext(writer, /*process=*/i % 3 == 0);
      }
      absl::MutexLock lock(&mutex_);
      error_.Update(status);
    });
  }
  return absl::OkStatus();
}

absl::Status SnapshotWriters::CommitNext(int writer, bool process) {
  WriteBatch batch;
  FillBatch(oracle_.Next(writer), tables_, &batch);
  CommitOptions options;
  if (process) options.durability = Durability::kProcess;
  MOORING_ASSIGN_OR_RETURN(const Version version, store_->Commit(batch, options));
  versions_[static_cast<size_t>(writer)].push_back(version);
  ++acknowledged_;
  return absl::OkStatus();
}

absl::Status SnapshotWriters::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  absl::MutexLock lock(&mutex_);
  return error_;
}

absl::StatusOr<OracleTables> SnapshotWriters::StateAt(Version version) const {
  CommitOracle::Position position;
  bool found = false;
  for (const std::vector<Version>& versions : versions_) {
    const auto end = std::upper_bound(versions.begin(), versions.end(), version);
    position.push_back(static_cast<uint64_t>(end - versions.begin()));
    found = found || (end != versions.begin() && *(end - 1) == version);
  }
  if (found) return oracle_.StateAt(position);
  return absl::InternalError(absl::StrCat("no commit has version ", version.ToString()));
}

}  // namespace mooring::testing
