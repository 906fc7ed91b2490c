#include "tests/testing/commit_oracle.h"

#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "src/base/status.h"
#include "tests/testing/fault_file_contents.h"

namespace mooring::testing {
namespace {

using Kind = OracleOperation::Kind;

std::string KeyOf(int writer, uint64_t key) {
  return absl::StrFormat("%skey%05d", CommitOracle::KeyPrefixOf(writer), key);
}

uint64_t Mix(uint64_t hash, std::string_view text) {
  for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return (hash ^ 0xff) * 0x100000001b3;  // So that "ab", "c" differs from "a", "bc".
}

std::string HashOf(const std::string& previous, const std::vector<OracleOperation>& operations) {
  uint64_t hash = Mix(0xcbf29ce484222325, previous);
  for (const OracleOperation& operation : operations) {
    hash = Mix(hash, absl::StrCat(operation.table, ",", static_cast<int>(operation.kind)));
    hash = Mix(Mix(hash, operation.key), operation.value);
  }
  return absl::StrFormat("%016x", hash);
}

}  // namespace

std::string CommitOracle::KeyPrefixOf(int writer) { return absl::StrFormat("w%03d/", writer); }

void Apply(const OracleOperation& operation, OracleTables* tables) {
  std::map<std::string, std::string>& entries = (*tables)[operation.table];
  if (operation.kind == Kind::kPut) {
    entries[operation.key] = operation.value;
  } else if (operation.kind == Kind::kDelete) {
    entries.erase(operation.key);
  } else {
    entries.erase(entries.lower_bound(operation.key), entries.lower_bound(operation.value));
  }
  if (entries.empty()) tables->erase(operation.table);
}

CommitOracle::CommitOracle(const Options& options) : options_(options) {
  chains_.resize(options.writers);
}

CommitOracle::Entry CommitOracle::MakeEntry(int writer, const Chain& chain) const {
  const uint64_t number = chain.last() + 1;
  FaultRandom random(Mix(options_.seed, absl::StrCat(writer, ",", chain.life, ",", number)));
  // Two tables at least, so that a half batch shows.
  std::set<int> tables = {static_cast<int>(random.Below(options_.tables))};
  while (static_cast<int>(tables.size()) < std::min(2, options_.tables) || random.OneIn(3)) {
    tables.insert(static_cast<int>(random.Below(options_.tables)));
  }
  Entry entry;
  for (const int table : tables) {
    for (uint64_t left = 1 + random.Below(3); left > 0; --left) {
      const uint64_t key = random.Below(options_.keys_per_writer);
      if (random.OneIn(8) && options_.range_deletions) {
        const std::string end = KeyOf(writer, key + 1 + random.Below(5));
        entry.operations.push_back({table, Kind::kDeleteRange, KeyOf(writer, key), end});
      } else if (random.OneIn(6)) {
        entry.operations.push_back({table, Kind::kDelete, KeyOf(writer, key), ""});
      } else {
        std::string value = absl::StrCat("commit ", number, ":");
        for (uint64_t i = random.Below(options_.max_value_bytes); i > 0; --i) {
          value.push_back(static_cast<char>(random.Below(256)));
        }
        entry.operations.push_back({table, Kind::kPut, KeyOf(writer, key), std::move(value)});
      }
    }
  }
  const std::string& previous = chain.entries.empty() ? chain.base_hash : chain.entries.back().hash;
  entry.hash = HashOf(previous, entry.operations);
  for (const int table : tables) {
    entry.operations.push_back({table, Kind::kPut, KeyPrefixOf(writer) + "head",
                                absl::StrCat(number, " ", entry.hash, " after ", previous)});
  }
  return entry;
}

const CommitOracle::Entry& CommitOracle::Append(int writer) {
  Chain& chain = chains_[writer];
  Entry entry = MakeEntry(writer, chain);
  for (const Chain& other : chains_) {
    entry.acknowledged_before.push_back(other.acknowledged_process);
  }
  chain.entries.push_back(std::move(entry));
  return chain.entries.back();
}

OracleCommit CommitOracle::Next(int writer) { return NextShared({writer}); }

OracleCommit CommitOracle::NextShared(const std::vector<int>& writers) {
  absl::MutexLock lock(&mutex_);
  OracleCommit commit;
  for (const int writer : writers) {
    const Entry& entry = Append(writer);
    commit.parts.emplace_back(writer, chains_[writer].last());
    commit.operations.insert(commit.operations.end(), entry.operations.begin(),
                             entry.operations.end());
  }
  for (const int writer : writers) chains_[writer].entries.back().shared = commit.parts;
  return commit;
}

void CommitOracle::Acknowledge(const OracleCommit& commit, Level level) {
  for (const auto& [writer, number] : commit.parts) AcknowledgeNumber(writer, number, level);
}

void CommitOracle::AcknowledgeNumber(int writer, uint64_t number, Level level) {
  absl::MutexLock lock(&mutex_);
  Chain& chain = chains_[writer];
  chain.acknowledged_process = std::max(chain.acknowledged_process, number);
  if (level != Level::kVolume) return;
  chain.acknowledged_volume = std::max(chain.acknowledged_volume, number);
}

void CommitOracle::Withdraw(const OracleCommit& commit) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [writer, number] : commit.parts) {
    Chain& chain = chains_[writer];
    if (chain.last() != number || chain.entries.empty()) continue;
    chain.entries.pop_back();
    ++chain.life;
  }
}

CommitOracle::Chain CommitOracle::Extended(int writer, Chain chain, uint64_t number) const {
  while (chain.last() < number) chain.entries.push_back(MakeEntry(writer, chain));
  return chain;
}

OracleTables CommitOracle::ModelAt(const Chain& chain, uint64_t number) {
  return ModelWithout(chain, number, 0, -1);
}

OracleTables CommitOracle::ModelWithout(const Chain& chain, uint64_t number, uint64_t missing,
                                        int table) {
  OracleTables model = chain.base;
  for (uint64_t at = chain.base_number + 1; at <= number; ++at) {
    for (const OracleOperation& operation : chain.entries[at - chain.base_number - 1].operations) {
      if (at == missing && (table == -1 || operation.table == table)) continue;
      Apply(operation, &model);
    }
  }
  return model;
}

OracleTables CommitOracle::StateAt(const Position& position) const {
  absl::MutexLock lock(&mutex_);
  OracleTables state;
  for (size_t writer = 0; writer < chains_.size(); ++writer) {
    for (auto& [table, entries] : ModelAt(chains_[writer], position[writer])) {
      state[table].insert(entries.begin(), entries.end());
    }
  }
  return state;
}

CommitOracle::Position CommitOracle::LastAcknowledged(Level level) const {
  absl::MutexLock lock(&mutex_);
  Position position;
  for (const Chain& chain : chains_) {
    position.push_back(level == Level::kVolume ? chain.acknowledged_volume
                                               : chain.acknowledged_process);
  }
  return position;
}

std::string CommitOracle::SaveChains() const {
  absl::MutexLock lock(&mutex_);
  std::string saved;
  for (const Chain& chain : chains_) {
    const std::string& hash = chain.entries.empty() ? chain.base_hash : chain.entries.back().hash;
    absl::StrAppend(&saved, chain.life, ",", chain.last(), ",", hash, ";");
  }
  return saved;
}

void CommitOracle::LoadChains(std::string_view saved) {
  absl::MutexLock lock(&mutex_);
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(saved), ';');
  for (size_t writer = 0; writer < chains_.size() && writer < parts.size(); ++writer) {
    const std::vector<std::string> fields = absl::StrSplit(parts[writer], ',');
    Chain chain;
    if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &chain.life) ||
        !absl::SimpleAtoi(fields[1], &chain.base_number)) {
      continue;
    }
    chain.base_hash = fields[2];
    chains_[writer] = std::move(chain);
  }
}

void CommitOracle::ContinueFrom(const Position& position) {
  absl::MutexLock lock(&mutex_);
  for (size_t writer = 0; writer < chains_.size(); ++writer) {
    const uint64_t number = position[writer];
    Chain chain = Extended(writer, std::move(chains_[writer]), number);
    chain.entries.resize(number - chain.base_number);
    // What is surely there needs no replaying; what is not may be lost by the next power cut.
    const uint64_t base = std::clamp(chain.acknowledged_volume, chain.base_number, number);
    chain.base = ModelAt(chain, base);
    if (base > chain.base_number)
      chain.base_hash = chain.entries[base - chain.base_number - 1].hash;
    chain.entries.erase(chain.entries.begin(), chain.entries.begin() + (base - chain.base_number));
    chain.base_number = base;
    chain.acknowledged_process = number;
    ++chain.life;
    chains_[writer] = std::move(chain);
  }
}

}  // namespace mooring::testing
