#include "src/archive/journal.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/archive/collected.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::archive {
namespace {

using objectstore::ObjectInfo;
using objectstore::ObjectStore;
using objectstore::RequestOptions;

constexpr int kListLimit = 1000;
constexpr size_t kReaders = 16;
constexpr int kAttempts = 5;

// All slots greater than `after`. What is no slot's name is nobody's entry.
absl::StatusOr<std::vector<uint64_t>> ListSlots(ObjectStore& store, uint64_t after,
                                                const RequestOptions& options) {
  std::vector<uint64_t> slots;
  std::string last = after == 0 ? "" : SlotKey(after);
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::vector<ObjectInfo> page,
                             store.List(kJournalPrefix, last, kListLimit, options));
    for (const ObjectInfo& object : page) {
      if (const auto slot = ParseSlotKey(object.key); slot.ok()) slots.push_back(*slot);
    }
    if (page.size() < kListLimit) return slots;
    last = page.back().key;
  }
}

absl::StatusOr<JournalReply> ReadHint(ObjectStore& store, const RequestOptions& options) {
  JournalReply reply;
  reply.kind = JournalReply::Kind::kHint;
  const absl::StatusOr<std::string> text = store.Get(kHintKey, options);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &reply.slot)) {
    reply.slot = 0;
  }
  return reply;
}

absl::StatusOr<JournalReply> Ask(ObjectStore& store, const JournalRequest& request,
                                 const RequestOptions& options) {
  using Request = JournalRequest::Kind;
  JournalReply reply;
  switch (request.kind) {
    case Request::kNone:
      break;
    case Request::kReadHint:
      return ReadHint(store, options);
    case Request::kList: {
      MOORING_ASSIGN_OR_RETURN(reply.slots, ListSlots(store, request.slot, options));
      reply.kind = JournalReply::Kind::kSlots;
      break;
    }
    case Request::kGet: {
      absl::StatusOr<std::string> bytes = store.Get(SlotKey(request.slot), options);
      if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
      reply.kind = bytes.ok() ? JournalReply::Kind::kFound : JournalReply::Kind::kAbsent;
      if (bytes.ok()) reply.bytes = *std::move(bytes);
      break;
    }
    case Request::kCreate: {
      const absl::Status status = store.Create(SlotKey(request.slot), request.bytes, options);
      if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
      reply.kind = status.ok() ? JournalReply::Kind::kCreated : JournalReply::Kind::kExists;
      break;
    }
  }
  return reply;
}

// Between half of `pause` and all of it.
absl::Duration WithJitter(absl::Duration pause) {
  return pause / 2 + pause / 2 * (static_cast<double>(RandomUint64() % 1024) / 1024);
}

// Calls `work` with every index below `count`, several at a time: far away, what takes time is the
// round trip of each request. The first error ends it.
absl::Status InParallel(size_t count, const std::function<absl::Status(size_t index)>& work) {
  std::vector<absl::Status> statuses(count);
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const auto run = [&] {
    for (size_t i = next++; i < count && !failed; i = next++) {
      statuses[i] = work(i);
      if (!statuses[i].ok()) failed = true;
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(count, kReaders); ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) MOORING_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

// One object as an item; NOT_FOUND where it has vanished.
absl::StatusOr<JournalItem> ReadObject(ObjectStore& store, const std::string& key,
                                       const SlotRange& slots, bool merged,
                                       const RequestOptions& options) {
  MOORING_ASSIGN_OR_RETURN(const std::string bytes, store.Get(key, options));
  absl::StatusOr<Entry> entry = DecodeEntry(key, slots.first, bytes);
  if (absl::IsFailedPrecondition(entry.status())) return entry.status();
  JournalItem item{slots.first, nullptr, entry.status(), merged ? slots.last : 0};
  if (!entry.ok()) return item;
  const auto* log = entry->As<LogEntry>();
  if ((log == nullptr ? 0 : log->last_slot) != item.last_slot) {
    item.status = absl::DataLossError(
        absl::StrCat("archive object ", key, " is not what belongs in this place"));
    return item;
  }
  item.entry = std::make_shared<const Entry>(*std::move(entry));
  return item;
}

// The merged logs that the newest COLLECT of `items` names and that reach `first`.
absl::Status ReadMerged(ObjectStore& store, uint64_t first, const RequestOptions& options,
                        std::vector<JournalItem>* items, bool* vanished) {
  const Collected collected(*items);
  if (collected.entry() == nullptr) return absl::OkStatus();
  std::vector<MergedLog> wanted;
  for (const MergedLog& merged : collected.entry()->merged) {
    if (merged.slots.last >= first) wanted.push_back(merged);
  }
  std::vector<JournalItem> read(wanted.size());
  std::atomic<bool> missing{false};
  MOORING_RETURN_IF_ERROR(InParallel(wanted.size(), [&](size_t i) -> absl::Status {
    const std::string key = MergedKey(wanted[i].name);
    absl::StatusOr<JournalItem> item = ReadObject(store, key, wanted[i].slots, true, options);
    if (item.ok()) {
      read[i] = *std::move(item);
      return absl::OkStatus();
    }
    if (!absl::IsNotFound(item.status())) return item.status();
    missing = true;
    read[i] = {wanted[i].slots.first, nullptr,
               absl::DataLossError(absl::StrCat("archive object ", key, " is missing")),
               wanted[i].slots.last};
    return absl::OkStatus();
  }));
  if (missing) *vanished = true;
  items->insert(items->end(), read.begin(), read.end());
  std::stable_sort(items->begin(), items->end(),
                   [](const JournalItem& a, const JournalItem& b) { return a.slot < b.slot; });
  return absl::OkStatus();
}

absl::StatusOr<std::vector<JournalItem>> ReadOnce(ObjectStore& store, uint64_t first,
                                                  const RequestOptions& options, bool* vanished) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<uint64_t> slots,
                           ListSlots(store, first == 0 ? 0 : first - 1, options));
  std::vector<absl::StatusOr<JournalItem>> read(slots.size(), JournalItem());
  MOORING_RETURN_IF_ERROR(InParallel(slots.size(), [&](size_t i) -> absl::Status {
    read[i] = ReadObject(store, SlotKey(slots[i]), {slots[i], slots[i]}, false, options);
    return absl::IsNotFound(read[i].status()) ? absl::OkStatus() : read[i].status();
  }));
  std::vector<JournalItem> items;
  for (absl::StatusOr<JournalItem>& item : read) {
    if (!item.ok()) *vanished = true;
    if (item.ok()) items.push_back(*std::move(item));
  }
  MOORING_RETURN_IF_ERROR(ReadMerged(store, first, options, &items, vanished));
  return items;
}

}  // namespace

absl::Status Drive(JournalProtocol& protocol, ObjectStore& store, const DriveOptions& options) {
  const Deadline deadline(options.timeout);
  absl::Duration pause = options.first_pause;
  while (protocol.request().kind != JournalRequest::Kind::kNone) {
    RequestOptions request;
    request.timeout = std::min(options.attempt_timeout, deadline.Left());
    absl::StatusOr<JournalReply> reply = Ask(store, protocol.request(), request);
    if (reply.ok()) {
      protocol.OnReply(*reply);
      pause = options.first_pause;
      continue;
    }
    protocol.OnReply({});  // Of a create the outcome is unknown, whatever the error says.
    if (!absl::IsUnavailable(reply.status())) return reply.status();
    const absl::Duration wait = WithJitter(pause);
    if (deadline.Left() <= wait) {
      return Annotate(reply.status(), absl::StrCat("the archive did not answer within ",
                                                   absl::FormatDuration(options.timeout)));
    }
    if (options.retrying) options.retrying(reply.status());
    absl::SleepFor(wait);
    pause = std::min(2 * pause, options.longest_pause);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<JournalItem>> ReadJournal(ObjectStore& store, uint64_t first,
                                                     const RequestOptions& options) {
  for (int i = 1;; ++i) {
    bool vanished = false;
    MOORING_ASSIGN_OR_RETURN(std::vector<JournalItem> items,
                             ReadOnce(store, first, options, &vanished));
    // A collection came between: what it moved or deleted is named by a newer COLLECT.
    if (!vanished || i == kAttempts) return items;
  }
}

absl::Status WriteHint(ObjectStore& store, uint64_t slot, const RequestOptions& options) {
  return store.Put(kHintKey, absl::StrCat(slot), options);
}

}  // namespace mooring::archive
