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

// Options of a small store that flushes and rotates often.
Options SnapshotRoundOptions(std::string volume);

// What the workload's tables of a store hold.
absl::StatusOr<OracleTables> ReadWorkload(Store& store);

// The eight writers of the kill test on a new store, and which commit got which version. Not
// thread-safe.
class SnapshotWriters {
 public:
  SnapshotWriters(Store* store, uint64_t seed);
  ~SnapshotWriters() { Stop().IgnoreError(); }

  absl::Status Start();
  // The first error of a commit.
  absl::Status Stop();
  int64_t acknowledged() const { return acknowledged_; }

  // After Stop(): what the store held once all commits up to `version` had happened. INTERNAL where
  // no commit has this version.
  absl::StatusOr<OracleTables> StateAt(Version version) const;

 private:
  absl::Status CommitNext(int writer, bool process);

  Store* const store_;
  CommitOracle oracle_;
  std::array<Table, kWorkloadTables> tables_;
  std::array<std::vector<Version>, kWorkloadWriters> versions_;  // Each writer's own.
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> acknowledged_{0};
  absl::Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
