#include "src/archive/shipper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/archive/file_fetch.h"
#include "src/archive/shipper_impl.h"
#include "src/base/steady_wait.h"

namespace mooring::archive {

Shipper::Impl::Impl(std::shared_ptr<objectstore::ObjectStore> store_in,
                    std::unique_ptr<JournalProtocol> protocol_in, engine::LogSource* source_in,
                    History history_in, const std::vector<ArchivedFile>& known_files,
                    ShipperOptions options_in)
    : store(std::move(store_in)),
      protocol(std::move(protocol_in)),
      source(source_in),
      history(std::move(history_in)),
      options(std::move(options_in)),
      checkpointer(
          store.get(), source, known_files,
          {options.staging_directory, options.exclusively, history.entries().back().incarnation,
           history.entries().back().epoch, options.parallel_uploads, uint64_t{4} << 20,
           [this](const absl::Status& error) {
             absl::MutexLock lock(&mutex);
             checkpoint_error = error;
           },
           options.damaged}),
      collector(store.get(), protocol->archive_id(), history.entries().back().incarnation, this,
                options.collection) {
  figures.state = ArchiveStatus::State::kFirstCheckpoint;
  figures.head = protocol->head();
  if (protocol->restorable() != nullptr) archived = *protocol->restorable();
  checkpoint_wanted = true;
  durable_at.emplace_back(ArchivedSequence(), SteadyNow());
  journal_thread = std::thread([this] { RunJournal(); });
  checkpoint_thread = std::thread([this] { RunCheckpointer(); });
  if (options.collection.period != kNever) {
    collect_thread = std::thread([this] { RunCollector(); });
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
  // This opening's epoch stands also for what it found.
  const bool ours = version.epoch == own.epoch;
  if (version.sequence > 0 && (writer == nullptr || (writer->epoch != version.epoch && !ours))) {
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

// Keeps account of how old the oldest commit is that is not archived. Whoever asks does so, for the
// journal's thread may be waiting for an answer.
void Shipper::Impl::ObserveDurable() {
  if (source_is_gone) return;
  const absl::Duration now = SteadyNow();
  uint64_t durable = source->DurableSequence();
  const uint64_t reached = archived ? archived->last_sequence : 0;
  while (durable_at.size() > 1 && durable_at[1].first <= reached) durable_at.pop_front();
  if (durable <= reached) {
    durable_at.assign(1, {durable, now});
    behind_since = kNever;
    behind_at_ns = 0;
    // What was durable before this and told before it, too, is seen now.
    durable = source->DurableSequence();
    if (durable <= reached) return;
  }
  // Nothing was behind until OnDurable() told of it.
  if (const int64_t at = behind_at_ns; behind_since == kNever && at != 0) {
    absl::Duration& since = durable_at.front().second;
    since = std::clamp(absl::Nanoseconds(at), since, now);
  }
  if (durable_at.back().first < durable &&
      now - durable_at.back().second > options.ship_interval / 100) {
    durable_at.emplace_back(durable, now);
  }
  behind_since = durable_at.front().second;
}

absl::Duration Shipper::Impl::Lag() {
  ObserveDurable();
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
    collect_bell.Ring();
  }
  if (journal_thread.joinable()) journal_thread.join();
  if (checkpoint_thread.joinable()) checkpoint_thread.join();
  if (collect_thread.joinable()) collect_thread.join();
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

void Shipper::OnDurable() {
  int64_t unset = 0;
  if (impl_->behind_at_ns == 0) {
    impl_->behind_at_ns.compare_exchange_strong(unset, absl::ToInt64Nanoseconds(SteadyNow()));
  }
  impl_->bell.RingSoftly();
}

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

absl::Status Shipper::FetchFile(const std::string& path, uint64_t size, uint32_t crc32c,
                                const std::string& to) {
  const auto file = impl_->checkpointer.Find(path, size, crc32c);
  if (file) return archive::FetchFile(*impl_->store, *file, to);
  return absl::NotFoundError(absl::StrCat("the archive has no copy of ", path, " yet"));
}

ArchiveStatus Shipper::status() const {
  Impl& impl = *impl_;
  absl::MutexLock lock(&impl.mutex);
  ArchiveStatus status = impl.figures;
  if (impl.archived) {
    const uint64_t sequence = impl.archived->last_sequence;
    const HistoryEntry* writer = impl.archived->history.WriterOf(sequence);
    status.archived = Version{writer == nullptr ? 0 : writer->epoch, sequence};
  }
  status.lag = impl.Lag();
  if (!impl.source_is_gone) status.lag_bytes = impl.source->UnreleasedBytes();
  status.since_fence_check = impl.SinceProof();
  const objectstore::Traffic traffic = impl.store->traffic();
  status.requests = traffic.requests;
  status.bytes_sent = traffic.bytes_sent;
  status.last_error = impl.AnyError();
  return status;
}

absl::Status Shipper::Close(const Deadline& deadline) {
  Impl& impl = *impl_;
  impl.closing = true;
  impl.bell.Ring();
  impl.pause_bell.Ring();
  impl.checkpoint_bell.Ring();
  impl.collect_bell.Ring();
  bool in_time = false;
  bool cancel = false;
  {
    absl::MutexLock lock(&impl.mutex);
    const auto over = [&] {
      impl.mutex.AssertHeld();
      return impl.over && (impl.hint_slot == 0 || impl.checkpoint_wanted || !impl.end.ok());
    };
    cancel = !AwaitSteadily(&impl.mutex, absl::Condition(&over), deadline);
    in_time = impl.over;
    cancel = cancel || !impl.end.ok() || impl.checkpoint_wanted || impl.collector_is_busy;
  }
  const std::string remaining = in_time ? "" : impl.Remaining();  // And why, before it is cut off.
  impl.Join(cancel);
  absl::MutexLock lock(&impl.mutex);
  impl.ObserveDurable();
  impl.figures.lag_bytes = impl.source->UnreleasedBytes();  // What is left.
  impl.source_is_gone = true;
  if (in_time || impl.end.ok() || IsFenced(impl.end)) return impl.end;
  impl.end =
      absl::DeadlineExceededError(absl::StrCat("the archive was not closed in time: ", remaining));
  return impl.end;
}

}  // namespace mooring::archive
