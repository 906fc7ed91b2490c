#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/archive/journal.h"
#include "src/archive/shipper_impl.h"
#include "src/base/status.h"

namespace mooring::archive {
namespace {

using Phase = JournalProtocol::Phase;

constexpr size_t kLogEntryBytes = size_t{8} << 20;
constexpr absl::Duration kLongestPause = absl::Seconds(5);
constexpr absl::Duration kLongestPauseAtClose = absl::Milliseconds(200);
constexpr absl::Duration kLongestCheckpointPause = absl::Seconds(30);
constexpr int64_t kSlowestBytesPerSecond = int64_t{256} << 10;

}  // namespace

// --- The journal's thread.

void Shipper::Impl::RunJournal() {
  while (!EndIfOver()) {
    const uint32_t ticket = bell.Ticket();
    if (TakeStep()) continue;
    // What is due next, and whether more that is durable changes that.
    absl::Duration next = options.fence_check_interval - SinceProof();
    bool lightly = false;
    {
      absl::MutexLock lock(&mutex);
      ObserveDurable();
      const bool ships = first_checkpoint_stands && !needs_checkpoint;
      if (behind_since != kNever && ships) {
        next = std::min(next, behind_since + options.ship_interval - SteadyNow());
      }
      lightly = behind_since == kNever || (ships && !waiters.empty());
    }
    if (next > absl::ZeroDuration()) bell.Sleep(ticket, next, lightly);
  }
}

// Does one thing; false where there is nothing to do.
bool Shipper::Impl::TakeStep() {
  if (protocol->request().kind != JournalRequest::Kind::kNone) return Drive();
  {
    absl::MutexLock lock(&mutex);
    if (draft) std::swap(appending, draft);
  }
  if (appending) return AppendDraft();
  if (std::optional<CollectEntry> entry = TakeCollect()) return AppendCollect(*std::move(entry));
  const bool fence_is_due = FenceIsDue();
  const auto check_fence = [&] {
    sent_at = SteadyNow();
    if (const absl::Status status = protocol->CheckFence(); !status.ok()) PauseJournal(status);
    return true;
  };
  if (!first_checkpoint_stands || needs_checkpoint) return fence_is_due && check_fence();
  if (fence_is_due && options.sync_unsynced) options.sync_unsynced();
  const bool close = closing;  // Before it looks what there is.
  const bool tables_changed = source->TableChanges() != table_changes;
  if (tables_changed || CheckpointIsDue()) WantCheckpoint();
  const uint64_t durable = source->DurableSequence();
  const bool behind = durable > ArchivedSequence();
  bool ship = close;
  {
    absl::MutexLock lock(&mutex);
    ObserveDurable();
    ship = ship || IsUrgent(durable) || SteadyNow() >= behind_since + options.ship_interval;
  }
  if (behind && ship) return Ship();
  if (close && !tables_changed) {
    closing_entry = true;
    return Append(CloseEntry());
  }
  return fence_is_due && check_fence();
}

bool Shipper::Impl::FenceIsDue() const {
  return SinceProof() >= options.fence_check_interval || proof_ns < proof_wanted_ns;
}

bool Shipper::Impl::CheckpointIsDue() {
  if (log_bytes >= options.checkpoint_log_bytes) return true;
  if (log_bytes > 0 && SteadyNow() - checkpoint_at >= options.checkpoint_interval) return true;
  absl::MutexLock lock(&mutex);
  return !checkpoint_wanted && mend_wanted.exchange(false);
}

bool Shipper::Impl::IsUrgent(uint64_t durable) const {
  return std::any_of(waiters.begin(), waiters.end(),
                     [&](const Waiter* waiter) { return waiter->sequence <= durable; });
}

bool Shipper::Impl::Drive() {
  DriveOptions drive;
  const int64_t bytes = static_cast<int64_t>(protocol->request().bytes.size());
  drive.timeout = attempt_time + absl::Seconds(bytes / kSlowestBytesPerSecond);
  drive.attempt_timeout = drive.timeout;
  drive.first_pause = 4 * drive.timeout;  // Pauses are made here, where Close() ends them.
  drive.longest_pause = drive.first_pause;
  const absl::Status status = archive::Drive(*protocol, *store, drive);
  if (!status.ok()) {
    attempt_time = std::min(2 * attempt_time, absl::Seconds(120));
    PauseJournal(status);
    return true;
  }
  pauses.Reset();
  attempt_time = absl::Seconds(10);
  if (protocol->phase() == Phase::kOwning) Stands();
  return true;
}

bool Shipper::Impl::Append(JournalProtocol::Body body) {
  sent_at = SteadyNow();
  const absl::Status status = protocol->Append(std::move(body), RandomId(), NowUs());
  if (status.ok()) return Drive();
  // It broke a rule, which a checkpoint mends.
  closing_entry = false;
  log_bytes_sent = 0;
  appending.reset();
  {
    absl::MutexLock lock(&mutex);
    checkpoint_wanted = false;
  }
  WantCheckpoint();
  needs_checkpoint = true;
  PauseJournal(status);
  return true;
}

bool Shipper::Impl::AppendDraft() {
  CheckpointEntry entry = appending->entry;
  for (const ArchivedFile& file : entry.files) protocol->FileIsDurable(file);
  entry.replay_from = protocol->ReplayFrom(entry.max_sequence);
  entry.history = history.Until(entry.max_sequence);
  entry.max_time_us = TimeOf(entry);
  checkpoint_time_us = entry.max_time_us;
  return Append(std::move(entry));
}

// A12: at least that of what came before.
int64_t Shipper::Impl::TimeOf(const CheckpointEntry& entry) const {
  int64_t time_us = std::max(entry.max_time_us, checkpoint_time_us);
  if (const auto beyond = times.upper_bound(entry.max_sequence); beyond != times.begin()) {
    time_us = std::max(time_us, std::prev(beyond)->second);
  }
  return time_us;
}

bool Shipper::Impl::Ship() {
  const absl::StatusOr<std::vector<engine::LogPiece>> pieces =
      source->ReadLog(ArchivedSequence(), table_changes, kLogEntryBytes);
  if (pieces.ok() && !pieces->empty()) return ShipPieces(*pieces);
  if (pieces.ok()) {  // Not yet: durable, but not all of it can be read.
    PauseJournal(absl::OkStatus());
    return true;
  }
  WantCheckpoint();
  needs_checkpoint = true;
  if (!absl::IsOutOfRange(pieces.status())) PauseJournal(pieces.status());
  return true;
}

bool Shipper::Impl::ShipPieces(const std::vector<engine::LogPiece>& pieces) {
  LogEntry log;
  log.predecessor = ArchivedSequence();
  log.least_checkpoint = tables_slot;
  const HistoryEntry& own = history.entries().back();
  for (const engine::LogPiece& piece : pieces) {
    if (log.bytes.size() + piece.bytes.size() > kMaxPayloadBytes) break;
    Segment segment{own.incarnation,
                    own.epoch,
                    piece.log,
                    piece.generation,
                    piece.begin,
                    piece.end,
                    piece.first_sequence,
                    piece.last_sequence,
                    std::max(piece.first_time_us, last_time_us),
                    0};
    last_time_us = segment.last_time_us = std::max(piece.last_time_us, segment.first_time_us);
    log.segments.push_back(std::move(segment));
    log.bytes += piece.bytes;
  }
  if (log.segments.empty()) {
    WantCheckpoint();
    needs_checkpoint = true;
    PauseJournal(absl::ResourceExhaustedError(
        absl::StrCat("a commit of ", pieces.front().bytes.size(),
                     " bytes is too large for the archive's log; a checkpoint takes its place")));
    return true;
  }
  protocol->SetSynced(source->DurableSequence());
  log_bytes_sent = static_cast<int64_t>(log.bytes.size());
  times[log.segments.back().last_sequence] = last_time_us;
  return Append(std::move(log));
}

// The operation that was under way found this owner alone, and its entry stands.
void Shipper::Impl::Stands() {
  proof_ns = absl::ToInt64Nanoseconds(sent_at);
  log_bytes += std::exchange(log_bytes_sent, 0);
  const uint64_t slot = protocol->head();
  if (appending) {
    if (!first_checkpoint_stands || table_changes != appending->table_changes) tables_slot = slot;
    table_changes = appending->table_changes;
    times.erase(times.begin(), times.lower_bound(appending->entry.max_sequence));
    first_checkpoint_stands = true;
    needs_checkpoint = false;
    checkpoint_at = SteadyNow();
  }
  if (protocol->restorable() != nullptr) source->Release(ArchivedSequence());
  std::vector<Waiter*> ready;
  absl::MutexLock lock(&mutex);
  if (std::exchange(collect_entry, false)) collected = slot;
  collect_bell.Ring();
  figures.head = slot;
  journal_error = absl::OkStatus();
  if (protocol->restorable() != nullptr) archived = *protocol->restorable();
  if (appending) {
    figures.state = ArchiveStatus::State::kShipping;
    figures.last_checkpoint = slot;
    figures.checkpoint_bytes = appending->uploaded_bytes;
    figures.checkpoint_files = appending->uploaded_files;
    figures.checkpoint_bytes_in_all = appending->bytes_in_all;
    appending.reset();
    checkpoint_wanted = false;
    hint_slot = slot;
    checkpoint_bell.Ring();
  }
  if (!first_checkpoint_stands) return;
  const auto reached = [last = archived->last_sequence](Waiter* waiter) {
    if (waiter->sequence > last) return false;
    waiter->done = 1;
    FutexWake(&waiter->done);
    return true;
  };
  waiters.erase(std::remove_if(waiters.begin(), waiters.end(), reached), waiters.end());
}

void Shipper::Impl::WantCheckpoint() {
  absl::MutexLock lock(&mutex);
  if (checkpoint_wanted) return;
  checkpoint_wanted = true;
  checkpoint_taken = false;
  log_bytes = 0;
  checkpoint_bell.Ring();
}

void Shipper::Impl::PauseJournal(const absl::Status& error) {
  if (!error.ok()) {
    bool first = false;
    {
      absl::MutexLock lock(&mutex);
      first = journal_error.ok();
      journal_error = error;
    }
    if (first) Say(LogSeverity::kWarning, absl::StrCat("archive: ", error.ToString()));
  }
  const uint32_t ticket = pause_bell.Ticket();
  if (stop) return;
  pause_bell.Sleep(ticket, pauses.Next(closing ? kLongestPauseAtClose : kLongestPause), false);
}

bool Shipper::Impl::EndIfOver() {
  const Phase phase = protocol->phase();
  if (phase == Phase::kFenced || phase == Phase::kFailed) {
    End(ArchiveStatus::State::kFenced, protocol->status());
    return true;
  }
  if (closing_entry && phase == Phase::kOwning) {
    End(ArchiveStatus::State::kClosed, absl::OkStatus());
    return true;
  }
  if (!stop) return false;
  End(ArchiveStatus::State::kClosed, absl::CancelledError("shipping was cut off"));
  return true;
}

void Shipper::Impl::End(ArchiveStatus::State state, absl::Status status) {
  checkpointer.Stop();
  if (state == ArchiveStatus::State::kFenced) {
    Say(LogSeverity::kError, absl::StrCat("archive: ", status.ToString()));
    if (options.fenced) options.fenced(status);
  }
  absl::MutexLock lock(&mutex);
  over = true;
  is_over = true;
  figures.state = state;
  end = std::move(status);
  journal_error = end;
  for (Waiter* waiter : waiters) {
    waiter->done = 1;
    FutexWake(&waiter->done);
  }
  waiters.clear();
  checkpoint_bell.Ring();
  collect_bell.Ring();
}

// --- The checkpointer's thread.

void Shipper::Impl::RunCheckpointer() {
  Pauses checkpoint_pauses;
  while (true) {
    const uint32_t ticket = checkpoint_bell.Ticket();
    SendHint();
    bool make = false;
    {
      absl::MutexLock lock(&mutex);
      if (over || stop) return;
      make = checkpoint_wanted && !checkpoint_taken;
    }
    if (!make) {
      checkpoint_bell.Sleep(ticket, kNever, false);
      continue;
    }
    absl::StatusOr<CheckpointDraft> made = checkpointer.Make();
    {
      absl::MutexLock lock(&mutex);
      checkpoint_error = made.status();
      if (made.ok()) {
        draft = *std::move(made);
        checkpoint_taken = true;
      }
    }
    if (!made.ok()) {
      Say(LogSeverity::kWarning,
          absl::StrCat("archive: no checkpoint: ", made.status().ToString()));
      checkpoint_bell.Sleep(
          ticket, checkpoint_pauses.Next(closing ? kLongestPauseAtClose : kLongestCheckpointPause),
          false);
      continue;
    }
    checkpoint_pauses.Reset();
    bell.Ring();
  }
}

// A hint that is not written costs the next opening some requests.
void Shipper::Impl::SendHint() {
  uint64_t slot = 0;
  {
    absl::MutexLock lock(&mutex);
    if (stop || !end.ok()) hint_slot = 0;
    slot = hint_slot;
  }
  if (slot == 0) return;
  objectstore::RequestOptions request;
  request.timeout = absl::Seconds(10);
  WriteHint(*store, slot, request).IgnoreError();
  absl::MutexLock lock(&mutex);
  if (hint_slot == slot) hint_slot = 0;
}

}  // namespace mooring::archive
