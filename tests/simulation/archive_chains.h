#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mooring::testing {

// What the processes of the archive suites write, and their oracle judges: in one table three
// chains of numbered commits. Each commit makes one record, which names its owner, the hash of the
// record before, and how far the owner's other chains were acknowledged when it was made, and
// replaces the chain's head. An owner begins with one commit that makes a record in every chain.
inline constexpr int kChains = 3;
inline constexpr char kChainTable[] = "chains";

using ChainNumbers = std::array<uint64_t, kChains>;

struct ChainRecord {
  uint64_t number = 0;  // From 1.
  std::string owner;
  std::string previous;  // The hash of the record before; "-" for the first.
  ChainNumbers seen{};
  std::string hash;  // Over all of this and the payload, so over all of the chain up to here.
};

// What a store holds.
struct HeldState {
  std::array<std::vector<ChainRecord>, kChains> chains;
  std::array<std::string, kChains> heads;  // "<number> <hash>"; empty where there is none.
};

std::string HeadKey(int chain);
std::string RecordKey(int chain, uint64_t number);

// The value of a record; `hash` is not looked at.
std::string EncodeRecord(const ChainRecord& record, std::string_view payload);
std::string HashRecord(int chain, uint64_t number, std::string_view value);
// INVALID_ARGUMENT where the key or the value is none of a record's.
absl::StatusOr<ChainRecord> DecodeRecord(std::string_view key, std::string_view value, int* chain);

// A record, or a head, as one line between processes.
std::string RecordLine(int chain, const ChainRecord& record);
std::string HeadLine(int chain, std::string_view head);
// False where the words are neither.
bool ReadLine(const std::vector<std::string>& words, HeldState* state);

}  // namespace mooring::testing
