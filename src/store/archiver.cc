#include "src/store/archiver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/steady_wait.h"

namespace mooring::internal {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(200);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
constexpr int kCheckpointsInRetention = 7;
// More often they would cost more than the objects that are saved.
constexpr absl::Duration kShortestInterval = absl::Minutes(1);
constexpr absl::Duration kLongestInterval = absl::Hours(24);

// The archive is away, or refuses for now: credentials are renewed and quotas raised.
bool PassesBy(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

absl::Status NotClaimed(const absl::Status& why) {
  if (!PassesBy(why)) return why;  // It will not be.
  return absl::UnavailableError(absl::StrCat(
      "the archive was not reached since the store was opened; it is tried on: ", why.message()));
}

}  // namespace

absl::Duration CheckpointInterval(absl::Duration retention) {
  if (const auto given = archive::DefaultCollection().checkpoint_interval) return *given;
  if (retention == absl::ZeroDuration()) return kLongestInterval;
  return std::clamp(retention / kCheckpointsInRetention, kShortestInterval, kLongestInterval);
}

Archiver::Archiver(const ArchiveOptions& options, std::string staging_directory,
                   std::function<void(LogSeverity, std::string_view)> log, Callbacks callbacks)
    : options_(options),
      staging_directory_(std::move(staging_directory)),
      log_(std::move(log)),
      callbacks_(std::move(callbacks)) {}

Archiver::~Archiver() {
  if (claim_thread_.joinable()) claim_thread_.join();
}

void Archiver::Start(std::shared_ptr<archive::Remote> remote, archive::Takeover takeover,
                     engine::LogSource* source, archive::History history) {
  archive::ShipperOptions options;
  options.ship_interval = options_.ship_interval;
  options.fence_check_interval = options_.fence_check_interval;
  options.max_unfenced = options_.max_unfenced;
  options.max_lag = options_.max_lag;
  options.collection = archive::DefaultCollection();
  options.collection.retention = {options_.retention, options_.min_checkpoints};
  options.checkpoint_interval = CheckpointInterval(options_.retention);
  options.staging_directory = staging_directory_;
  options.exclusively = callbacks_.exclusively;
  options.sync_unsynced = callbacks_.sync_unsynced;
  options.fenced = callbacks_.fenced;
  options.damaged = callbacks_.damaged;
  options.log = log_;
  source_ = source;
  // The shipper's share of the remote is its object store.
  const std::shared_ptr<objectstore::ObjectStore> store(remote, &remote->store());
  shipper_ = std::make_unique<archive::Shipper>(store, std::move(takeover.protocol), source,
                                                std::move(history), takeover.known_files,
                                                std::move(options));
  ready_.store(shipper_.get(), std::memory_order_release);
}

void Archiver::StartLater(std::function<absl::StatusOr<LateClaim>()> claim,
                          engine::LogSource* source, archive::History history) {
  source_ = source;
  {
    absl::MutexLock lock(&mutex_);
    claiming_ = true;
    last_error_ = absl::UnavailableError("the archive has not answered yet");
  }
  claim_thread_ = std::thread([this, claim = std::move(claim), history = std::move(history)] {
    ClaimLater(claim, history);
  });
}

void Archiver::ClaimLater(const std::function<absl::StatusOr<LateClaim>()>& claim,
                          archive::History history) {
  absl::Duration pause = kFirstPause;
  while (true) {
    absl::StatusOr<LateClaim> claimed = claim();
    if (claimed.ok()) {
      Start(std::move(claimed->remote), std::move(claimed->takeover), source_, std::move(history));
      break;
    }
    const bool final = !PassesBy(claimed.status());
    // Not with the lock: a close that asks for the status may hold the store's own.
    if (final) callbacks_.fenced(claimed.status());
    absl::MutexLock lock(&mutex_);
    last_error_ = claimed.status();
    const auto closing = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closing_; };
    if (final || AwaitSteadily(&mutex_, absl::Condition(&closing), Deadline(pause))) break;
    pause = std::min(2 * pause, kLongestPause);
  }
  absl::MutexLock lock(&mutex_);
  claiming_ = false;
}

void Archiver::OnDurable() {
  if (archive::Shipper* const shipper = this->shipper()) shipper->OnDurable();
}

absl::Status Archiver::WaitArchived(Version version, const Deadline& deadline) {
  if (version.sequence > source_->DurableSequence()) {
    // Of a commit at kProcess.
    if (absl::Status synced = callbacks_.sync(); !synced.ok()) return synced;
  }
  if (shipper() == nullptr) {
    absl::MutexLock lock(&mutex_);
    const auto settled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !claiming_ || closing_;
    };
    AwaitSteadily(&mutex_, absl::Condition(&settled), deadline);
    if (shipper() == nullptr) return NotClaimed(last_error_);
  }
  return shipper()->WaitArchived(version, deadline);
}

absl::Status Archiver::Admit(const Deadline& deadline) {
  if (archive::Shipper* const shipper = this->shipper()) return shipper->Admit(deadline);
  const absl::Duration age = SteadyNow() - started_;
  if (age <= options_.max_unfenced && age <= options_.max_lag) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  return NotClaimed(last_error_);
}

absl::Status Archiver::FetchFile(const engine::LiveFile& file, const std::string& to) {
  archive::Shipper* const shipper = this->shipper();
  if (shipper == nullptr) return absl::UnavailableError("the archive is not claimed yet");
  return shipper->FetchFile(file.path, file.size, file.crc32c, to);
}

ArchiveStatus Archiver::status() const {
  if (archive::Shipper* const shipper = this->shipper()) return shipper->status();
  ArchiveStatus status;
  absl::MutexLock lock(&mutex_);
  status.state = closing_ ? ArchiveStatus::State::kClosed : ArchiveStatus::State::kUnreached;
  status.lag = SteadyNow() - started_;
  status.last_error = last_error_;
  return status;
}

absl::Status Archiver::Close(const Deadline& deadline) {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  if (claim_thread_.joinable()) claim_thread_.join();
  if (archive::Shipper* const shipper = this->shipper()) return shipper->Close(deadline);
  absl::MutexLock lock(&mutex_);
  return NotClaimed(last_error_);
}

}  // namespace mooring::internal
