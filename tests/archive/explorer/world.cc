#include "tests/archive/explorer/world.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/base/status.h"

namespace mooring::archive::explorer {
namespace {

// Serialised by hand: this is where the explorer spends its time.
class Writer {
 public:
  Writer& operator<<(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<char>(value | 0x80));
    out_.push_back(static_cast<char>(value));
    return *this;
  }
  Writer& operator<<(const std::string& text) {
    *this << text.size();
    out_ += text;
    return *this;
  }
  Writer& operator<<(const std::vector<CommitId>& commits) {
    *this << commits.size();
    out_.append(commits.begin(), commits.end());
    return *this;
  }
  Writer& operator<<(const History& history) {
    *this << history.entries().size();
    for (const HistoryEntry& entry : history.entries()) {
      *this << entry.incarnation << entry.first_sequence;
    }
    return *this;
  }
  Writer& operator<<(const std::set<Put>& puts) {
    *this << puts.size();
    for (const Put& put : puts) *this << put.slot << static_cast<uint64_t>(put.object);
    return *this;
  }
  Writer& operator<<(const SimulatedVolume& volume) {
    *this << volume.number << volume.exists << volume.epoch << volume.history << volume.commits
          << volume.synced << volume.logs.size();
    for (const VolumeLog& log : volume.logs) *this << log.number << log.first_sequence;
    return *this;
  }
  Writer& operator<<(const Owner& owner) {
    *this << static_cast<uint64_t>(owner.phase) << owner.volume << owner.volumes_used
          << owner.commits_made << owner.incarnation << owner.claim_epoch << owner.archive_epoch
          << owner.waiting << owner.sent_slot << owner.sent_object << owner.capture.has_value()
          << (owner.protocol == nullptr ? "" : owner.protocol->Fingerprint());
    if (owner.capture) {
      *this << owner.capture->file << owner.capture->commits << owner.capture->history
            << owner.capture->min_log << owner.capture->uploaded << owner.capture->entry_stands;
    }
    *this << owner.deletes.size();
    for (const Doomed& doomed : owner.deletes) {
      *this << static_cast<uint64_t>(doomed.kind) << doomed.name << doomed.slot;
    }
    return *this << owner.goes_back << owner.lineage;
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

absl::Status Unlike(std::string_view what) { return absl::DataLossError(ToAbsl(what)); }

absl::Status Apply(const LogPiece& piece, std::vector<CommitId>* commits) {
  const Segment& segment = piece.info();
  const std::string& bytes = piece.entry->As<LogEntry>()->bytes;
  for (uint64_t s = segment.first_sequence; s <= piece.last_sequence; ++s) {
    const auto commit = static_cast<CommitId>(bytes[piece.offset + s - segment.first_sequence]);
    if (s == commits->size() + 1) {
      commits->push_back(commit);
    } else if (s > commits->size() || (*commits)[s - 1] != commit) {
      return Unlike(absl::StrCat("the log does not fit the checkpoint at sequence ", s));
    }
  }
  return absl::OkStatus();
}

absl::Status Fetch(const std::set<std::string>& files, const RestorePlan& plan,
                   std::vector<CommitId>* commits) {
  for (const ArchivedFile& file : plan.checkpoint->As<CheckpointEntry>()->files) {
    if (files.count(file.name) == 0) {
      return Unlike(absl::StrCat("file ", file.name, " is not in the archive"));
    }
    *commits = CommitsOf(file.name);
  }
  for (const LogPiece& piece : plan.logs) {
    if (absl::Status status = Apply(piece, commits); !status.ok()) return status;
  }
  if (commits->size() == plan.state.last_sequence) return absl::OkStatus();
  return Unlike(absl::StrCat("the plan says ", plan.state.last_sequence, " commits, there are ",
                             commits->size()));
}

}  // namespace

int ObjectPool::Intern(uint64_t slot, std::string_view bytes) {
  const auto [found, added] = ids_.try_emplace(std::string(bytes), objects_.size());
  if (added) {
    absl::StatusOr<Entry> entry = DecodeEntry(SlotKey(slot), slot, bytes);
    objects_.push_back({std::string(bytes),
                        entry.ok() ? std::make_shared<const Entry>(*std::move(entry)) : nullptr});
  }
  return found->second;
}

std::string World::Fingerprint() const {
  Writer out;
  out << journal.size();
  for (const auto& [slot, object] : journal) out << slot << static_cast<uint64_t>(object);
  out << files.size();
  for (const std::string& file : files) out << file;
  out << merged.size();
  for (const auto& [name, object] : merged) out << name << static_cast<uint64_t>(object);
  out << on_the_way << zombies << acknowledged << incarnations << confirmed << claims << timeouts
      << crashes << checkpoints << collections << commits << offline_opens << rewinds << uploads
      << lineage << left << checkpoints_made.size();
  for (const auto& [slot, sequence] : checkpoints_made) out << slot << sequence;
  for (const Owner& owner : owners) out << owner;
  return out.Take();
}

std::vector<JournalItem> ItemsOf(const ObjectPool& pool, const World& world) {
  std::vector<JournalItem> items;
  const CollectEntry* collect = nullptr;
  for (const auto& [slot, object] : world.journal) {
    items.push_back({slot, pool[object].entry, {}});
    if (pool[object].entry->As<CollectEntry>()) collect = pool[object].entry->As<CollectEntry>();
  }
  if (collect == nullptr) return items;
  for (const MergedLog& log : collect->merged) {
    const auto found = world.merged.find(log.name);
    JournalItem item{log.slots.first, nullptr, Unlike(log.name + " is missing"), log.slots.last};
    if (found != world.merged.end()) item.entry = pool[found->second].entry;
    items.push_back(std::move(item));
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const JournalItem& a, const JournalItem& b) { return a.slot < b.slot; });
  return items;
}

std::shared_ptr<const Restored> Restore(const ObjectPool& pool, const World& world,
                                        const RestoreTarget& target) {
  auto restored = std::make_shared<Restored>();
  absl::StatusOr<RestorePlan> plan = PlanRestore(ItemsOf(pool, world), target);
  if (!plan.ok()) {
    restored->status = plan.status();
    return restored;
  }
  restored->plan = *std::move(plan);
  restored->status = Fetch(world.files, restored->plan, &restored->commits);
  return restored;
}

std::string FileNameOf(const std::vector<CommitId>& commits, int number) {
  return absl::StrCat(number, "-",
                      absl::BytesToHexString(absl::string_view(
                          reinterpret_cast<const char*>(commits.data()), commits.size())));
}

std::vector<CommitId> CommitsOf(std::string_view file_name) {
  const std::string bytes =
      absl::HexStringToBytes(ToAbsl(file_name.substr(file_name.find('-') + 1)));
  return {bytes.begin(), bytes.end()};
}

std::string ToString(const std::vector<CommitId>& commits) {
  return absl::StrCat("[",
                      absl::StrJoin(commits, " ",
                                    [](std::string* out, CommitId commit) {
                                      absl::StrAppend(out, VolumeOf(commit), ".",
                                                      commit % kCommitsPerVolume);
                                    }),
                      "]");
}

}  // namespace mooring::archive::explorer
