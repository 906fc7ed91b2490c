#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mooring/status_macros.h"
#include "src/archive/shipper_impl.h"

// Collection: the collector's thread, and what the journal's does for it.
namespace mooring::archive {
namespace {

constexpr absl::Duration kLongestCollectPause = absl::Seconds(60);
constexpr size_t kNamesInAnError = 20;

absl::Status Ended() { return absl::CancelledError("the ownership ends"); }

}  // namespace

// --- The collector's thread.

void Shipper::Impl::RunCollector() {
  absl::Duration next = options.collection.period;
  Pauses collect_pauses;
  while (true) {
    for (const Deadline due(next); !due.Passed();) {
      const uint32_t ticket = collect_bell.Ticket();
      if (Over()) return;
      collect_bell.Sleep(ticket, due.Left(), false);
    }
    if (LastCheckpoint() == 0) continue;
    {
      absl::MutexLock lock(&mutex);
      if (over || closing || stop) return;
      collector_is_busy = true;
    }
    const absl::Status status = collector.Round();
    Publish(status);
    if (absl::IsCancelled(status)) return;
    if (status.ok()) collect_pauses.Reset();
    next = options.collection.period;
    if (!status.ok()) next = std::min(next, collect_pauses.Next(kLongestCollectPause));
  }
}

void Shipper::Impl::Publish(const absl::Status& status) {
  const CollectionFigures& found = collector.figures();
  std::string missing;
  if (!found.missing.empty()) {
    const size_t named = std::min(found.missing.size(), kNamesInAnError);
    missing = absl::StrCat(
        found.missing.size(), " objects are missing in the archive: ",
        absl::StrJoin(found.missing.begin(), found.missing.begin() + named, ", "),
        named < found.missing.size() ? " and others" : "",
        ". What the volume still has of them is uploaded again; to go back to before that, bring "
        "the others back.");
  }
  bool is_new = false;
  {
    absl::MutexLock lock(&mutex);
    collector_is_busy = false;
    figures.objects = found.objects;
    figures.bytes = found.bytes;
    figures.oldest = found.oldest_time_us == 0 ? absl::InfinitePast()
                                               : absl::FromUnixMicros(found.oldest_time_us);
    if (found.last_collection_us != 0) {
      figures.last_collection = absl::FromUnixMicros(found.last_collection_us);
    }
    const bool passes = status.ok() || absl::IsCancelled(status) || absl::IsAborted(status);
    collect_error = passes ? absl::OkStatus() : status;
    const absl::Status error = missing.empty() ? absl::OkStatus() : absl::DataLossError(missing);
    is_new = error != missing_error && !error.ok();
    missing_error = error;
  }
  if (is_new) Say(LogSeverity::kError, absl::StrCat("archive: ", missing));
}

bool Shipper::Impl::Over() { return stop || closing || is_over; }

uint64_t Shipper::Impl::Head() {
  absl::MutexLock lock(&mutex);
  return figures.head;
}

uint64_t Shipper::Impl::LastCheckpoint() {
  absl::MutexLock lock(&mutex);
  return figures.last_checkpoint;
}

absl::StatusOr<uint64_t> Shipper::Impl::Append(CollectEntry entry, uint64_t last_checkpoint) {
  {
    absl::MutexLock lock(&mutex);
    if (!entry.files.empty() && (checkpoint_wanted || figures.last_checkpoint != last_checkpoint)) {
      return absl::AbortedError("a checkpoint is under way, which may name what is to go");
    }
    // From here on no checkpoint is made that names them.
    checkpointer.Forget(entry.files);
    collected.reset();
    collect = std::move(entry);
  }
  bell.Ring();
  while (true) {
    const uint32_t ticket = collect_bell.Ticket();
    {
      absl::MutexLock lock(&mutex);
      if (collected) return *std::exchange(collected, std::nullopt);
      if (over || closing || stop) {
        collect.reset();
        return Ended();
      }
    }
    collect_bell.Sleep(ticket, kNever, false);
  }
}

absl::Status Shipper::Impl::Prove() {
  const int64_t wanted = absl::ToInt64Nanoseconds(SteadyNow());
  proof_wanted_ns = wanted;
  bell.Ring();
  while (true) {
    const uint32_t ticket = collect_bell.Ticket();
    if (Over()) return Ended();
    if (proof_ns >= wanted) return absl::OkStatus();
    collect_bell.Sleep(ticket, kNever, false);
  }
}

void Shipper::Impl::Mend(const std::vector<ArchivedFile>& files) {
  checkpointer.UploadAgain(files);
  mend_wanted = true;
  bell.Ring();
}

// --- The journal's thread.

std::optional<CollectEntry> Shipper::Impl::TakeCollect() {
  absl::MutexLock lock(&mutex);
  if (closing || !first_checkpoint_stands) return std::nullopt;
  return std::exchange(collect, std::nullopt);
}

bool Shipper::Impl::AppendCollect(CollectEntry entry) {
  sent_at = SteadyNow();
  const absl::Status status = protocol->Append(std::move(entry), RandomId(), NowUs());
  if (status.ok()) {
    collect_entry = true;
    return Drive();
  }
  absl::MutexLock lock(&mutex);
  collected = status;
  collect_bell.Ring();
  return true;
}

}  // namespace mooring::archive
