// The part of CommitOracle that judges a recovered state.

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "tests/testing/commit_oracle.h"

namespace mooring::testing {
namespace {

using Kind = OracleOperation::Kind;

// More commits than any test makes: a larger number is damage.
constexpr uint64_t kMaxChain = 10'000'000;

bool Touches(const OracleOperation& operation, int table, const std::string& key) {
  if (operation.table != table) return false;
  if (operation.kind != Kind::kDeleteRange) return operation.key == key;
  return operation.key <= key && key < operation.value;
}

// A value as a message shows it.
std::string Shown(const std::string* value) {
  if (value == nullptr) return "absent";
  return absl::StrCat("\"", absl::CHexEscape(value->substr(0, 24)), "\" (", value->size(),
                      " bytes)");
}

const std::string* Lookup(const OracleTables& tables, int table, const std::string& key) {
  const auto found = tables.find(table);
  if (found == tables.end()) return nullptr;
  const auto entry = found->second.find(key);
  return entry == found->second.end() ? nullptr : &entry->second;
}

// The part of `tables` whose keys begin with `prefix`; tables without any are left out.
OracleTables Part(const OracleTables& tables, const std::string& prefix) {
  OracleTables part;
  for (const auto& [table, entries] : tables) {
    for (auto entry = entries.lower_bound(prefix);
         entry != entries.end() && entry->first.compare(0, prefix.size(), prefix) == 0; ++entry) {
      part[table].insert(*entry);
    }
  }
  return part;
}

struct Difference {
  int table;
  std::string key;
};

// All (table, key) in which the two differ.
std::vector<Difference> Differences(const OracleTables& a, const OracleTables& b) {
  std::set<std::pair<int, std::string>> keys;
  for (const OracleTables* tables : {&a, &b}) {
    for (const auto& [table, entries] : *tables) {
      for (const auto& [key, value] : entries) keys.emplace(table, key);
    }
  }
  std::vector<Difference> differences;
  for (const auto& [table, key] : keys) {
    const std::string* left = Lookup(a, table, key);
    const std::string* right = Lookup(b, table, key);
    if ((left == nullptr) != (right == nullptr) || (left != nullptr && *left != *right)) {
      differences.push_back({table, key});
    }
  }
  return differences;
}

std::string Name(int writer, uint64_t number) {
  return absl::StrCat("writer ", writer, ": commit ", number);
}

// The number in a head's value.
std::optional<uint64_t> NumberIn(const std::string& head) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(head.substr(0, head.find(' ')), &number) || number > kMaxChain) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

absl::StatusOr<uint64_t> CommitOracle::FindNumber(int writer, const OracleTables& found) const {
  uint64_t largest = 0;
  for (const auto& [table, entries] : found) {
    const std::string* head = Lookup(found, table, KeyPrefixOf(writer) + "head");
    if (head == nullptr) continue;
    const std::optional<uint64_t> number = NumberIn(*head);
    if (!number) {
      return absl::DataLossError(
          absl::StrCat("writer ", writer, ": the head in table ", table, " is ", Shown(head)));
    }
    largest = std::max(largest, *number);
  }
  return largest;
}

// Tries what is likely: one commit missing, or missing in one table. Else tells the first
// difference.
absl::Status CommitOracle::Explain(int writer, const Chain& chain, uint64_t number,
                                   const OracleTables& found) const {
  constexpr int kTries = 200;
  const OracleTables model = ModelAt(chain, number);
  const std::vector<Difference> differences = Differences(model, found);
  int tries = 0;
  for (uint64_t at = number; at > chain.base_number && tries < kTries; --at) {
    std::set<int> tables;
    bool suspect = false;
    for (const OracleOperation& operation : chain.entries[at - chain.base_number - 1].operations) {
      tables.insert(operation.table);
      for (const Difference& difference : differences) {
        suspect = suspect || Touches(operation, difference.table, difference.key);
      }
    }
    if (!suspect) continue;
    ++tries;
    if (ModelWithout(chain, number, at, -1) == found) {
      return absl::DataLossError(absl::StrCat(Name(writer, at),
                                              " is missing, or as good as: the state at ", number,
                                              " is as without it"));
    }
    for (const int table : tables) {
      if (ModelWithout(chain, number, at, table) != found) continue;
      return absl::DataLossError(absl::StrCat(Name(writer, at), " is half present: table ", table,
                                              " lacks it; the state stands at ", number));
    }
  }
  const Difference& first = differences.front();
  return absl::DataLossError(
      absl::StrCat(Name(writer, number), " is where the heads stand, but ", differences.size(),
                   " keys differ from it; the first is ", first.key, " in table ", first.table,
                   ": ", Shown(Lookup(found, first.table, first.key)), " instead of ",
                   Shown(Lookup(model, first.table, first.key))));
}

absl::Status CommitOracle::JudgeWriter(int writer, const Chain& chain, uint64_t number,
                                       const OracleTables& found, Loss loss) const {
  if (number >= chain.base_number && ModelAt(chain, number) != found) {
    return Explain(writer, chain, number, found);
  }
  const bool killed = loss == Loss::kProcessKill;
  const uint64_t required = killed ? chain.acknowledged_process : chain.acknowledged_volume;
  if (number >= required && number >= chain.base_number) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(Name(writer, std::max(required, chain.base_number)),
                                          " was acknowledged", killed ? "" : " at kVolume",
                                          ", but the recovered state ends at commit ", number));
}

absl::Status CommitOracle::JudgeOrder(const Position& position) const {
  for (size_t writer = 0; writer < chains_.size(); ++writer) {
    const Chain& chain = chains_[writer];
    for (uint64_t at = chain.base_number + 1; at <= chain.last(); ++at) {
      const Entry& entry = chain.entries[at - chain.base_number - 1];
      const bool present = at <= position[writer];
      for (const auto& [other, number] : entry.shared) {
        if (!present || number <= position[other]) continue;
        return absl::DataLossError(absl::StrCat(Name(writer, at),
                                                " is half present: it is shared with writer ",
                                                other, ", whose commit ", number, " is missing"));
      }
      for (size_t other = 0; present && other < entry.acknowledged_before.size(); ++other) {
        const uint64_t before = entry.acknowledged_before[other];
        if (before <= position[other]) continue;
        return absl::DataLossError(
            absl::StrCat(Name(writer, at), " is there, but commit ", before, " of writer ", other,
                         ", which was acknowledged before it began, is missing"));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CommitOracle::Position> CommitOracle::Judge(const OracleTables& recovered,
                                                           Loss loss) const {
  absl::MutexLock lock(&mutex_);
  Position position;
  size_t known_keys = 0;
  for (int writer = 0; writer < options_.writers; ++writer) {
    const OracleTables found = Part(recovered, KeyPrefixOf(writer));
    for (const auto& [table, entries] : found) known_keys += entries.size();
    MOORING_ASSIGN_OR_RETURN(const uint64_t number, FindNumber(writer, found));
    if (number > chains_[writer].last() && !options_.issued_elsewhere) {
      return absl::DataLossError(absl::StrCat(Name(writer, number), " was found, but only ",
                                              chains_[writer].last(), " were made"));
    }
    const Chain chain = Extended(writer, chains_[writer], number);
    MOORING_RETURN_IF_ERROR(JudgeWriter(writer, chain, number, found, loss));
    position.push_back(number);
  }
  size_t keys = 0;
  for (const auto& [table, entries] : recovered) keys += entries.size();
  if (keys != known_keys) {
    return absl::DataLossError(
        absl::StrCat(keys - known_keys, " keys were found that no writer made"));
  }
  MOORING_RETURN_IF_ERROR(JudgeOrder(position));
  return position;
}

}  // namespace mooring::testing
