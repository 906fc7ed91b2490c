#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/object_store.h"
#include "src/objectstore/s3/credentials.h"
#include "src/objectstore/s3/http_client.h"
#include "src/objectstore/s3/location.h"

namespace mooring::objectstore {

// How patient a client is. The defaults are for everybody; tests shorten them.
struct S3Tuning {
  // One attempt gets this long, and a second more for each MiB that it may carry, but ends when
  // nothing moved for this long.
  absl::Duration attempt_timeout = absl::Seconds(15);
  int max_attempts = 6;
  // The pause after attempt n is random below backoff * 2^n and this bound.
  absl::Duration backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
  // Large files go in parts of this size, so many at a time.
  int64_t part_bytes = int64_t{8} << 20;
  int parallel_parts = 4;
};

struct S3Request {
  std::string method;
  std::string key;  // With the store's prefix; empty for the bucket.
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;
  std::string_view body;
  int64_t max_response_bytes = int64_t{1} << 20;
  // May be sent again after an attempt of which nobody knows whether it took effect.
  bool repeatable = true;
  // The answer may be 200 and yet hold an error, as for the completion of an upload.
  bool may_fail_late = false;
};

// Signs requests, sends them until one is answered or it is hopeless, and turns what went wrong
// into the codes of object_store.h. Thread-safe.
class S3Client {
 public:
  S3Client(S3Location location, std::unique_ptr<CredentialsSource> credentials,
           const S3Tuning& tuning);

  // An answer of status 2xx. Besides the codes of object_store.h:
  //
  // ABORTED  the multipart upload is not known (any more).
  absl::StatusOr<HttpResponse> Send(const S3Request& request, const Deadline& deadline);

  void Cancel();
  bool cancelled() const { return cancelled_; }
  Traffic traffic() const;
  const S3Location& location() const { return location_; }
  const S3Tuning& tuning() const { return tuning_; }

 private:
  struct Outcome;
  Outcome SendOnce(const S3Request& request, const std::string& payload_hash,
                   const Credentials& credentials, absl::Duration left);
  HttpRequest Sign(const S3Request& request, const std::string& payload_hash,
                   const Credentials& credentials) const;
  bool Renew(const Outcome& outcome, const Credentials& used, const Deadline& deadline);
  absl::Status Pause(int attempt, const Deadline& deadline);
  absl::Status Describe(const S3Request& request, const absl::Status& status) const;

  const S3Location location_;
  const S3Tuning tuning_;
  CredentialsProvider credentials_;
  HttpClient http_;

  std::atomic<int64_t> requests_{0};
  std::atomic<int64_t> retries_{0};
  std::atomic<int64_t> bytes_sent_{0};
  std::atomic<int64_t> bytes_received_{0};
  std::atomic<bool> cancelled_{false};
  absl::Mutex mutex_;
  absl::CondVar cancel_;
};

// What a server refused a request for, before doing anything: S3 checks who sends it, and whether
// that one may, ahead of all else.
enum class Refusal {
  kNone,
  kCredentials,  // They are unknown, expired or do not fit the signature.
  kForbidden,    // They are good but do not allow it; some servers say so of expired ones too.
  kClock,
};
Refusal RefusalOf(const HttpResponse& response);

// What an answer that is not 2xx means, by its status and S3's own error code.
absl::Status ExplainAnswer(const HttpResponse& response, const S3Location& location,
                           absl::Time now);

}  // namespace mooring::objectstore
