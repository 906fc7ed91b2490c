#include "src/objectstore/s3/credentials.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/random_id.h"

namespace mooring::objectstore {
namespace {

// A source that hangs holds up one caller for so long, and only then another tries.
constexpr absl::Duration kFetchTimeout = absl::Seconds(10);
// After a failure ahead of the expiry the next attempt is so far away: an eighth of what is left,
// within these bounds.
constexpr absl::Duration kMinRetry = absl::Milliseconds(200);
constexpr absl::Duration kMaxRetry = absl::Minutes(1);
constexpr absl::Duration kReplaceInterval = absl::Seconds(5);

double RandomFraction() { return static_cast<double>(RandomUint64() >> 11) / (uint64_t{1} << 53); }

}  // namespace

CredentialsProvider::CredentialsProvider(std::unique_ptr<CredentialsSource> source, Clock clock)
    : source_(std::move(source)), clock_(std::move(clock)) {}

bool CredentialsProvider::IsValid(absl::Time now) const {
  return IsComplete(current_) && now < current_.expiry;
}

absl::StatusOr<Credentials> CredentialsProvider::Get(const Deadline& deadline) {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_();
  const bool valid = IsValid(now);
  if (valid && (renewing_ || (now < renew_at_ && !source_->HasChanged()))) return current_;
  const absl::Status status = RenewOrWait(deadline);
  if (status.ok() || IsValid(clock_())) return current_;
  return status;
}

bool CredentialsProvider::Replace(const Credentials& refused, const Deadline& deadline) {
  absl::MutexLock lock(&mutex_);
  if (!SameKeys(current_, refused)) return true;
  const bool due = clock_() >= renew_at_ || source_->HasChanged();
  if (!renewing_ && !due && SteadyNow() < replace_after_) return false;
  RenewOrWait(deadline).IgnoreError();
  replace_after_ = SteadyNow() + kReplaceInterval;
  return !SameKeys(current_, refused);
}

// Where another thread renews already its result is taken, good or bad: so a source that is away is
// asked once for all who wait, not by each in turn.
absl::Status CredentialsProvider::RenewOrWait(const Deadline& deadline) {
  if (!renewing_) return Renew(deadline);
  const int64_t before = renewals_;
  while (renewals_ == before && !cancelled_) {
    if (deadline.Passed()) {
      return absl::UnavailableError(
          absl::StrCat("the time is over while credentials are fetched from ", source_->name()));
    }
    renewed_.WaitWithTimeout(&mutex_, deadline.Left());
  }
  return cancelled_ ? absl::CancelledError("the store is being shut down") : last_renewal_;
}

absl::Status CredentialsProvider::Renew(const Deadline& deadline) {
  renewing_ = true;
  mutex_.Unlock();
  absl::StatusOr<Credentials> fetched =
      source_->Fetch(Deadline(std::min(deadline.Left(), kFetchTimeout)));
  mutex_.Lock();
  renewing_ = false;
  ++renewals_;
  last_renewal_ = Take(std::move(fetched));
  renewed_.SignalAll();
  return last_renewal_;
}

absl::Status CredentialsProvider::Take(absl::StatusOr<Credentials> fetched) {
  const absl::Time now = clock_();
  absl::Status status = fetched.status();
  if (status.ok() && !IsComplete(*fetched)) {
    status = absl::UnauthenticatedError(
        absl::StrCat(source_->name(), " gave credentials without a key id or without a secret"));
  }
  if (status.ok() && fetched->expiry <= now) {
    status = absl::UnauthenticatedError(absl::StrCat(
        source_->name(), " gave credentials that expired at ",
        absl::FormatTime(fetched->expiry, absl::UTCTimeZone()), ", and this machine's clock says ",
        absl::FormatTime(now, absl::UTCTimeZone()), "; renew them, or set the clock"));
  }
  if (!status.ok()) {
    const absl::Duration left = current_.expiry - now;
    renew_at_ = now + std::clamp(left / 8, kMinRetry, kMaxRetry) * (0.5 + RandomFraction() / 2);
    return status;
  }
  current_ = *std::move(fetched);
  const absl::Duration life = current_.expiry - now;
  renew_at_ = life == absl::InfiniteDuration()
                  ? absl::InfiniteFuture()
                  : now + std::max(kMinRetry, life * (0.70 + 0.15 * RandomFraction()));
  return absl::OkStatus();
}

void CredentialsProvider::Cancel() {
  source_->Cancel();
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  renewed_.SignalAll();
}

}  // namespace mooring::objectstore
