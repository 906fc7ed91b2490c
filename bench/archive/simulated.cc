#include "bench/archive/simulated.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mooring/status_macros.h"
#include "src/archive/journal.h"
#include "src/base/random_id.h"

namespace mooring::bench {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kDay = 86'400;
constexpr int64_t kBeginUs = 1'700'000'000 * kSecondUs;
constexpr size_t kFiles = 10;         // That a checkpoint names.
constexpr size_t kNewFiles = 3;       // That it does not have from the one before.
constexpr uint64_t kFrameBytes = 60;  // Of the log, beside a commit's value.

archive::CollectionOptions CollectionOf(const SimulatedArchive::Options& options,
                                        const int64_t* now_us) {
  archive::CollectionOptions collection;
  collection.retention = {options.retention, 2};
  collection.now_us = [now_us] { return *now_us; };
  return collection;
}

}  // namespace

SimulatedArchive::SimulatedArchive(const Options& options)
    : options_(options),
      archive_id_(RandomId()),
      incarnation_(RandomId()),
      collector_(objects_.get(), archive_id_, incarnation_, this, CollectionOf(options, &now_us_)),
      now_us_(kBeginUs) {}

absl::Status SimulatedArchive::Run(int64_t seconds, const std::function<void()>& second) {
  if (head_ == 0) MOORING_RETURN_IF_ERROR(Begin());
  const archive::CollectionOptions defaults;
  const int64_t round = absl::ToInt64Seconds(defaults.period);
  for (const int64_t end = seconds_ + seconds; seconds_ < end;) {
    ++seconds_;
    now_us_ += kSecondUs;
    MOORING_RETURN_IF_ERROR(AppendLog());
    if (seconds_ % kDay == 0) MOORING_RETURN_IF_ERROR(AppendCheckpoint());
    if (options_.collects && seconds_ % round == 0) MOORING_RETURN_IF_ERROR(collector_.Round());
    if (second) second();
  }
  return absl::OkStatus();
}

absl::Status SimulatedArchive::Begin() {
  archive::ArchiveIdentity identity;
  identity.archive_id = archive_id_;
  identity.store_id = RandomId();
  MOORING_ASSIGN_OR_RETURN(const std::string bytes, archive::EncodeIdentity(identity));
  MOORING_RETURN_IF_ERROR(objects_->Create(archive::kIdentityKey, bytes));
  MOORING_RETURN_IF_ERROR(history_.Append({incarnation_, 1, 1}));
  archive::ClaimEntry claim;
  claim.epoch = 1;
  claim.owner = "simulated";
  MOORING_RETURN_IF_ERROR(AppendEntry(std::move(claim)));
  return AppendCheckpoint();
}

absl::Status SimulatedArchive::AppendEntry(decltype(archive::Entry::body) body) {
  archive::Entry entry;
  entry.nonce = RandomId();
  entry.archive_id = archive_id_;
  entry.writer = incarnation_;
  entry.slot = head_ + 1;
  entry.time_us = now_us_;
  entry.body = std::move(body);
  MOORING_ASSIGN_OR_RETURN(const std::string bytes, archive::EncodeEntry(entry));
  MOORING_RETURN_IF_ERROR(objects_->Create(archive::SlotKey(entry.slot), bytes));
  head_ = entry.slot;
  return absl::OkStatus();
}

absl::Status SimulatedArchive::AppendLog() {
  archive::Segment segment;
  segment.incarnation = incarnation_;
  segment.epoch = 1;
  segment.log = log_;
  segment.generation = 1;
  segment.begin = log_bytes_;
  segment.end = log_bytes_ + kFrameBytes + static_cast<uint64_t>(options_.value_bytes);
  segment.first_sequence = sequence_ + 1;
  segment.last_sequence = sequence_ + 1;
  segment.first_time_us = segment.last_time_us = now_us_;
  archive::LogEntry log;
  log.predecessor = sequence_;
  while (log.bytes.size() < segment.end - segment.begin) {
    log.bytes += RandomId();  // Which does not compress to much less than its half.
  }
  log.bytes.resize(segment.end - segment.begin);
  log_bytes_ = segment.end;
  ++sequence_;
  log.segments.push_back(std::move(segment));
  return AppendEntry(std::move(log));
}

absl::Status SimulatedArchive::AppendCheckpoint() {
  const size_t new_files = files_.empty() ? kFiles : kNewFiles;
  for (size_t i = 0; i < new_files; ++i) {
    archive::ArchivedFile file;
    file.path = absl::StrFormat("%06d.sst", ++file_number_);
    file.name = absl::StrCat("1-", file.path);
    file.size = 4;
    MOORING_RETURN_IF_ERROR(objects_->Put(archive::FileKey(file.name), "file"));
    files_.push_back(std::move(file));
  }
  files_.erase(files_.begin(), files_.end() - kFiles);
  archive::CheckpointEntry checkpoint;
  checkpoint.files = files_;
  checkpoint.current = "MANIFEST-000005\n";
  checkpoint.manifest = "the manifest";
  checkpoint.replay_from = head_ + 1;
  checkpoint.min_log = ++log_;
  checkpoint.max_sequence = sequence_;
  if (sequence_ > 0) checkpoint.history = history_;
  checkpoint.max_time_us = sequence_ > 0 ? now_us_ : 0;
  MOORING_RETURN_IF_ERROR(AppendEntry(std::move(checkpoint)));
  last_checkpoint_ = head_;
  log_bytes_ = 0;
  return archive::WriteHint(*objects_, head_);
}

absl::StatusOr<uint64_t> SimulatedArchive::Append(archive::CollectEntry entry, uint64_t) {
  MOORING_RETURN_IF_ERROR(AppendEntry(std::move(entry)));
  return head_;
}

absl::Status SimulatedArchive::Prove() {
  return objects_->List(archive::kJournalPrefix, archive::SlotKey(head_), 1).status();
}

}  // namespace mooring::bench
