#include "tests/simulation/archive_chains.h"

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "src/base/status.h"

namespace mooring::testing {
namespace {

// FNV-1a: the same in every process.
uint64_t Hash(uint64_t hash, std::string_view bytes) {
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * uint64_t{0x100000001b3};
  }
  return hash;
}

bool ReadNumbers(const std::string& text, ChainNumbers* numbers) {
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  if (parts.size() != numbers->size()) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!absl::SimpleAtoi(parts[i], &(*numbers)[i])) return false;
  }
  return true;
}

bool ReadChain(const std::string& text, int* chain) {
  return absl::SimpleAtoi(text, chain) && *chain >= 0 && *chain < kChains;
}

}  // namespace

std::string HeadKey(int chain) { return absl::StrCat("h/", chain); }

std::string RecordKey(int chain, uint64_t number) {
  return absl::StrFormat("c/%d/%020d", chain, number);
}

std::string EncodeRecord(const ChainRecord& record, std::string_view payload) {
  return absl::StrCat(record.owner, " ", record.previous, " ", absl::StrJoin(record.seen, ","), " ",
                      ToAbsl(payload));
}

std::string HashRecord(int chain, uint64_t number, std::string_view value) {
  constexpr uint64_t kBasis = 0xcbf29ce484222325;
  return absl::StrFormat("%016x", Hash(Hash(kBasis, RecordKey(chain, number)), value));
}

absl::StatusOr<ChainRecord> DecodeRecord(std::string_view key, std::string_view value, int* chain) {
  const std::vector<std::string> path = absl::StrSplit(ToAbsl(key), '/');
  const std::vector<std::string> words = absl::StrSplit(ToAbsl(value), absl::MaxSplits(' ', 3));
  ChainRecord record;
  if (path.size() != 3 || path[0] != "c" || !ReadChain(path[1], chain) ||
      !absl::SimpleAtoi(path[2], &record.number) || words.size() != 4 ||
      !ReadNumbers(words[2], &record.seen)) {
    return absl::InvalidArgumentError(absl::StrCat("no record: ", ToAbsl(key)));
  }
  record.owner = words[0];
  record.previous = words[1];
  record.hash = HashRecord(*chain, record.number, value);
  return record;
}

std::string RecordLine(int chain, const ChainRecord& record) {
  return absl::StrCat("record ", chain, " ", record.number, " ", record.owner, " ", record.previous,
                      " ", absl::StrJoin(record.seen, ","), " ", record.hash, "\n");
}

std::string HeadLine(int chain, std::string_view head) {
  return absl::StrCat("head ", chain, " ", ToAbsl(head), "\n");
}

bool ReadLine(const std::vector<std::string>& words, HeldState* state) {
  int chain = 0;
  if (words.size() < 4 || !ReadChain(words[1], &chain)) return false;
  const auto at = static_cast<size_t>(chain);
  if (words[0] == "head" && words.size() == 4) {
    state->heads[at] = absl::StrCat(words[2], " ", words[3]);
    return true;
  }
  ChainRecord record;
  if (words[0] != "record" || words.size() != 7 || !absl::SimpleAtoi(words[2], &record.number) ||
      !ReadNumbers(words[5], &record.seen)) {
    return false;
  }
  record.owner = words[3];
  record.previous = words[4];
  record.hash = words[6];
  state->chains[at].push_back(std::move(record));
  return true;
}

}  // namespace mooring::testing
