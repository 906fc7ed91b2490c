#include "tests/simulation/archive_oracle.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring::testing {
namespace {

absl::Status Wrong(const std::string& what) { return absl::DataLossError(what); }

std::string Describe(int chain, uint64_t number) {
  return absl::StrCat("commit ", number, " of chain ", chain);
}

// A chain alone: dense, linked, and with its head at the end.
absl::Status JudgeChain(int chain, const HeldState& found) {
  const std::vector<ChainRecord>& records = found.chains[static_cast<size_t>(chain)];
  const std::string& head = found.heads[static_cast<size_t>(chain)];
  std::string previous = "-";
  uint64_t number = 0;
  for (const ChainRecord& record : records) {
    if (record.number != ++number) {
      return Wrong(absl::StrCat("a hole: ", Describe(chain, number), " is missing before ",
                                record.number, " of ", record.owner));
    }
    if (record.previous != previous) {
      return Wrong(absl::StrCat(Describe(chain, number), " of ", record.owner,
                                " does not follow the one before it, of ",
                                number > 1 ? records[number - 2].owner : "nobody"));
    }
    previous = record.hash;
  }
  const std::string expected = records.empty() ? "" : absl::StrCat(number, " ", previous);
  if (head == expected) return absl::OkStatus();
  return Wrong(absl::StrCat("the head of chain ", chain, " is '", head,
                            "', and its records end at '", expected, "'"));
}

// What was acknowledged before a commit was made cannot be missing while that commit is there.
absl::Status JudgeOrder(const HeldState& found) {
  for (int chain = 0; chain < kChains; ++chain) {
    for (const ChainRecord& record : found.chains[static_cast<size_t>(chain)]) {
      for (size_t other = 0; other < kChains; ++other) {
        if (record.seen[other] <= found.chains[other].size()) continue;
        return Wrong(absl::StrCat(Describe(chain, record.number), " is there, but not ",
                                  Describe(static_cast<int>(other), record.seen[other]),
                                  ", which was acknowledged before it was made"));
      }
    }
  }
  return absl::OkStatus();
}

// The owners in the order of a chain.
absl::StatusOr<std::vector<std::string>> OwnersOf(int chain, const HeldState& found) {
  std::vector<std::string> owners;
  std::set<std::string> all;
  for (const ChainRecord& record : found.chains[static_cast<size_t>(chain)]) {
    if (!owners.empty() && owners.back() == record.owner) continue;
    owners.push_back(record.owner);
    if (all.insert(record.owner).second) continue;
    return Wrong(absl::StrCat(Describe(chain, record.number), " is of ", record.owner,
                              ", which was overtaken before: ", absl::StrJoin(owners, " ")));
  }
  return owners;
}

}  // namespace

int ArchiveOracle::Begin(const std::string& volume, bool as_left) {
  Owner owner;
  owner.volume = volume;
  owner.as_left = as_left;
  owner.began = ++now_;
  owner.archived_before = archived_.size();
  owners_.push_back(std::move(owner));
  return static_cast<int>(owners_.size()) - 1;
}

std::string ArchiveOracle::NameOf(int owner) { return absl::StrCat("owner", owner); }

void ArchiveOracle::Acknowledge(int number, Level level, Commit commit) {
  Owner& owner = owners_[static_cast<size_t>(number)];
  ++acknowledged_;
  owner.acknowledged.push_back(commit);
  if (level == Level::kArchive) {
    archived_.push_back({number, std::move(commit), "acknowledged at kArchive"});
    return;
  }
  owner.pending.push_back(std::move(commit));
  Promote(&owner);
}

void ArchiveOracle::Archived(int number, uint64_t sequence, absl::Duration time) {
  Owner& owner = owners_[static_cast<size_t>(number)];
  owner.archived_sequence = std::max(owner.archived_sequence, sequence);
  owner.archived_time = std::max(owner.archived_time, time);
  Promote(&owner);
}

void ArchiveOracle::ArchivedAll(int number) { Archived(number, UINT64_MAX, absl::ZeroDuration()); }

void ArchiveOracle::Promote(Owner* owner) {
  const int number = static_cast<int>(owner - owners_.data());
  const auto waits = [&](const Commit& commit) {
    return commit.version.sequence > owner->archived_sequence &&
           commit.time >= owner->archived_time;
  };
  const auto done = std::stable_partition(owner->pending.begin(), owner->pending.end(), waits);
  for (auto commit = done; commit != owner->pending.end(); ++commit) {
    const bool reported = commit->version.sequence <= owner->archived_sequence;
    archived_.push_back({number, std::move(*commit),
                         reported ? "reported as archived" : "older than the reported lag"});
  }
  owner->pending.erase(done, owner->pending.end());
}

bool ArchiveOracle::Holds(const HeldState& found, const Commit& commit) {
  const std::vector<ChainRecord>& records = found.chains[static_cast<size_t>(commit.chain)];
  return commit.number <= records.size() && records[commit.number - 1].hash == commit.hash;
}

absl::StatusOr<std::vector<int>> ArchiveOracle::JudgeHistory(const HeldState& found) const {
  std::vector<std::string> history;
  for (int chain = 0; chain < kChains; ++chain) {
    MOORING_RETURN_IF_ERROR(JudgeChain(chain, found));
    MOORING_ASSIGN_OR_RETURN(std::vector<std::string> owners, OwnersOf(chain, found));
    if (chain > 0 && owners != history) {
      return Wrong(absl::StrCat("two histories: ", absl::StrJoin(history, " "), " in chain 0, and ",
                                absl::StrJoin(owners, " "), " in chain ", chain));
    }
    history = std::move(owners);
  }
  MOORING_RETURN_IF_ERROR(JudgeOrder(found));
  std::vector<int> numbers;
  for (const std::string& name : history) {
    int number = 0;
    if (!absl::SimpleAtoi(absl::StripPrefix(name, "owner"), &number) || number < 0 ||
        number >= static_cast<int>(owners_.size())) {
      return Wrong(absl::StrCat("commits of ", name, ", whom nobody started"));
    }
    numbers.push_back(number);
  }
  return numbers;
}

absl::Status ArchiveOracle::JudgeArchived(const Owner& owner, const HeldState& found) const {
  for (size_t i = 0; i < owner.archived_before; ++i) {
    const auto& [writer, commit, why] = archived_[i];
    if (Holds(found, commit)) continue;
    const std::vector<ChainRecord>& records = found.chains[static_cast<size_t>(commit.chain)];
    return Wrong(absl::StrCat(
        Describe(commit.chain, commit.number), " of ", NameOf(writer), " (version ",
        commit.version.ToString(), ") was ", ToAbsl(why), " and is ",
        commit.number > records.size()
            ? absl::StrCat("lost: the chain ends at ", records.size())
            : absl::StrCat("another's: ", records[commit.number - 1].owner, " stands there")));
  }
  return absl::OkStatus();
}

// The last owner on `volume` before the owner `before` that acknowledged anything; -1: nobody.
int ArchiveOracle::LastWriterOn(const std::string& volume, int before) const {
  for (int number = before - 1; number >= 0; --number) {
    const Owner& owner = owners_[static_cast<size_t>(number)];
    if (owner.volume == volume && !owner.acknowledged.empty()) return number;
  }
  return -1;
}

// Whether somebody on another volume lived while or after `owner` did, and before `finder`'s end.
bool ArchiveOracle::HadRival(int owner, int finder) const {
  const Owner& mine = owners_[static_cast<size_t>(owner)];
  for (int number = 0; number < static_cast<int>(owners_.size()); ++number) {
    const Owner& other = owners_[static_cast<size_t>(number)];
    if (number != finder && other.volume != mine.volume && other.ended > mine.began) return true;
  }
  return false;
}

absl::Status ArchiveOracle::JudgeVolume(int number, const std::vector<int>& history,
                                        const HeldState& found) const {
  const Owner& owner = owners_[static_cast<size_t>(number)];
  const int last = LastWriterOn(owner.volume, number);
  if (!owner.as_left || last < 0) return absl::OkStatus();
  const bool followed = history.empty() || history.back() != last;
  if (followed && HadRival(last, number)) return absl::OkStatus();
  for (const Commit& commit : owners_[static_cast<size_t>(last)].acknowledged) {
    if (Holds(found, commit)) continue;
    return Wrong(absl::StrCat(Describe(commit.chain, commit.number), " of ", NameOf(last),
                              " (version ", commit.version.ToString(),
                              ") was acknowledged on this volume and is gone, though ",
                              followed ? "nobody else was there" : "nobody wrote after it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ArchiveOracle::Finding> ArchiveOracle::Judge(int number,
                                                            const HeldState& found) const {
  MOORING_ASSIGN_OR_RETURN(const std::vector<int> history, JudgeHistory(found));
  MOORING_RETURN_IF_ERROR(JudgeArchived(owners_[static_cast<size_t>(number)], found));
  MOORING_RETURN_IF_ERROR(JudgeVolume(number, history, found));
  Finding finding;
  for (const Owner& owner : owners_) {
    for (const Commit& commit : owner.acknowledged) {
      (Holds(found, commit) ? finding.kept : finding.left_behind) = commit.version;
    }
  }
  return finding;
}

}  // namespace mooring::testing
