#include "src/archive/shipper.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "src/archive/checkpointer.h"
#include "src/archive/journal.h"
#include "src/base/futex.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_wait.h"

namespace mooring::archive {
namespace {

using Phase = JournalProtocol::Phase;

constexpr size_t kLogEntryBytes = size_t{8} << 20;
constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
constexpr absl::Duration kLongestPauseAtClose = absl::Milliseconds(200);
constexpr absl::Duration kLongestCheckpointPause = absl::Seconds(30);
constexpr int64_t kSlowestBytesPerSecond = int64_t{256} << 10;
constexpr absl::Duration kNever = absl::InfiniteDuration();

// One thread sleeps on it. What happens after Ticket() was taken makes Sleep() return at once.
class Bell {
 public:
  uint32_t Ticket() const { return word_.load(); }
  void Ring() {
    word_.fetch_add(1);
    FutexWake(&word_);
  }
  // As Ring(), but wakes only a sleeper who asked for it, and him once.
  void RingSoftly() {
    word_.fetch_add(1);
    if (light_sleeper_.load() && light_sleeper_.exchange(false)) {
      rung_at_ns_ = absl::ToInt64Nanoseconds(SteadyNow());
      FutexWake(&word_);
    }
  }
  void Sleep(uint32_t ticket, absl::Duration timeout, bool lightly) {
    light_sleeper_ = lightly;
    FutexWait(&word_, ticket, timeout);
    light_sleeper_ = false;
  }
  // When the last light sleeper was woken.
  absl::Duration rung_at() const { return absl::Nanoseconds(rung_at_ns_.load()); }

 private:
  std::atomic<uint32_t> word_{0};
  std::atomic<bool> light_sleeper_{false};
  std::atomic<int64_t> rung_at_ns_{0};
};

// Pauses that grow until something succeeds.
class Pauses {
 public:
  absl::Duration Next(absl::Duration longest) {
    const absl::Duration pause = std::min(next_, longest);
    next_ = std::min(2 * next_, longest);
    return pause / 2 + pause / 2 * (static_cast<double>(RandomUint64() % 1024) / 1024);
  }
  void Reset() { next_ = kFirstPause; }

 private:
  absl::Duration next_ = kFirstPause;
};

struct Waiter {
  uint64_t sequence = 0;
  std::atomic<uint32_t> done{0};
};

}  // namespace

struct Shipper::Impl {
  Impl(std::shared_ptr<objectstore::ObjectStore> store_in,
       std::unique_ptr<JournalProtocol> protocol_in, engine::LogSource* source_in,
       History history_in, const std::vector<ArchivedFile>& known_files, ShipperOptions options_in);

  // The journal's thread.
  void RunJournal();
  bool TakeStep() ABSL_LOCKS_EXCLUDED(mutex);
  bool Drive();
  bool AppendDraft();
  bool Ship();
  bool ShipPieces(const std::vector<engine::LogPiece>& pieces);
  bool Append(JournalProtocol::Body body);
  void Stands();
  void ObserveDurable() ABSL_LOCKS_EXCLUDED(mutex);
  void WantCheckpoint() ABSL_LOCKS_EXCLUDED(mutex);
  void PauseJournal(const absl::Status& error);
  bool EndIfOver();
  void End(ArchiveStatus::State end, absl::Status status);
  bool IsUrgent(uint64_t durable) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  uint64_t ArchivedSequence() const {
    return protocol->restorable() == nullptr ? 0 : protocol->restorable()->last_sequence;
  }
  int64_t TimeOf(const CheckpointEntry& entry) const;

  // The checkpointer's thread.
  void RunCheckpointer();

  // Any thread.
  std::optional<absl::Status> Judge(Version version) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Duration Lag() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Duration SinceProof() const;
  const absl::Status& Error() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return journal_error.ok() ? checkpoint_error : journal_error;
  }
  std::string Because() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return Error().ok() ? "" : absl::StrCat(": ", Error().ToString());
  }
  std::string Remaining() ABSL_LOCKS_EXCLUDED(mutex);
  void Join(bool cancel);
  void Say(LogSeverity severity, const std::string& text) const {
    if (options.log) options.log(severity, text);
  }

  const std::shared_ptr<objectstore::ObjectStore> store;
  const std::unique_ptr<JournalProtocol> protocol;  // The journal thread's.
  engine::LogSource* const source;
  const History history;
  const ShipperOptions options;
  Checkpointer checkpointer;

  Bell bell;             // The journal thread sleeps on it,
  Bell pause_bell;       // and on this one while it pauses.
  Bell checkpoint_bell;  // The checkpointer's thread.
  std::atomic<bool> stop{false};
  std::atomic<bool> closing{false};
  std::atomic<bool> is_over{false};   // As `over`, for who has no lock.
  std::atomic<int64_t> proof_ns{-1};  // When the last look was sent that found no other owner.

  mutable absl::Mutex mutex;
  bool over ABSL_GUARDED_BY(mutex) = false;
  absl::Status end ABSL_GUARDED_BY(mutex);  // What calls answer once it is over.
  ArchiveStatus figures ABSL_GUARDED_BY(mutex);
  // What keeps the journal, and a checkpoint, from going on; OK where nothing does.
  absl::Status journal_error ABSL_GUARDED_BY(mutex);
  absl::Status checkpoint_error ABSL_GUARDED_BY(mutex);
  std::optional<State> archived ABSL_GUARDED_BY(mutex);
  std::vector<Waiter*> waiters ABSL_GUARDED_BY(mutex);
  // Since when something durable is not archived; kNever where nothing is.
  absl::Duration behind_since ABSL_GUARDED_BY(mutex) = kNever;
  bool checkpoint_wanted ABSL_GUARDED_BY(mutex) = false;  // Until it stands.
  bool checkpoint_taken ABSL_GUARDED_BY(mutex) = false;   // By the checkpointer.
  std::optional<CheckpointDraft> draft ABSL_GUARDED_BY(mutex);
  bool source_is_gone ABSL_GUARDED_BY(mutex) = false;

  // The journal thread's own.
  bool first_checkpoint_stands = false;
  bool needs_checkpoint = false;  // Before anything more can be shipped.
  std::optional<CheckpointDraft> appending;
  absl::Duration sent_at;             // The operation under way.
  bool closing_entry = false;         // It is the CLOSE.
  int64_t log_bytes_sent = 0;         // That are in the entry under way.
  uint64_t table_changes = 0;         // Of the last checkpoint.
  int64_t log_bytes = 0;              // Since that was asked for.
  std::map<uint64_t, int64_t> times;  // Last sequence and commit time of what was shipped.
  int64_t last_time_us = 0;
  int64_t checkpoint_time_us = 0;
  // What was durable when, ascending: what came later is no older than that.
  std::deque<std::pair<uint64_t, absl::Duration>> durable_at;
  Pauses pauses;
  absl::Duration attempt_time = absl::Seconds(10);

  std::thread journal_thread;
  std::thread checkpoint_thread;
};

Shipper::Impl::Impl(std::shared_ptr<objectstore::ObjectStore> store_in,
                    std::unique_ptr<JournalProtocol> protocol_in, engine::LogSource* source_in,
                    History history_in, const std::vector<ArchivedFile>& known_files,
                    ShipperOptions options_in)
    : store(std::move(store_in)),
      protocol(std::move(protocol_in)),
      source(source_in),
      history(std::move(history_in)),
      options(std::move(options_in)),
      checkpointer(store.get(), source, known_files,
                   {options.staging_directory, options.exclusively,
                    history.entries().back().incarnation, history.entries().back().epoch,
                    options.parallel_uploads, uint64_t{4} << 20, [this](const absl::Status& error) {
                      absl::MutexLock lock(&mutex);
                      checkpoint_error = error;
                    }}) {
  figures.state = ArchiveStatus::State::kFirstCheckpoint;
  figures.head = protocol->head();
  if (protocol->restorable() != nullptr) archived = *protocol->restorable();
  checkpoint_wanted = true;
  durable_at.emplace_back(ArchivedSequence(), SteadyNow());
  journal_thread = std::thread([this] { RunJournal(); });
  checkpoint_thread = std::thread([this] { RunCheckpointer(); });
}

// --- The journal's thread.

void Shipper::Impl::RunJournal() {
  while (!EndIfOver()) {
    const uint32_t ticket = bell.Ticket();
    if (TakeStep()) continue;
    ObserveDurable();
    // What is due next, and whether more that is durable changes that.
    absl::Duration next = options.fence_check_interval - SinceProof();
    bool lightly = false;
    {
      absl::MutexLock lock(&mutex);
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
  const bool fence_is_due = SinceProof() >= options.fence_check_interval;
  const auto check_fence = [&] {
    sent_at = SteadyNow();
    if (const absl::Status status = protocol->CheckFence(); !status.ok()) PauseJournal(status);
    return true;
  };
  if (!first_checkpoint_stands || needs_checkpoint) return fence_is_due && check_fence();
  const bool close = closing;  // Before it looks what there is.
  const bool tables_changed = source->TableChanges() != table_changes;
  if (tables_changed || log_bytes >= options.checkpoint_log_bytes) WantCheckpoint();
  ObserveDurable();
  const uint64_t durable = source->DurableSequence();
  const bool behind = durable > ArchivedSequence();
  bool ship = close;
  {
    absl::MutexLock lock(&mutex);
    ship = ship || IsUrgent(durable) || SteadyNow() >= behind_since + options.ship_interval;
  }
  if (behind && ship) return Ship();
  if (close && !tables_changed) {
    closing_entry = true;
    return Append(CloseEntry());
  }
  return fence_is_due && check_fence();
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
  const absl::Status status =
      protocol->Append(std::move(body), RandomId(), absl::ToUnixMicros(absl::Now()));
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
    // A hint that is not written costs the next opening some requests.
    objectstore::RequestOptions request;
    request.timeout = absl::Seconds(10);
    WriteHint(*store, slot, request).IgnoreError();
    table_changes = appending->table_changes;
    times.erase(times.begin(), times.lower_bound(appending->entry.max_sequence));
    first_checkpoint_stands = true;
    needs_checkpoint = false;
  }
  if (protocol->restorable() != nullptr) source->Release(ArchivedSequence());
  std::vector<Waiter*> ready;
  absl::MutexLock lock(&mutex);
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
  }
  if (!first_checkpoint_stands) return;
  const auto reached = [&](Waiter* waiter) {
    if (waiter->sequence > archived->last_sequence) return false;
    waiter->done = 1;
    FutexWake(&waiter->done);
    return true;
  };
  waiters.erase(std::remove_if(waiters.begin(), waiters.end(), reached), waiters.end());
}

// Keeps account of how old the oldest commit is that is not archived.
void Shipper::Impl::ObserveDurable() {
  const absl::Duration now = SteadyNow();
  const uint64_t durable = source->DurableSequence();
  const uint64_t reached = ArchivedSequence();
  absl::MutexLock lock(&mutex);
  while (durable_at.size() > 1 && durable_at[1].first <= reached) durable_at.pop_front();
  if (durable <= reached) {
    durable_at.assign(1, {durable, now});
    behind_since = kNever;
    return;
  }
  // Nothing was behind until it was woken for this.
  if (behind_since == kNever) {
    absl::Duration& since = durable_at.front().second;
    since = std::clamp(bell.rung_at(), since, now);
  }
  if (durable_at.back().first < durable &&
      now - durable_at.back().second > options.ship_interval / 100) {
    durable_at.emplace_back(durable, now);
  }
  behind_since = durable_at.front().second;
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
}

// --- The checkpointer's thread.

void Shipper::Impl::RunCheckpointer() {
  Pauses checkpoint_pauses;
  while (true) {
    const uint32_t ticket = checkpoint_bell.Ticket();
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

// --- Any thread.

// What is known of `version` by its lineage; nothing where that is still to come.
std::optional<absl::Status> Shipper::Impl::Judge(Version version) const {
  const HistoryEntry& own = history.entries().back();
  if (version.epoch > own.epoch) {
    return absl::InvalidArgumentError(absl::StrCat("version ", version.ToString(),
                                                   " was never given: this is epoch ", own.epoch));
  }
  const HistoryEntry* writer = history.WriterOf(version.sequence);
  if (version.sequence > 0 && (writer == nullptr || writer->epoch != version.epoch)) {
    return absl::DataLossError(absl::StrCat("version ", version.ToString(),
                                            " is not part of this store's history: an opening "
                                            "went on without it"));
  }
  if (archived && archived->last_sequence >= version.sequence) {
    return absl::OkStatus();
  }
  if (!over) return std::nullopt;
  return end.ok() ? absl::FailedPreconditionError("the archive is closed") : end;
}

absl::Duration Shipper::Impl::Lag() const {
  return behind_since == kNever ? absl::ZeroDuration() : SteadyNow() - behind_since;
}

absl::Duration Shipper::Impl::SinceProof() const {
  const int64_t proof = proof_ns;
  return proof < 0 ? kNever : SteadyNow() - absl::Nanoseconds(proof);
}

void Shipper::Impl::Join(bool cancel) {
  if (cancel) {
    stop = true;
    checkpointer.Stop();
    store->Cancel();
    bell.Ring();
    pause_bell.Ring();
    checkpoint_bell.Ring();
  }
  if (journal_thread.joinable()) journal_thread.join();
  if (checkpoint_thread.joinable()) checkpoint_thread.join();
}

std::string Shipper::Impl::Remaining() {
  absl::MutexLock lock(&mutex);
  const uint64_t durable = source->DurableSequence();
  const uint64_t reached = archived ? archived->last_sequence : 0;
  return absl::StrCat(durable - std::min(durable, reached), " operations and ",
                      source->UnreleasedBytes(), " bytes of log are not archived", Because());
}

// --- Shipper.

Shipper::Shipper(std::shared_ptr<objectstore::ObjectStore> store,
                 std::unique_ptr<JournalProtocol> protocol, engine::LogSource* source,
                 History history, const std::vector<ArchivedFile>& known_files,
                 ShipperOptions options)
    : impl_(std::make_unique<Impl>(std::move(store), std::move(protocol), source,
                                   std::move(history), known_files, std::move(options))) {}

Shipper::~Shipper() {
  if (impl_->journal_thread.joinable()) impl_->Join(/*cancel=*/true);
}

void Shipper::OnDurable() { impl_->bell.RingSoftly(); }

absl::Status Shipper::WaitArchived(Version version, const Deadline& deadline) {
  Impl& impl = *impl_;
  Waiter waiter;
  waiter.sequence = version.sequence;
  {
    absl::MutexLock lock(&impl.mutex);
    if (auto known = impl.Judge(version)) return *std::move(known);
    impl.waiters.push_back(&waiter);
  }
  impl.bell.Ring();
  while (waiter.done == 0 && !deadline.Passed()) FutexWait(&waiter.done, 0, deadline.Left());
  absl::MutexLock lock(&impl.mutex);
  if (waiter.done == 0) {
    impl.waiters.erase(std::find(impl.waiters.begin(), impl.waiters.end(), &waiter));
  }
  if (auto known = impl.Judge(version)) return *std::move(known);
  return absl::DeadlineExceededError(absl::StrCat("version ", version.ToString(),
                                                  " was not archived in time; it may be later",
                                                  impl.Because()));
}

absl::Status Shipper::Admit(const Deadline& deadline) {
  Impl& impl = *impl_;
  const absl::Duration max_unfenced = impl.options.max_unfenced;
  const absl::Duration max_lag = impl.options.max_lag;
  if (impl.is_over) {
    absl::MutexLock lock(&impl.mutex);
    return impl.end.ok() ? absl::FailedPreconditionError("the archive is closed") : impl.end;
  }
  if (max_unfenced != kNever) {
    while (impl.proof_ns < 0 && !impl.is_over && !deadline.Passed()) {
      absl::SleepFor(std::min(deadline.Left(), absl::Milliseconds(1)));
    }
    const absl::Duration unfenced = impl.SinceProof();
    if (unfenced > max_unfenced) {
      return absl::UnavailableError(absl::StrCat(
          "nobody knows whether another owner took over: the archive was last looked at ",
          absl::FormatDuration(unfenced), " ago, and max_unfenced is ",
          absl::FormatDuration(max_unfenced), ". Writes go on once it can be reached again."));
    }
  }
  if (max_lag == kNever) return absl::OkStatus();
  absl::MutexLock lock(&impl.mutex);
  const auto in_time = [&] {
    impl.mutex.AssertHeld();
    return impl.over || impl.Lag() <= max_lag;
  };
  if (in_time()) return impl.end;
  const Deadline patience(std::min(deadline.Left(), max_lag));
  if (AwaitSteadily(&impl.mutex, absl::Condition(&in_time), patience)) return impl.end;
  return absl::UnavailableError(absl::StrCat(
      "the archive is ", absl::FormatDuration(impl.Lag()), " behind, and max_lag is ",
      absl::FormatDuration(max_lag), ". Writes go on once it has caught up", impl.Because()));
}

ArchiveStatus Shipper::status() const {
  const Impl& impl = *impl_;
  absl::MutexLock lock(&impl.mutex);
  ArchiveStatus status = impl.figures;
  if (impl.archived) {
    const uint64_t sequence = impl.archived->last_sequence;
    const HistoryEntry* writer = impl.archived->history.WriterOf(sequence);
    status.archived = Version{writer == nullptr ? 0 : writer->epoch, sequence};
  }
  if (!impl.source_is_gone) {
    status.lag = impl.Lag();
    status.lag_bytes = impl.source->UnreleasedBytes();
  }
  status.since_fence_check = impl.SinceProof();
  const objectstore::Traffic traffic = impl.store->traffic();
  status.requests = traffic.requests;
  status.bytes_sent = traffic.bytes_sent;
  status.last_error = impl.Error();
  return status;
}

absl::Status Shipper::Close(const Deadline& deadline) {
  Impl& impl = *impl_;
  impl.closing = true;
  impl.bell.Ring();
  impl.pause_bell.Ring();
  impl.checkpoint_bell.Ring();
  bool in_time = false;
  bool cancel = false;
  {
    absl::MutexLock lock(&impl.mutex);
    const auto over = [&] {
      impl.mutex.AssertHeld();
      return impl.over;
    };
    in_time = AwaitSteadily(&impl.mutex, absl::Condition(&over), deadline);
    cancel = !in_time || !impl.end.ok() || impl.checkpoint_wanted;
  }
  const std::string remaining = in_time ? "" : impl.Remaining();  // And why, before it is cut off.
  impl.Join(cancel);
  absl::MutexLock lock(&impl.mutex);
  impl.source_is_gone = true;
  if (in_time || impl.end.ok() || IsFenced(impl.end)) return impl.end;
  impl.end =
      absl::DeadlineExceededError(absl::StrCat("the archive was not closed in time: ", remaining));
  return impl.end;
}

}  // namespace mooring::archive
