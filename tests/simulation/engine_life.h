#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "src/engine/engine.h"
#include "src/store/commit_queue.h"
#include "tests/testing/commit_oracle.h"
#include "tests/testing/fault_file_system.h"

namespace mooring::simulation {

// One opening of the real engine and commit queue over an in-memory disk, without a volume: what
// power cuts and failing calls can do to commits, thousands of times in seconds.
class EngineLife {
 public:
  static constexpr int kTables = 3;
  static constexpr int kWriters = 3;
  // On the disk `files`, made there where `create`.
  static absl::StatusOr<std::unique_ptr<EngineLife>> Open(
      std::shared_ptr<testing::FaultFileSystem> files, bool create);
  ~EngineLife();

  // Told of each acknowledgement; false ends that writer.
  using Acknowledge =
      std::function<bool(const testing::OracleCommit&, testing::CommitOracle::Level)>;
  // The writers' next `commits` commits, at random durabilities, each writer on a thread of its own
  // until its first error. `acknowledge_early` is the negative control: a commit is said to be on
  // the volume when it is with the kernel only.
  void Write(testing::CommitOracle* oracle, int commits, uint64_t seed,
             const Acknowledge& acknowledge, bool acknowledge_early = false);
  testing::OracleTables Read() const;

 private:
  EngineLife() = default;
  absl::Status MakeTables();
  absl::Status Commit(const testing::OracleCommit& commit, Durability durability);

  std::unique_ptr<engine::Engine> engine_;
  std::vector<engine::TablePtr> tables_;
  std::unique_ptr<internal::CommitQueue> queue_;
};

// An oracle for the commits of such lives.
testing::CommitOracle::Options OracleOptions(uint64_t seed);

// Opens what a fault left and compares it. What is wrong, or nothing.
std::string Judge(const std::shared_ptr<testing::FaultFileSystem>& left,
                  testing::CommitOracle* oracle, testing::CommitOracle::Loss loss);

}  // namespace mooring::simulation
