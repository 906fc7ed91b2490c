#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "src/archive/checkpointer.h"
#include "src/archive/shipper.h"
#include "src/base/futex.h"
#include "src/base/random_id.h"

// What shipper.cc (any thread) and shipper_threads.cc (the shipper's own) share.
namespace mooring::archive {

inline constexpr absl::Duration kNever = absl::InfiniteDuration();

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
    if (light_sleeper_.load() && light_sleeper_.exchange(false)) FutexWake(&word_);
  }
  void Sleep(uint32_t ticket, absl::Duration timeout, bool lightly) {
    light_sleeper_ = lightly;
    FutexWait(&word_, ticket, timeout);
    light_sleeper_ = false;
  }

 private:
  std::atomic<uint32_t> word_{0};
  std::atomic<bool> light_sleeper_{false};
};

// Pauses that grow until something succeeds.
class Pauses {
 public:
  absl::Duration Next(absl::Duration longest) {
    const absl::Duration pause = std::min(next_, longest);
    next_ = std::min(2 * next_, longest);
    return pause / 2 + pause / 2 * (static_cast<double>(RandomUint64() % 1024) / 1024);
  }
  void Reset() { next_ = kFirst; }

 private:
  static constexpr absl::Duration kFirst = absl::Milliseconds(20);
  absl::Duration next_ = kFirst;
};

struct Waiter {
  uint64_t sequence = 0;
  std::atomic<uint32_t> done{0};
};

struct Shipper::Impl : private CollectionOwner {
  Impl(std::shared_ptr<objectstore::ObjectStore> store_in,
       std::unique_ptr<JournalProtocol> protocol_in, engine::LogSource* source_in,
       History history_in, const std::vector<ArchivedFile>& known_files, ShipperOptions options_in);

  // The journal's thread.
  void RunJournal();
  bool TakeStep() ABSL_LOCKS_EXCLUDED(mutex);
  bool Drive();
  bool AppendDraft();
  std::optional<CollectEntry> TakeCollect() ABSL_LOCKS_EXCLUDED(mutex);
  bool AppendCollect(CollectEntry entry);
  bool Ship();
  bool ShipPieces(const std::vector<engine::LogPiece>& pieces);
  bool Append(JournalProtocol::Body body);
  void Stands();
  void WantCheckpoint() ABSL_LOCKS_EXCLUDED(mutex);
  void PauseJournal(const absl::Status& error);
  bool EndIfOver();
  void End(ArchiveStatus::State end, absl::Status status);
  bool IsUrgent(uint64_t durable) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  uint64_t ArchivedSequence() const {
    return protocol->restorable() == nullptr ? 0 : protocol->restorable()->last_sequence;
  }
  bool FenceIsDue() const;
  bool CheckpointIsDue() ABSL_LOCKS_EXCLUDED(mutex);
  int64_t NowUs() const {
    const auto& now_us = options.collection.now_us;
    return now_us ? now_us() : absl::ToUnixMicros(absl::Now());
  }
  int64_t TimeOf(const CheckpointEntry& entry) const;

  // The checkpointer's thread.
  void RunCheckpointer();
  void SendHint() ABSL_LOCKS_EXCLUDED(mutex);

  // The collector's thread; see CollectionOwner.
  void RunCollector();
  bool Over() override ABSL_LOCKS_EXCLUDED(mutex);
  uint64_t Head() override ABSL_LOCKS_EXCLUDED(mutex);
  uint64_t LastCheckpoint() override ABSL_LOCKS_EXCLUDED(mutex);
  absl::StatusOr<uint64_t> Append(CollectEntry entry, uint64_t last_checkpoint) override
      ABSL_LOCKS_EXCLUDED(mutex);
  absl::Status Prove() override ABSL_LOCKS_EXCLUDED(mutex);
  void Mend(const std::vector<ArchivedFile>& files) override ABSL_LOCKS_EXCLUDED(mutex);
  void Publish(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex);

  // Any thread.
  std::optional<absl::Status> Judge(Version version) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void ObserveDurable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Duration Lag() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Duration SinceProof() const;
  const absl::Status& Error() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return journal_error.ok() ? checkpoint_error : journal_error;
  }
  // That, or what collection says.
  const absl::Status& AnyError() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (!Error().ok()) return Error();
    return missing_error.ok() ? collect_error : missing_error;
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
  Bell collect_bell;     // The collector's thread.
  std::atomic<bool> stop{false};
  std::atomic<bool> closing{false};
  std::atomic<bool> is_over{false};   // As `over`, for who has no lock.
  std::atomic<int64_t> proof_ns{-1};  // When the last look was sent that found no other owner.
  std::atomic<int64_t> proof_wanted_ns{-1};  // One that was sent after this is waited for.
  std::atomic<bool> mend_wanted{false};      // Files are to be uploaded again, by a checkpoint.

  // When OnDurable() was first called after all was archived; 0: not since.
  std::atomic<int64_t> behind_at_ns{0};

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
  // What was durable when, ascending: what came later is no older than that.
  std::deque<std::pair<uint64_t, absl::Duration>> durable_at ABSL_GUARDED_BY(mutex);
  bool checkpoint_wanted ABSL_GUARDED_BY(mutex) = false;  // Until it stands.
  bool checkpoint_taken ABSL_GUARDED_BY(mutex) = false;   // By the checkpointer.
  std::optional<CheckpointDraft> draft ABSL_GUARDED_BY(mutex);
  // From the collector, until the journal's thread takes it, and then what became of it.
  std::optional<CollectEntry> collect ABSL_GUARDED_BY(mutex);
  std::optional<absl::StatusOr<uint64_t>> collected ABSL_GUARDED_BY(mutex);
  bool collector_is_busy ABSL_GUARDED_BY(mutex) = false;
  absl::Status collect_error ABSL_GUARDED_BY(mutex);  // As journal_error.
  absl::Status missing_error ABSL_GUARDED_BY(mutex);  // What the scrub found.
  uint64_t hint_slot ABSL_GUARDED_BY(mutex) = 0;      // To be written; 0: none.
  bool source_is_gone ABSL_GUARDED_BY(mutex) = false;

  // The journal thread's own.
  bool first_checkpoint_stands = false;
  bool needs_checkpoint = false;  // Before anything more can be shipped.
  std::optional<CheckpointDraft> appending;
  absl::Duration sent_at;             // The operation under way.
  bool closing_entry = false;         // It is the CLOSE.
  bool collect_entry = false;         // It is a COLLECT.
  absl::Duration checkpoint_at;       // When the last one stood.
  int64_t log_bytes_sent = 0;         // That are in the entry under way.
  uint64_t table_changes = 0;         // Of the last checkpoint.
  uint64_t tables_slot = 0;           // Of the last one that had others than that before it.
  int64_t log_bytes = 0;              // Since that was asked for.
  std::map<uint64_t, int64_t> times;  // Last sequence and commit time of what was shipped.
  int64_t last_time_us = 0;
  int64_t checkpoint_time_us = 0;
  Pauses pauses;
  absl::Duration attempt_time = absl::Seconds(10);

  Collector collector;  // The collector's thread's.

  std::thread journal_thread;
  std::thread checkpoint_thread;
  std::thread collect_thread;
};

}  // namespace mooring::archive
