#include "src/archive/remote.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/archive/journal.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/open.h"
#include "src/objectstore/probe.h"

namespace mooring::archive {
namespace {

using objectstore::ObjectStore;
using objectstore::RequestOptions;

constexpr absl::Duration kAttemptTimeout = absl::Seconds(10);
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
constexpr absl::Duration kEstablishTimeout = absl::Seconds(60);

bool Cancelled(const Remote::ConnectOptions& options) {
  return options.cancelled && options.cancelled();
}

// Looks often whether it was cancelled.
void Pause(absl::Duration pause, const Remote::ConnectOptions& options) {
  const Deadline end(pause);
  while (!end.Passed() && !Cancelled(options)) {
    absl::SleepFor(std::min(end.Left(), absl::Milliseconds(20)));
  }
}

// Calls `attempt` with the time it may take, again while it answers UNAVAILABLE.
template <typename Attempt>
absl::Status Retry(const Remote::ConnectOptions& options, Attempt attempt) {
  const Deadline deadline(options.timeout);
  for (absl::Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    if (Cancelled(options)) return absl::CancelledError("reaching the archive was given up");
    const absl::Status status = attempt(std::min(kAttemptTimeout, deadline.Left()));
    if (!absl::IsUnavailable(status)) return status;
    if (deadline.Left() <= pause) {
      return Annotate(status, absl::StrCat("the archive was not reached within ",
                                           absl::FormatDuration(options.timeout)));
    }
    if (options.retrying) options.retrying(status);
    Pause(pause, options);
  }
}

// Empty where there is none.
absl::StatusOr<std::optional<ArchiveIdentity>> GetIdentity(ObjectStore& store,
                                                           const RequestOptions& options) {
  const absl::StatusOr<std::string> object = store.Get(kIdentityKey, options);
  if (absl::IsNotFound(object.status())) return std::nullopt;
  MOORING_RETURN_IF_ERROR(object.status());
  const std::string name = absl::StrCat(store.name(), "/", ToAbsl(kIdentityKey));
  MOORING_ASSIGN_OR_RETURN(ArchiveIdentity identity, DecodeIdentity(name, *object));
  return identity;
}

// Whether it is the whole of what restores the archive's end: then nothing before it is needed.
bool LeadsToTheEnd(const std::vector<JournalItem>& items) {
  const absl::StatusOr<RestorePlan> plan = PlanRestore(items);
  return plan.ok() && plan->complete && plan->notes.empty();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Remote>> Remote::Connect(const std::string& url,
                                                        const ConnectOptions& options) {
  const Deadline deadline(options.timeout);
  std::shared_ptr<ObjectStore> store;
  MOORING_RETURN_IF_ERROR(Retry(options, [&](absl::Duration) {
    absl::StatusOr<std::unique_ptr<ObjectStore>> opened = objectstore::OpenObjectStore(url);
    if (opened.ok()) store = *std::move(opened);
    return opened.status();
  }));
  ConnectOptions rest = options;
  rest.timeout = deadline.Left();
  return Connect(std::move(store), rest);
}

absl::StatusOr<std::shared_ptr<Remote>> Remote::Connect(std::shared_ptr<ObjectStore> store,
                                                        const ConnectOptions& options) {
  std::shared_ptr<Remote> remote(new Remote(std::move(store)));
  MOORING_RETURN_IF_ERROR(
      Retry(options, [&](absl::Duration timeout) { return remote->ReadIdentity(timeout); }));
  return remote;
}

absl::Status Remote::ReadIdentity(absl::Duration timeout) {
  const RequestOptions request{timeout};
  MOORING_ASSIGN_OR_RETURN(identity_, GetIdentity(*store_, request));
  if (identity_) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const std::vector<objectstore::ObjectInfo> journal,
                           store_->List(kJournalPrefix, "", 1, request));
  if (journal.empty()) return absl::OkStatus();
  // Another may have made both meanwhile, the identity first.
  MOORING_ASSIGN_OR_RETURN(identity_, GetIdentity(*store_, request));
  if (identity_) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      store_->name(), " holds a journal (", journal.front().key, ") but no object ",
      ToAbsl(kIdentityKey),
      ", which says whose it is. Bring that object back, or correct the archive's url."));
}

absl::Status Remote::Establish(const std::string& store_id) {
  if (!identity_) {
    MOORING_RETURN_IF_ERROR(objectstore::ProbeObjectStore(*store_));
    MOORING_RETURN_IF_ERROR(MakeIdentity({RandomId(), store_id}));
  }
  if (identity_->store_id == store_id) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the archive at ", store_->name(), " is of store ", identity_->store_id,
      ", but the volume holds store ", store_id,
      ". Mount the right volume, or correct the archive's url: each store needs one of its own."));
}

// Of a create that was not answered the outcome is unknown: then what is there decides, and where
// nothing is, the same bytes are sent again.
absl::Status Remote::MakeIdentity(const ArchiveIdentity& identity) {
  MOORING_ASSIGN_OR_RETURN(const std::string bytes, EncodeIdentity(identity));
  ConnectOptions options;
  options.timeout = kEstablishTimeout;
  return Retry(options, [&](absl::Duration timeout) -> absl::Status {
    const RequestOptions request{timeout};
    const absl::Status created = store_->Create(kIdentityKey, bytes, request);
    if (created.ok()) {
      identity_ = identity;
      return absl::OkStatus();
    }
    if (!absl::IsAlreadyExists(created) && !absl::IsUnavailable(created)) return created;
    MOORING_ASSIGN_OR_RETURN(identity_, GetIdentity(*store_, request));
    if (identity_) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("the archive's identity could not be made at ",
                                               store_->name(), ": ", created.message()));
  });
}

absl::StatusOr<std::vector<JournalItem>> Remote::ReadRecent(uint64_t last_slot) {
  // The hint may be missing or wrong in any way: what it leads to counts only where that restores
  // the archive's end without a doubt.
  uint64_t slot = 0;
  const absl::StatusOr<std::string> hint = store_->Get(kHintKey, {});
  if (!hint.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*hint), &slot)) return ReadAll();
  if (slot == 0 || slot > last_slot) return ReadAll();
  const absl::StatusOr<std::string> object = store_->Get(SlotKey(slot), {});
  if (!object.ok()) return ReadAll();
  const absl::StatusOr<Entry> entry = DecodeEntry(SlotKey(slot), slot, *object);
  const auto* checkpoint = entry.ok() ? entry->As<CheckpointEntry>() : nullptr;
  if (checkpoint == nullptr) return ReadAll();
  absl::StatusOr<std::vector<JournalItem>> items =
      ReadJournal(*store_, std::min(checkpoint->replay_from, slot));
  if (!items.ok() || !LeadsToTheEnd(*items)) return ReadAll();
  if (!ReadBackToClaim(&*items).ok()) return ReadAll();
  return items;
}

// An owner's epoch may stand in its claim only, which stands before its first checkpoint.
absl::Status Remote::ReadBackToClaim(std::vector<JournalItem>* items) {
  const auto names_its_epoch = [](const JournalItem& item) {
    if (item.entry == nullptr) return false;
    if (item.entry->As<ClaimEntry>() != nullptr) return true;
    const auto* checkpoint = item.entry->As<CheckpointEntry>();
    return checkpoint != nullptr && !checkpoint->history.empty() &&
           checkpoint->history.entries().back().incarnation == item.entry->writer;
  };
  while (std::none_of(items->begin(), items->end(), names_its_epoch)) {
    if (items->empty() || items->front().slot == 1) return absl::OkStatus();
    const uint64_t slot = items->front().slot - 1;
    MOORING_ASSIGN_OR_RETURN(const std::string object, store_->Get(SlotKey(slot), {}));
    MOORING_ASSIGN_OR_RETURN(Entry entry, DecodeEntry(SlotKey(slot), slot, object));
    items->insert(items->begin(),
                  {slot, std::make_shared<const Entry>(std::move(entry)), absl::OkStatus()});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<JournalItem>> Remote::ReadAll() { return ReadJournal(*store_, 1); }

}  // namespace mooring::archive
