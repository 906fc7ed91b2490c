#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/objectstore/s3/client.h"
#include "src/objectstore/s3/xml.h"

namespace mooring::objectstore {
namespace {

struct KnownError {
  std::string_view code;
  absl::StatusCode status;
  std::string_view words;
};

// Words name the remedy. What the server says itself is not repeated: it may hold what it was sent.
constexpr KnownError kKnownErrors[] = {
    {"NoSuchKey", absl::StatusCode::kNotFound, "no such object"},
    {"NoSuchUpload", absl::StatusCode::kAborted, "no such upload"},
    {"PreconditionFailed", absl::StatusCode::kAlreadyExists, "the object exists already"},
    {"InvalidRange", absl::StatusCode::kOutOfRange, "the object ends before that"},
    {"InvalidAccessKeyId", absl::StatusCode::kUnauthenticated,
     "the access key id is not known there; check AWS_ACCESS_KEY_ID or the credentials file"},
    {"SignatureDoesNotMatch", absl::StatusCode::kUnauthenticated,
     "the signature is wrong; check AWS_SECRET_ACCESS_KEY or the credentials file, and that "
     "nothing "
     "on the way changes requests"},
    {"ExpiredToken", absl::StatusCode::kUnauthenticated,
     "the session token has expired; renew the credentials"},
    {"ExpiredTokenException", absl::StatusCode::kUnauthenticated,
     "the session token has expired; renew the credentials"},
    {"TokenRefreshRequired", absl::StatusCode::kUnauthenticated,
     "the session token must be renewed; renew the credentials"},
    {"InvalidToken", absl::StatusCode::kUnauthenticated,
     "the session token is not valid; check AWS_SESSION_TOKEN or the credentials file"},
    {"AccessDenied", absl::StatusCode::kPermissionDenied,
     "the credentials do not allow this, or are wrong, which some servers do not tell apart; see "
     "mooring/s3.h for the permissions that are needed"},
    {"AuthorizationHeaderMalformed", absl::StatusCode::kFailedPrecondition,
     "the bucket is probably in another region; give region= in the url"},
    {"PermanentRedirect", absl::StatusCode::kFailedPrecondition,
     "the bucket is in another region; give region= in the url"},
    {"QuotaExceeded", absl::StatusCode::kResourceExhausted, "the quota is used up"},
    {"EntityTooLarge", absl::StatusCode::kInvalidArgument, "the object is too large"},
    {"BadDigest", absl::StatusCode::kUnavailable, "the bytes were damaged on their way"},
    {"XAmzContentSHA256Mismatch", absl::StatusCode::kUnavailable,
     "the bytes were damaged on their way"},
    {"IncompleteBody", absl::StatusCode::kUnavailable, "the bytes did not all arrive"},
    {"RequestTimeout", absl::StatusCode::kUnavailable, "the bytes arrived too slowly"},
    {"OperationAborted", absl::StatusCode::kUnavailable, "another request was in the way"},
    {"NotImplemented", absl::StatusCode::kFailedPrecondition,
     "the server cannot do this; conditional creates (If-None-Match: *) are needed"},
};

std::string Header(const HttpResponse& response, const std::string& name) {
  const auto found = response.headers.find(name);
  return found == response.headers.end() ? "" : found->second;
}

// Of an answer without a known code: it may come from something between here and the store, which
// knows nothing of objects. Hence no 404 says that an object is absent.
absl::Status ExplainUnknown(int status) {
  if (status == 401) return absl::UnauthenticatedError("the credentials are not accepted");
  if (status == 403) return absl::PermissionDeniedError("the credentials do not allow this");
  if (status == 507) return absl::ResourceExhaustedError("the store is full");
  if (status >= 300 && status < 400) {
    return absl::FailedPreconditionError(
        "the server redirects; check endpoint, region and addressing in the url");
  }
  if (status == 400 || status == 405 || status == 411 || status == 501) {
    return absl::FailedPreconditionError(
        "the server does not understand the request; check endpoint and addressing in the url");
  }
  return absl::UnavailableError("the store is away or busy");
}

absl::Status ExplainCode(const std::string& code, const HttpResponse& response,
                         const S3Location& location, absl::Time now) {
  if (code == "NoSuchBucket") {
    return absl::FailedPreconditionError(absl::StrCat("there is no bucket ", location.bucket,
                                                      " at ", location.scheme, "://", location.host,
                                                      "; create it or correct the url"));
  }
  if (code == "RequestTimeTooSkewed" || code == "RequestExpired") {
    return absl::UnauthenticatedError(absl::StrCat(
        "this machine's clock says ", absl::FormatTime(now, absl::UTCTimeZone()),
        " and the server's ", Header(response, "date"), "; set the clock that is wrong"));
  }
  for (const KnownError& known : kKnownErrors) {
    if (known.code == code) return absl::Status(known.status, ToAbsl(known.words));
  }
  return ExplainUnknown(response.status);
}

}  // namespace

Refusal RefusalOf(const HttpResponse& response) {
  const std::string code = ParseErrorCode(response.body);
  if (code == "RequestTimeTooSkewed" || code == "RequestExpired") return Refusal::kClock;
  for (const KnownError& known : kKnownErrors) {
    if (known.code != code) continue;
    if (known.status == absl::StatusCode::kUnauthenticated) return Refusal::kCredentials;
    if (known.status == absl::StatusCode::kPermissionDenied) return Refusal::kForbidden;
  }
  return Refusal::kNone;
}

absl::Status ExplainAnswer(const HttpResponse& response, const S3Location& location,
                           absl::Time now) {
  const std::string code = ParseErrorCode(response.body);
  const absl::Status status = ExplainCode(code, response, location, now);
  return absl::Status(status.code(), absl::StrCat(status.message(), " (HTTP ", response.status,
                                                  code.empty() ? "" : ", ", code, ")"));
}

}  // namespace mooring::objectstore
