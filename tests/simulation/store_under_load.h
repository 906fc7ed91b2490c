#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "mooring/store.h"
#include "tests/simulation/kill_workload.h"
#include "tests/testing/commit_oracle.h"

namespace mooring::testing {

// The operations of `commit` on the tables of a store.
void FillBatch(const OracleCommit& commit, const std::array<Table, kWorkloadTables>& tables,
               WriteBatch* batch);

// A store in this process on a volume that will fail, with the writers of the kill test and the
// oracle that judges it. Not thread-safe.
class StoreUnderLoad {
 public:
  StoreUnderLoad(std::string volume, uint64_t seed, int max_value_bytes = 200,
                 bool range_deletions = true);
  ~StoreUnderLoad();

  // Opens the store, reads all of it, and judges whether it stands where it may stand.
  absl::Status Open(CommitOracle::Loss loss);
  // Starts the writers. Each goes on until Stop() or a commit that is not acknowledged.
  void Start();
  void Stop();
  // Commits `count` times with each writer.
  absl::Status Write(int count);
  // Stops, and closes the store: DEADLINE_EXCEEDED where the volume is not released in time.
  absl::Status Close();

  // Until the next Open(), the oracle does not hold the volume to an acknowledgement at kVolume.
  void DistrustTheVolume() { distrusted_ = true; }

  bool AwaitAcknowledged(int64_t more) const;
  // Waits until every writer was refused.
  bool AwaitRefusal() const;

  // What a reader of a copy found, judged by what was acknowledged so far.
  absl::Status Judge(const OracleTables& found, CommitOracle::Loss loss) const;
  const std::string& id() const { return store_->id(); }

  int64_t acknowledged() const { return acknowledged_; }
  Health health() const { return store_->health(); }
  // Why the writers were refused, one of them.
  absl::Status refusal() const;

 private:
  absl::Status CommitNext(int writer, bool process);
  absl::StatusOr<OracleTables> Read();

  const std::string volume_;
  CommitOracle oracle_;
  std::unique_ptr<Store> store_;
  std::array<Table, kWorkloadTables> tables_;
  std::vector<std::thread> writers_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> acknowledged_{0};
  std::atomic<int> refused_{0};
  std::atomic<bool> distrusted_{false};
  mutable absl::Mutex mutex_;
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
