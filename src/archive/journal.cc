#include "src/archive/journal.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
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

// Nothing where the slot has vanished.
absl::StatusOr<std::optional<JournalItem>> ReadSlot(ObjectStore& store, uint64_t slot,
                                                    const RequestOptions& options) {
  const std::string key = SlotKey(slot);
  const absl::StatusOr<std::string> bytes = store.Get(key, options);
  if (absl::IsNotFound(bytes.status())) return std::nullopt;
  MOORING_RETURN_IF_ERROR(bytes.status());
  absl::StatusOr<Entry> entry = DecodeEntry(key, slot, *bytes);
  if (absl::IsFailedPrecondition(entry.status())) return entry.status();
  JournalItem item{slot, nullptr, entry.status()};
  if (entry.ok()) item.entry = std::make_shared<const Entry>(*std::move(entry));
  return item;
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
  MOORING_ASSIGN_OR_RETURN(const std::vector<uint64_t> slots,
                           ListSlots(store, first == 0 ? 0 : first - 1, options));
  // Far away, what takes time is the round trip of each request.
  std::vector<absl::StatusOr<std::optional<JournalItem>>> read(slots.size(), std::nullopt);
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    for (size_t i = next++; i < slots.size() && !failed; i = next++) {
      read[i] = ReadSlot(store, slots[i], options);
      if (!read[i].ok()) failed = true;
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(slots.size(), kReaders); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  std::vector<JournalItem> items;
  for (absl::StatusOr<std::optional<JournalItem>>& item : read) {
    MOORING_RETURN_IF_ERROR(item.status());
    if (*item) items.push_back(**std::move(item));
  }
  return items;
}

absl::Status WriteHint(ObjectStore& store, uint64_t slot, const RequestOptions& options) {
  return store.Put(kHintKey, absl::StrCat(slot), options);
}

}  // namespace mooring::archive
