#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::archive {

// One open of the store, and the first operation that it could write.
struct HistoryEntry {
  std::string incarnation;      // Random: 32 lower-case hexadecimal digits.
  uint64_t epoch = 0;           // For people. Two opens of cloned volumes may have the same.
  uint64_t first_sequence = 0;  // From 1 up.

  // By who wrote what; the epoch decides nothing.
  friend bool operator==(const HistoryEntry& a, const HistoryEntry& b) {
    return a.incarnation == b.incarnation && a.first_sequence == b.first_sequence;
  }
  friend bool operator!=(const HistoryEntry& a, const HistoryEntry& b) { return !(a == b); }
};

// Who wrote which operations of a store: each incarnation from its first sequence up to the next
// one's. Incarnations that wrote nothing are not kept once a later one begins at the same place, so
// that an open without a commit makes no state look different (A10).
class History {
 public:
  History() = default;

  // INVALID_ARGUMENT where an id is malformed or comes twice, the first entry does not begin at
  // sequence 1, or an entry does not begin after the one before.
  static absl::StatusOr<History> FromEntries(std::vector<HistoryEntry> entries);

  // Adds an open that continues after `first_sequence` - 1. INVALID_ARGUMENT as above, except that
  // it may take the place of a last one that begins at the same sequence.
  [[nodiscard]] absl::Status Append(HistoryEntry entry);

  // What it was when the store ended at `last_sequence`.
  History Until(uint64_t last_sequence) const;
  // Who wrote `sequence`; null where nobody did.
  const HistoryEntry* WriterOf(uint64_t sequence) const;

  const std::vector<HistoryEntry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

  friend bool operator==(const History& a, const History& b) { return a.entries_ == b.entries_; }

 private:
  std::vector<HistoryEntry> entries_;
};

// A state of a store: all operations up to `last_sequence`, written by whom `history` says. 0 is
// the empty state.
struct State {
  History history;
  uint64_t last_sequence = 0;
};

enum class Relation {
  kEqual = 0,
  kContains = 1,      // All of the other state, and more.
  kStrictPrefix = 2,  // The other state has all of this one, and more.
  kDiverged = 3,      // Each has something that the other has not.
};

// How `a` stands to `b`. Decided by who wrote what, never by an epoch.
Relation Compare(const State& a, const State& b);

// Whether `text` is 32 lower-case hexadecimal digits, as RandomId() makes them.
bool IsId(std::string_view text);

}  // namespace mooring::archive
