#include "src/archive/history.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"

namespace mooring::archive {
namespace {

absl::Status CheckEntry(const HistoryEntry& entry, bool first) {
  if (!IsId(entry.incarnation)) {
    return absl::InvalidArgumentError(absl::StrCat("the history names an incarnation '",
                                                   entry.incarnation,
                                                   "', which is not 32 hexadecimal digits"));
  }
  if (first && entry.first_sequence != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the history begins at sequence ", entry.first_sequence, " instead of 1"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<History> History::FromEntries(std::vector<HistoryEntry> entries) {
  std::vector<std::string> ids;
  for (size_t i = 0; i < entries.size(); ++i) {
    MOORING_RETURN_IF_ERROR(CheckEntry(entries[i], i == 0));
    if (i > 0 && entries[i].first_sequence <= entries[i - 1].first_sequence) {
      return absl::InvalidArgumentError(absl::StrCat("the history has sequence ",
                                                     entries[i].first_sequence, " after ",
                                                     entries[i - 1].first_sequence));
    }
    ids.push_back(entries[i].incarnation);
  }
  std::sort(ids.begin(), ids.end());
  if (const auto twice = std::adjacent_find(ids.begin(), ids.end()); twice != ids.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the history has incarnation ", *twice, " twice"));
  }
  History history;
  history.entries_ = std::move(entries);
  return history;
}

absl::Status History::Append(HistoryEntry entry) {
  MOORING_RETURN_IF_ERROR(CheckEntry(entry, entries_.empty()));
  const auto same = [&](const HistoryEntry& e) { return e.incarnation == entry.incarnation; };
  if (std::any_of(entries_.begin(), entries_.end(), same)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the history has incarnation ", entry.incarnation, " already"));
  }
  if (!entries_.empty() && entry.first_sequence < entries_.back().first_sequence) {
    return absl::InvalidArgumentError(absl::StrCat(
        "incarnation ", entry.incarnation, " cannot begin at sequence ", entry.first_sequence,
        ": the one before begins at ", entries_.back().first_sequence));
  }
  if (!entries_.empty() && entry.first_sequence == entries_.back().first_sequence) {
    entries_.pop_back();
  }
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

History History::Until(uint64_t last_sequence) const {
  History result;
  for (const HistoryEntry& entry : entries_) {
    if (entry.first_sequence > last_sequence) break;
    result.entries_.push_back(entry);
  }
  return result;
}

const HistoryEntry* History::WriterOf(uint64_t sequence) const {
  const HistoryEntry* writer = nullptr;
  for (const HistoryEntry& entry : entries_) {
    if (entry.first_sequence > sequence) break;
    writer = &entry;
  }
  return writer;
}

Relation Compare(const State& a, const State& b) {
  const uint64_t common = std::min(a.last_sequence, b.last_sequence);
  if (!(a.history.Until(common) == b.history.Until(common))) return Relation::kDiverged;
  if (a.last_sequence == b.last_sequence) return Relation::kEqual;
  return a.last_sequence > b.last_sequence ? Relation::kContains : Relation::kStrictPrefix;
}

bool IsId(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace mooring::archive
