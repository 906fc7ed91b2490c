#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace mooring::testing {

struct OracleOperation {
  enum class Kind { kPut, kDelete, kDeleteRange };
  int table = 0;
  Kind kind = Kind::kPut;
  std::string key;    // the first key of a range
  std::string value;  // the end of a range, not in it
};

// What a store holds: table index to keys and values.
using OracleTables = std::map<int, std::map<std::string, std::string>>;

void Apply(const OracleOperation& operation, OracleTables* tables);

// One atomic commit. `parts` are the (writer, number) that it stands for: one, unless it is shared.
struct OracleCommit {
  std::vector<std::pair<int, uint64_t>> parts;
  std::vector<OracleOperation> operations;
};

// Judges whether a recovered store stands where it may stand.
//
// Each writer makes a chain of commits, numbered from 1, in keys of its own. Every commit writes in
// at least two tables (where there are two), and in each of them a head: its number, and a hash
// over all of the chain up to it. So the recovered heads tell the number, and the whole of the
// recovered state must equal the model's at exactly that number: no hole, no half batch, nothing
// from beyond.
//
//   CommitOracle oracle({seed, writers, tables});
//   each writer: commit = oracle.Next(writer); <commit it>; oracle.Acknowledge(commit, kVolume);
//   <crash, recover, read everything>
//   ASSERT_OK_AND_ASSIGN(auto recovered, oracle.Judge(tables, OracleLoss::kPowerCut));
//   oracle.ContinueFrom(recovered);  // and so on
//
// A writer whose commit's outcome is unknown makes no other before ContinueFrom. The contents
// depend on nothing but the seed, the writer, the number and how often the writer continued, so
// that another process makes the same ones. Thread-safe.
class CommitOracle {
 public:
  enum class Level { kProcess, kVolume };
  enum class Loss { kProcessKill, kPowerCut };

  struct Options {
    uint64_t seed = 1;
    int writers = 1;
    int tables = 3;
    int keys_per_writer = 40;
    int max_value_bytes = 200;
    // Another process calls Next: numbers that were not given out here may be found.
    bool issued_elsewhere = false;
    bool range_deletions = true;
  };
  // The last commit of each writer.
  using Position = std::vector<uint64_t>;

  explicit CommitOracle(const Options& options);

  // What all keys of a writer begin with.
  static std::string KeyPrefixOf(int writer);

  OracleCommit Next(int writer);
  // One atomic commit that is the next one of each of these different writers.
  OracleCommit NextShared(const std::vector<int>& writers);
  void Acknowledge(const OracleCommit& commit, Level level);
  // As Acknowledge, for acknowledgements logged by another process.
  void AcknowledgeNumber(int writer, uint64_t number, Level level);
  // The commit was refused and surely not applied: its numbers are given out again. It must be the
  // last one of its writers.
  void Withdraw(const OracleCommit& commit);

  // Where the recovered state stands. DATA_LOSS, naming the writer and the commit, where a commit
  // is missing, half present, out of order, made up, or acknowledged and lost: all acknowledged
  // ones must survive a kill, those at kVolume a power cut, and whatever survives must be a prefix.
  absl::StatusOr<Position> Judge(const OracleTables& recovered, Loss loss) const;
  // The writers go on after `position`, which Judge returned. What it holds has been recovered and
  // served, so from now on it must survive a kill.
  void ContinueFrom(const Position& position);

  // Where the chains end, as text for the command line of a process that goes on with them. That
  // process only makes commits; judging stays here.
  std::string SaveChains() const;
  void LoadChains(std::string_view saved);

  // What the model holds when each writer stands at `position`.
  OracleTables StateAt(const Position& position) const;
  Position LastAcknowledged(Level level) const;

 private:
  struct Entry {
    std::vector<OracleOperation> operations;
    std::string hash;
    Position acknowledged_before;                  // of all writers, when it was given out
    std::vector<std::pair<int, uint64_t>> shared;  // its other parts
  };
  struct Chain {
    uint64_t base_number = 0;
    std::string base_hash;
    OracleTables base;           // at base_number
    std::vector<Entry> entries;  // number i + 1 after base_number
    uint64_t life = 0;           // how often the chain went back or continued
    uint64_t acknowledged_process = 0;
    uint64_t acknowledged_volume = 0;

    uint64_t last() const { return base_number + entries.size(); }
  };

  Entry MakeEntry(int writer, const Chain& chain) const;
  const Entry& Append(int writer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `chain` made as long as what was found, where another process made it.
  Chain Extended(int writer, Chain chain, uint64_t number) const;
  static OracleTables ModelAt(const Chain& chain, uint64_t number);
  // The model without commit `missing`, or without what it wrote in `table` if that is not -1.
  static OracleTables ModelWithout(const Chain& chain, uint64_t number, uint64_t missing,
                                   int table);
  absl::StatusOr<uint64_t> FindNumber(int writer, const OracleTables& found) const;
  absl::Status JudgeWriter(int writer, const Chain& chain, uint64_t number,
                           const OracleTables& found, Loss loss) const;
  absl::Status Explain(int writer, const Chain& chain, uint64_t number,
                       const OracleTables& found) const;
  absl::Status JudgeOrder(const Position& position) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Options options_;
  mutable absl::Mutex mutex_;
  std::vector<Chain> chains_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
