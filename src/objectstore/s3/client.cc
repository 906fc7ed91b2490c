#include "src/objectstore/s3/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/objectstore/s3/signer.h"
#include "src/objectstore/s3/xml.h"

namespace mooring::objectstore {

namespace {

bool IsRefusal(const absl::Status& status) {
  return absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
}

// Ceph says no more than "denied" of a session that is over.
absl::Status MentionSource(const absl::Status& status, const Credentials& credentials,
                           std::string_view source) {
  if (!IsRefusal(status)) return status;
  const bool session = absl::IsPermissionDenied(status) && !credentials.session_token.empty();
  return absl::Status(
      status.code(),
      absl::StrCat(status.message(),
                   session ? "; or the session token has expired, then renew the credentials" : "",
                   "; the credentials are those of ", ToAbsl(source)));
}

}  // namespace

// What one attempt came to.
struct S3Client::Outcome {
  absl::StatusOr<HttpResponse> response;
  // The server never saw it.
  bool not_sent = false;
  Refusal refusal = Refusal::kNone;
};

S3Client::S3Client(S3Location location, std::unique_ptr<CredentialsSource> credentials,
                   const S3Tuning& tuning)
    : location_(std::move(location)),
      tuning_(tuning),
      credentials_(std::move(credentials)),
      http_(location_.ca_file) {}

void S3Client::Cancel() {
  cancelled_ = true;
  http_.Cancel();
  credentials_.Cancel();
  absl::MutexLock lock(&mutex_);
  cancel_.SignalAll();
}

Traffic S3Client::traffic() const {
  Traffic traffic;
  traffic.requests = requests_;
  traffic.retries = retries_;
  traffic.bytes_sent = bytes_sent_;
  traffic.bytes_received = bytes_received_;
  return traffic;
}

absl::Status S3Client::Describe(const S3Request& request, const absl::Status& status) const {
  if (status.ok()) return status;
  return Annotate(status, absl::StrCat(request.method, " ", request.key.empty() ? "(list)" : "",
                                       request.key, " of ", location_.Name()));
}

HttpRequest S3Client::Sign(const S3Request& request, const std::string& payload_hash,
                           const Credentials& credentials) const {
  SignableRequest signable;
  signable.method = request.method;
  signable.path = UriEncode(absl::StrCat(location_.RequestPath(), request.key), true);
  signable.query = request.query;
  signable.headers = request.headers;
  signable.headers["host"] = location_.RequestHost();
  signable.headers["x-amz-date"] = AmzDate(absl::Now());
  signable.headers["x-amz-content-sha256"] = payload_hash;
  if (!credentials.session_token.empty()) {
    signable.headers["x-amz-security-token"] = credentials.session_token;
  }
  HttpRequest http;
  http.method = request.method;
  const std::string query = QueryString(request.query);
  http.url = absl::StrCat(location_.scheme, "://", location_.RequestHost(), signable.path,
                          query.empty() ? "" : "?", query);
  for (const auto& [name, value] : signable.headers) {
    if (name != "host") http.headers.push_back(absl::StrCat(name, ": ", value));
  }
  http.headers.push_back(
      absl::StrCat("Authorization: ", Authorization(signable, credentials, location_.region)));
  http.body = request.body;
  http.max_response_bytes = request.max_response_bytes;
  return http;
}

S3Client::Outcome S3Client::SendOnce(const S3Request& request, const std::string& payload_hash,
                                     const Credentials& credentials, absl::Duration left) {
  HttpRequest http = Sign(request, payload_hash, credentials);
  const int64_t carried = request.body.size() + request.max_response_bytes;
  http.timeout = std::min(left, tuning_.attempt_timeout + absl::Seconds(carried >> 20));
  http.stall_timeout = tuning_.attempt_timeout;
  ++requests_;
  Delivery delivery;
  absl::StatusOr<HttpResponse> response = http_.Perform(http, &delivery);
  if (!response.ok()) {
    return {response.status(), delivery == Delivery::kNotSent, Refusal::kNone};
  }
  bytes_sent_ += request.body.size();
  bytes_received_ += response->body.size();
  const bool good = response->status >= 200 && response->status < 300;
  if (good && !(request.may_fail_late && !IsCompleted(response->body))) {
    return {std::move(response)};
  }
  const absl::Status status = ExplainAnswer(*response, location_, absl::Now());
  return {MentionSource(status, credentials, credentials_.source()), false, RefusalOf(*response)};
}

// Whether it is worth to send again what was refused. That is safe for a conditional create too: a
// refusal that names its reason is S3's own, given before the object is looked at.
bool S3Client::Renew(const Outcome& outcome, const Credentials& used, const Deadline& deadline) {
  return (outcome.refusal == Refusal::kCredentials || outcome.refusal == Refusal::kForbidden) &&
         credentials_.Replace(used, deadline);
}

// Waits a random time, so that many who failed together do not come back together.
absl::Status S3Client::Pause(int attempt, const Deadline& deadline) {
  const absl::Duration bound =
      std::min(tuning_.max_backoff, tuning_.backoff * (1 << std::min(attempt, 16)));
  const double fraction = static_cast<double>(RandomUint64() >> 11) / (uint64_t{1} << 53);
  const Deadline end(std::min(bound * fraction, deadline.Left()));
  absl::MutexLock lock(&mutex_);
  while (!cancelled_ && !end.Passed()) cancel_.WaitWithTimeout(&mutex_, end.Left());
  if (cancelled_) return absl::CancelledError("the store is being shut down");
  return absl::OkStatus();
}

absl::StatusOr<HttpResponse> S3Client::Send(const S3Request& request, const Deadline& deadline) {
  const std::string payload_hash = Sha256Hex(request.body);
  bool renewed = false;
  for (int attempt = 1;; ++attempt) {
    if (cancelled_) {
      return Describe(request, absl::CancelledError("the store is being shut down"));
    }
    if (deadline.Passed()) {
      return Describe(request, absl::UnavailableError("the time for this request is over"));
    }
    const absl::StatusOr<Credentials> credentials = credentials_.Get(deadline);
    Outcome outcome = credentials.ok()
                          ? SendOnce(request, payload_hash, *credentials, deadline.Left())
                          : Outcome{credentials.status(), true};
    if (outcome.response.ok()) return std::move(outcome.response);
    const absl::Status& status = outcome.response.status();
    const bool again = absl::IsUnavailable(status) && (request.repeatable || outcome.not_sent) &&
                       attempt < tuning_.max_attempts;
    if (!again) {
      if (renewed || !credentials.ok() || !Renew(outcome, *credentials, deadline)) {
        return Describe(request, status);
      }
      renewed = true;
    }
    if (deadline.Passed()) return Describe(request, status);
    ++retries_;
    if (absl::Status paused = Pause(attempt, deadline); !paused.ok()) {
      return Describe(request, paused);
    }
    if (deadline.Passed()) return Describe(request, status);
  }
}

}  // namespace mooring::objectstore
