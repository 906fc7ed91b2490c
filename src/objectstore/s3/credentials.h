#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "mooring/s3.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/s3/location.h"

namespace mooring::objectstore {

using Credentials = S3Credentials;

inline bool SameKeys(const Credentials& a, const Credentials& b) {
  return a.access_key_id == b.access_key_id && a.secret_access_key == b.secret_access_key &&
         a.session_token == b.session_token;
}
inline bool IsComplete(const Credentials& credentials) {
  return !credentials.access_key_id.empty() && !credentials.secret_access_key.empty();
}

// Where credentials come from. Fetch() is called by one thread at a time; the others are
// thread-safe.
class CredentialsSource {
 public:
  virtual ~CredentialsSource() = default;

  // UNAVAILABLE          the source is away; try again.
  // UNAUTHENTICATED      it has none, or refuses. The message names the remedy, never a secret.
  virtual absl::StatusOr<Credentials> Fetch(const Deadline& deadline) = 0;
  // Whether other ones than Fetch() gave last may be there. Cheap: asked for each request.
  virtual bool HasChanged() { return false; }
  virtual void Cancel() {}
  // For messages: "the file /home/x/.aws/credentials".
  virtual const std::string& name() const = 0;
};

// The source that mooring/s3.h says, looked at for the first time when it is used.
std::unique_ptr<CredentialsSource> MakeCredentialsSource(
    const Environment& environment, const S3Location& location,
    std::function<absl::StatusOr<Credentials>()> callback);

// Keeps the credentials of a source, and renews them by whichever thread asks when it is time, one
// at a time. Until new ones are there the others get the old ones, while these are valid; where
// there are no valid ones all wait. Thread-safe.
class CredentialsProvider {
 public:
  using Clock = std::function<absl::Time()>;

  explicit CredentialsProvider(std::unique_ptr<CredentialsSource> source, Clock clock = absl::Now);

  // As CredentialsSource::Fetch().
  absl::StatusOr<Credentials> Get(const Deadline& deadline);
  // Whether Get() has others now than `refused`, which a server did not accept. Asks the source,
  // though not again within a few seconds, so that what is refused for good costs no storm.
  bool Replace(const Credentials& refused, const Deadline& deadline);

  // Ends what is under way, and all that follows.
  void Cancel();
  const std::string& source() const { return source_->name(); }

 private:
  bool IsValid(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Renew(const Deadline& deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RenewOrWait(const Deadline& deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Take(absl::StatusOr<Credentials> fetched) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<CredentialsSource> source_;
  const Clock clock_;

  absl::Mutex mutex_;
  absl::CondVar renewed_;
  Credentials current_ ABSL_GUARDED_BY(mutex_);
  absl::Time renew_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Duration replace_after_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();  // Steady.
  bool renewing_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t renewals_ ABSL_GUARDED_BY(mutex_) = 0;  // Also those that failed.
  absl::Status last_renewal_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::objectstore
