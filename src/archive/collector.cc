#include "src/archive/collector.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/archive/frame.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::archive {
namespace {

using objectstore::ObjectInfo;
using objectstore::RequestOptions;

constexpr int kListLimit = 1000;
constexpr size_t kRequestsAtOnce = 8;
constexpr RequestOptions kRequest{absl::Seconds(30)};
constexpr RequestOptions kLargeRequest{absl::Seconds(180)};
constexpr std::string_view kMergedPrefix = "merged/";
constexpr std::string_view kFilesPrefix = "files/";
// An upload that is under way for longer is nobody's.
constexpr absl::Duration kAbandonedAfter = absl::Hours(24);
constexpr uint64_t kNothingHeld = ~uint64_t{0};

// Calls `work` with 0 to `count` - 1 on a few threads; the first error ends it.
absl::Status ForEach(size_t count, const std::function<absl::Status(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  absl::Mutex mutex;
  absl::Status first_error;
  const auto run = [&] {
    for (size_t i = next++; i < count && !failed; i = next++) {
      absl::Status status = work(i);
      if (status.ok()) continue;
      failed = true;
      const absl::MutexLock lock(&mutex);
      if (first_error.ok()) first_error = std::move(status);
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(count, kRequestsAtOnce); ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  return first_error;
}

bool Contains(const std::vector<SlotRange>& ranges, uint64_t slot) {
  return std::any_of(ranges.begin(), ranges.end(), [slot](const SlotRange& range) {
    return range.first <= slot && slot <= range.last;
  });
}

template <typename T>
bool Is(const JournalItem& item) {
  return item.entry != nullptr && item.entry->As<T>() != nullptr;
}

EntryPtr WithoutPayload(Entry entry) {
  if (auto* log = std::get_if<LogEntry>(&entry.body)) log->bytes.clear();
  if (auto* checkpoint = std::get_if<CheckpointEntry>(&entry.body)) checkpoint->manifest.clear();
  return std::make_shared<const Entry>(std::move(entry));
}

absl::Status Ended() { return absl::CancelledError("collection was ended"); }

}  // namespace

CollectionOptions& DefaultCollection() {
  static CollectionOptions* const options = new CollectionOptions;
  return *options;
}

Collector::Collector(objectstore::ObjectStore* store, std::string archive_id,
                     std::string incarnation, CollectionOwner* owner, CollectionOptions options)
    : store_(store),
      archive_id_(std::move(archive_id)),
      incarnation_(std::move(incarnation)),
      owner_(owner),
      options_(std::move(options)),
      scrubbed_at_(SteadyNow() - options_.scrub_period + options_.scrub_period / 24) {}

int64_t Collector::Now() const {
  return options_.now_us ? options_.now_us() : absl::ToUnixMicros(absl::Now());
}

absl::Status Collector::Round() {
  // Before the journal is read, so that every checkpoint that is not later has been seen.
  const uint64_t last_checkpoint = owner_->LastCheckpoint();
  MOORING_RETURN_IF_ERROR(Update());
  if (SteadyNow() - scrubbed_at_ >= options_.scrub_period) MOORING_RETURN_IF_ERROR(Scrub());
  CollectPlan plan = Plan(Journal());
  if (!plan.merges.empty() || plan.is_new) {
    MOORING_RETURN_IF_ERROR(WriteMerged(plan.merges, &plan.entry));
    leftovers_ = true;
    MOORING_ASSIGN_OR_RETURN(const uint64_t slot, owner_->Append(plan.entry, last_checkpoint));
    Entry entry;
    entry.slot = slot;
    entry.archive_id = archive_id_;
    entry.writer = incarnation_;
    entry.body = plan.entry;
    slots_[slot] = {{slot, std::make_shared<const Entry>(std::move(entry)), absl::OkStatus()}, 0};
    for (auto& [first, made] : made_) merged_[made.log.name] = std::move(made.known);
    SeeNewestCollect();
    MOORING_RETURN_IF_ERROR(ReadMerged());
    figures_.last_collection_us = Now();
  }
  made_.clear();  // What is not wanted any more is an orphan.
  files_.clear();
  if (leftovers_) MOORING_RETURN_IF_ERROR(Delete());
  Count();
  return absl::OkStatus();
}

// --- What there is.

absl::StatusOr<Collector::Sizes> Collector::ListAll(std::string_view prefix,
                                                    const std::string& after) {
  Sizes found;
  std::string last = after;
  while (!owner_->Over()) {
    MOORING_ASSIGN_OR_RETURN(const std::vector<ObjectInfo> page,
                             store_->List(prefix, last, kListLimit, kRequest));
    for (const ObjectInfo& object : page) found[object.key] = object.size;
    if (page.size() < kListLimit) return found;
    last = page.back().key;
  }
  return Ended();
}

absl::Status Collector::Update() {
  if (owner_->Head() <= listed_) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const Sizes listed,
                           ListAll(kJournalPrefix, listed_ == 0 ? "" : SlotKey(listed_)));
  MOORING_RETURN_IF_ERROR(ReadSlots(listed));
  SeeNewestCollect();
  return ReadMerged();
}

absl::Status Collector::ReadSlots(const Sizes& listed) {
  std::vector<std::pair<std::string, uint64_t>> keys;
  uint64_t last = listed_;
  for (const auto& [key, size] : listed) {
    const absl::StatusOr<uint64_t> slot = ParseSlotKey(key);
    if (!slot.ok()) continue;  // Nobody's entry.
    last = std::max(last, *slot);
    const auto known = slots_.find(*slot);
    if (known == slots_.end()) keys.emplace_back(key, *slot);
    if (known != slots_.end()) known->second.size = size;
  }
  std::vector<absl::StatusOr<JournalItem>> read(keys.size(), JournalItem());
  MOORING_RETURN_IF_ERROR(ForEach(keys.size(), [&](size_t i) {
    read[i] = Read(keys[i].first, keys[i].second);
    return absl::IsNotFound(read[i].status()) ? absl::OkStatus() : read[i].status();
  }));
  for (size_t i = 0; i < keys.size(); ++i) {
    if (read[i].ok()) slots_[keys[i].second] = {*std::move(read[i]), listed.at(keys[i].first)};
  }
  listed_ = last;
  return absl::OkStatus();
}

// What cannot be read as an entry is an item without one; NOT_FOUND where it vanished.
absl::StatusOr<JournalItem> Collector::Read(const std::string& key, uint64_t slot) {
  if (owner_->Over()) return Ended();
  const absl::StatusOr<std::string> bytes = store_->Get(key, kLargeRequest);
  JournalItem item{slot, nullptr, bytes.status()};
  if (absl::IsDataLoss(bytes.status())) return item;
  MOORING_RETURN_IF_ERROR(bytes.status());
  absl::StatusOr<Entry> entry = DecodeEntry(key, slot, *bytes);
  if (absl::IsFailedPrecondition(entry.status())) return entry.status();
  item.status = entry.status();
  if (entry.ok()) item.entry = WithoutPayload(*std::move(entry));
  return item;
}

void Collector::SeeNewestCollect() {
  for (auto known = slots_.rbegin(); known != slots_.rend(); ++known) {
    if (!Is<CollectEntry>(known->second.item)) continue;
    if (known->first != collect_slot_) leftovers_ = true;
    collect_slot_ = known->first;
    collect_ = *known->second.item.entry->As<CollectEntry>();
    return;
  }
}

absl::Status Collector::ReadMerged() {
  std::map<std::string, Known> merged;
  std::vector<MergedLog> missing;
  for (const MergedLog& log : collect_.merged) {
    const auto known = merged_.find(log.name);
    if (known == merged_.end()) missing.push_back(log);
    if (known != merged_.end()) merged[log.name] = std::move(known->second);
  }
  std::vector<JournalItem> read(missing.size());
  const absl::Status status = ForEach(missing.size(), [&](size_t i) -> absl::Status {
    const std::string key = MergedKey(missing[i].name);
    absl::StatusOr<JournalItem> item = Read(key, missing[i].slots.first);
    if (absl::IsNotFound(item.status())) {
      item = JournalItem{missing[i].slots.first, nullptr,
                         absl::DataLossError(absl::StrCat("archive object ", key, " is missing"))};
    }
    MOORING_RETURN_IF_ERROR(item.status());
    read[i] = *std::move(item);
    return absl::OkStatus();
  });
  for (size_t i = 0; status.ok() && i < missing.size(); ++i) {
    read[i].last_slot = missing[i].slots.last;
    merged[missing[i].name] = {std::move(read[i]), static_cast<int64_t>(missing[i].size)};
  }
  merged_ = std::move(merged);
  return status;
}

// As ReadJournal() gives it.
std::vector<JournalItem> Collector::Journal() const {
  std::vector<JournalItem> items;
  for (const auto& [slot, known] : slots_) items.push_back(known.item);
  for (const auto& [name, known] : merged_) items.push_back(known.item);
  std::stable_sort(items.begin(), items.end(),
                   [](const JournalItem& a, const JournalItem& b) { return a.slot < b.slot; });
  return items;
}

std::vector<const CheckpointEntry*> Collector::Kept() const {
  std::vector<const CheckpointEntry*> kept;
  for (const auto& [slot, known] : slots_) {
    if (!Is<CheckpointEntry>(known.item) || Contains(collect_.slots, slot)) continue;
    kept.push_back(known.item.entry->As<CheckpointEntry>());
  }
  return kept;
}

void Collector::Count() {
  figures_.objects = static_cast<int64_t>(slots_.size() + merged_.size());
  figures_.bytes = 0;
  figures_.oldest_time_us = 0;
  for (const auto& [slot, known] : slots_) figures_.bytes += known.size;
  for (const auto& [name, known] : merged_) figures_.bytes += known.size;
  std::set<std::string> files;
  for (const auto& [slot, known] : slots_) {
    if (!Is<CheckpointEntry>(known.item) || Contains(collect_.slots, slot)) continue;
    const auto& checkpoint = *known.item.entry->As<CheckpointEntry>();
    const int64_t time_us =
        checkpoint.max_time_us > 0 ? checkpoint.max_time_us : known.item.entry->time_us;
    if (figures_.oldest_time_us == 0 || time_us < figures_.oldest_time_us) {
      figures_.oldest_time_us = time_us;
    }
    for (const ArchivedFile& file : checkpoint.files) {
      if (!files.insert(file.name).second) continue;
      ++figures_.objects;
      figures_.bytes += static_cast<int64_t>(file.size);
    }
  }
}

// --- What is to be.

CollectPlan Collector::Plan(const std::vector<JournalItem>& journal) const {
  CollectInput input;
  input.journal = &journal;
  input.files = files_;
  input.retention = options_.retention;
  input.now_us = Now();
  return PlanCollection(input);
}

// Its logs with their payloads.
absl::Status Collector::Load(Merge* merge) {
  std::map<uint64_t, std::string> names;
  for (const MergedLog& log : collect_.merged) names[log.slots.first] = log.name;
  return ForEach(merge->logs.size(), [&](size_t i) -> absl::Status {
    if (owner_->Over()) return Ended();
    const Entry& header = *merge->logs[i];
    const bool merged = header.As<LogEntry>()->last_slot != 0;
    const std::string key = merged ? MergedKey(names[header.slot]) : SlotKey(header.slot);
    MOORING_ASSIGN_OR_RETURN(const std::string bytes, store_->Get(key, kLargeRequest));
    MOORING_ASSIGN_OR_RETURN(Entry entry, DecodeEntry(key, header.slot, bytes));
    if (entry.nonce != header.nonce) return DamagedObject(key, "it is not what it was");
    merge->logs[i] = std::make_shared<const Entry>(std::move(entry));
    return absl::OkStatus();
  });
}

absl::StatusOr<Collector::Made> Collector::WriteOne(Merge merge) {
  MOORING_RETURN_IF_ERROR(Load(&merge));
  Entry joined;
  joined.nonce = RandomId();
  joined.archive_id = archive_id_;
  joined.slot = merge.slots.first;
  joined.writer = incarnation_;
  joined.time_us = merge.logs.back()->time_us;
  joined.body = Join(merge);
  MOORING_ASSIGN_OR_RETURN(const std::string bytes, EncodeEntry(joined));
  const std::string name = absl::StrCat(merge.slots.first, "-", merge.slots.last, "-", RandomId());
  if (owner_->Over()) return Ended();
  leftovers_ = true;
  MOORING_RETURN_IF_ERROR(store_->Put(MergedKey(name), bytes, kLargeRequest));
  const uint64_t slot = joined.slot;
  return Made{{merge.slots, name, bytes.size()},
              {{slot, WithoutPayload(std::move(joined)), absl::OkStatus(), merge.slots.last},
               static_cast<int64_t>(bytes.size())}};
}

// Writes the merged objects that there are not yet, and says in `entry` where they are. The logs of
// a stretch never change, so that what an earlier round made of it will do.
absl::Status Collector::WriteMerged(const std::vector<Merge>& merges, CollectEntry* entry) {
  std::map<uint64_t, Made> before;
  before.swap(made_);
  for (const Merge& merge : merges) {
    const auto made = before.find(merge.slots.first);
    if (made != before.end() && made->second.log.slots.last == merge.slots.last) {
      made_.insert(before.extract(made));
    }
  }
  for (const Merge& merge : merges) {
    if (made_.count(merge.slots.first) == 0) {
      MOORING_ASSIGN_OR_RETURN(made_[merge.slots.first], WriteOne(merge));
    }
    const MergedLog& made = made_[merge.slots.first].log;
    const auto place =
        std::find_if(entry->merged.begin(), entry->merged.end(), [&](const MergedLog& log) {
          return log.name.empty() && log.slots.first == merge.slots.first;
        });
    if (place == entry->merged.end()) return absl::InternalError("a merge that no COLLECT names");
    *place = made;
  }
  return absl::OkStatus();
}

// --- What goes (G3).

absl::Status Collector::Delete() {
  if (collect_slot_ == 0 && listed_ == 0) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const Sizes merged, ListAll(kMergedPrefix));
  MOORING_ASSIGN_OR_RETURN(const Sizes journal, ListAll(kJournalPrefix));
  MOORING_RETURN_IF_ERROR(owner_->Prove());
  std::vector<Pin> pins;
  if (options_.pins_are_kept) {
    MOORING_ASSIGN_OR_RETURN(pins, ReadPins(*store_, Now(), kRequest));
  }
  uint64_t held = kNothingHeld;
  for (const Pin& pin : pins) held = std::min(held, pin.replay_from);
  leftovers_ = false;
  MOORING_RETURN_IF_ERROR(DeleteFiles(pins));
  MOORING_RETURN_IF_ERROR(DeleteMerged(merged, held));
  return DeleteSlots(journal, held);
}

absl::Status Collector::DeleteAll(const std::vector<std::string>& keys) {
  const absl::Status status = ForEach(keys.size(), [&](size_t i) {
    return owner_->Over() ? Ended() : store_->Delete(keys[i], kRequest);
  });
  if (!status.ok()) leftovers_ = true;
  return status;
}

absl::Status Collector::DeleteFiles(const std::vector<Pin>& pins) {
  std::set<std::string> pinned;
  bool all_are_pinned = false;
  for (const Pin& pin : pins) {
    const auto known = slots_.find(pin.checkpoint);
    if (known == slots_.end() || !Is<CheckpointEntry>(known->second.item)) {
      all_are_pinned = true;
      continue;
    }
    for (const ArchivedFile& file : known->second.item.entry->As<CheckpointEntry>()->files) {
      pinned.insert(file.name);
    }
  }
  std::vector<std::string> keys;
  for (const std::string& name : collect_.files) {
    if (deleted_files_.count(name) != 0) continue;
    const bool held = all_are_pinned || pinned.count(name) != 0;
    if (held) leftovers_ = true;
    if (!held) keys.push_back(FileKey(name));
  }
  MOORING_RETURN_IF_ERROR(DeleteAll(keys));
  for (const std::string& key : keys) deleted_files_.insert(key.substr(kFilesPrefix.size()));
  return absl::OkStatus();
}

// Those that are not in force: superseded, or written for a COLLECT that never stood.
absl::Status Collector::DeleteMerged(const Sizes& listed, uint64_t held) {
  std::vector<std::string> keys;
  for (const auto& [key, size] : listed) {
    const std::string name = key.substr(kMergedPrefix.size());
    if (merged_.count(name) != 0) continue;
    const std::vector<std::string> parts = absl::StrSplit(name, '-');
    uint64_t last = 0;
    if (parts.size() < 3 || !absl::SimpleAtoi(parts[1], &last)) continue;  // Nobody's.
    if (last >= held) leftovers_ = true;
    if (last < held) keys.push_back(key);
  }
  return DeleteAll(keys);
}

absl::Status Collector::DeleteSlots(const Sizes& listed, uint64_t held) {
  std::vector<std::string> keys;
  std::vector<uint64_t> slots;
  for (const auto& [key, size] : listed) {
    const absl::StatusOr<uint64_t> slot = ParseSlotKey(key);
    if (!slot.ok() || *slot >= collect_slot_ || !Contains(collect_.slots, *slot)) continue;
    if (slots_.count(*slot) == 0) {  // A create that landed late.
      absl::StatusOr<JournalItem> item = Read(key, *slot);
      if (absl::IsNotFound(item.status())) continue;
      MOORING_RETURN_IF_ERROR(item.status());
      slots_[*slot] = {*std::move(item), size};
    }
    const JournalItem& item = slots_[*slot].item;
    // A4. What cannot be read may be a claim.
    if (item.entry == nullptr || Is<ClaimEntry>(item)) continue;
    if (*slot >= held) {
      leftovers_ = true;
      continue;
    }
    keys.push_back(key);
    slots.push_back(*slot);
  }
  MOORING_RETURN_IF_ERROR(DeleteAll(keys));
  for (const uint64_t slot : slots) slots_.erase(slot);
  return absl::OkStatus();
}

// --- What should be there (G5).

absl::Status Collector::Scrub() {
  MOORING_ASSIGN_OR_RETURN(const Sizes files, ListAll(kFilesPrefix));
  MOORING_ASSIGN_OR_RETURN(const Sizes merged, ListAll(kMergedPrefix));
  MOORING_ASSIGN_OR_RETURN(const Sizes journal, ListAll(kJournalPrefix));
  store_->RemoveAbandoned(kFilesPrefix, kAbandonedAfter, kRequest).status().IgnoreError();
  std::vector<std::string> missing = MissingEntries(journal, merged);
  std::map<std::string, ArchivedFile> lost;  // By key.
  for (const CheckpointEntry* checkpoint : Kept()) {
    for (const ArchivedFile& file : checkpoint->files) {
      const auto found = files.find(FileKey(file.name));
      const bool there = found != files.end() && found->second == static_cast<int64_t>(file.size);
      if (!there) lost[FileKey(file.name)] = file;
    }
  }
  std::vector<ArchivedFile> to_mend;
  for (const auto& [key, file] : lost) {
    missing.push_back(key);
    to_mend.push_back(file);
  }
  files_.clear();
  for (const auto& [key, size] : files) files_.push_back(key.substr(kFilesPrefix.size()));
  // What is new may be mended by the next checkpoint: so it is looked at again soon.
  const bool known = missing == figures_.missing;
  figures_.missing = missing;
  if (!known && !missing.empty()) {
    owner_->Mend(to_mend);
  } else {
    scrubbed_at_ = SteadyNow();
  }
  return absl::OkStatus();
}

// From where the oldest kept checkpoint needs them.
std::vector<std::string> Collector::MissingEntries(const Sizes& journal, const Sizes& merged) {
  uint64_t expected = listed_;
  for (const CheckpointEntry* checkpoint : Kept()) {
    expected = std::min(expected, checkpoint->replay_from);
  }
  std::vector<std::string> missing;
  std::map<uint64_t, uint64_t> covered;  // First and last slot.
  for (auto& [slot, known] : slots_) {
    if (slot > listed_) continue;
    const bool claim = Is<ClaimEntry>(known.item);
    const bool there = journal.count(SlotKey(slot)) != 0;
    if (there || claim) covered[slot] = slot;
    if (there || (!claim && Contains(collect_.slots, slot))) continue;
    if (claim) missing.push_back(SlotKey(slot));
    if (claim) continue;
    known.item.entry = nullptr;
    known.item.status =
        absl::DataLossError(absl::StrCat("archive object ", SlotKey(slot), " is missing"));
  }
  for (const MergedLog& log : collect_.merged) {
    const std::string key = MergedKey(log.name);
    if (merged.count(key) == 0 && log.slots.last >= expected) missing.push_back(key);
    covered[log.slots.first] = std::max(covered[log.slots.first], log.slots.last);
  }
  for (const auto& [first, last] : covered) {
    if (first > expected) missing.push_back(SlotKey(expected));
    if (first > expected + 1) missing.back() += absl::StrCat(" to ", first - 1);
    expected = std::max(expected, last + 1);
  }
  return missing;
}

}  // namespace mooring::archive
