#include "src/objectstore/s3/s3_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mooring/s3.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/objectstore/open.h"
#include "src/objectstore/s3/xml.h"

namespace mooring {

void EnableS3(S3Options options) {
  objectstore::RegisterScheme("s3", [options = std::move(options)](const objectstore::Url& url) {
    return objectstore::S3Store::Open(url, objectstore::ProcessEnvironment, {}, options);
  });
}

}  // namespace mooring

namespace mooring::objectstore {
namespace {

constexpr int64_t kErrorBytes = int64_t{64} << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectStore>> S3Store::Open(const Url& url,
                                                           const Environment& environment,
                                                           const S3Tuning& tuning,
                                                           const S3Options& options) {
  MOORING_ASSIGN_OR_RETURN(S3Location location, ParseS3Location(url, environment));
  std::unique_ptr<CredentialsSource> credentials =
      MakeCredentialsSource(environment, location, options.credentials);
  return std::unique_ptr<ObjectStore>(
      new S3Store(std::move(location), std::move(credentials), tuning));
}

S3Request S3Store::Request(std::string method, std::string_view key) const {
  S3Request request;
  request.method = std::move(method);
  request.key = absl::StrCat(client_.location().prefix, ToAbsl(key));
  return request;
}

absl::Status S3Store::Put(std::string_view key, std::string_view data,
                          const RequestOptions& options) {
  MOORING_RETURN_IF_ERROR(ValidateKey(key));
  MOORING_RETURN_IF_ERROR(ValidateInlineBytes(key, data.size()));
  S3Request request = Request("PUT", key);
  request.body = data;
  return client_.Send(request, Deadline(options.timeout)).status();
}

absl::Status S3Store::Create(std::string_view key, std::string_view data,
                             const RequestOptions& options) {
  MOORING_RETURN_IF_ERROR(ValidateKey(key));
  MOORING_RETURN_IF_ERROR(ValidateInlineBytes(key, data.size()));
  S3Request request = Request("PUT", key);
  request.body = data;
  request.headers["if-none-match"] = "*";
  request.repeatable = false;
  return client_.Send(request, Deadline(options.timeout)).status();
}

absl::StatusOr<std::string> S3Store::Get(std::string_view key, const RequestOptions& options) {
  MOORING_RETURN_IF_ERROR(ValidateKey(key));
  S3Request request = Request("GET", key);
  request.max_response_bytes = kMaxInlineBytes;
  MOORING_ASSIGN_OR_RETURN(HttpResponse response, client_.Send(request, Deadline(options.timeout)));
  // Without a length nobody notices where a body ends early.
  if (response.headers["content-length"] != absl::StrCat(response.body.size())) {
    return absl::UnavailableError(absl::StrCat("GET ", request.key, " of ", name_,
                                               ": the answer does not say how long it is"));
  }
  return std::move(response.body);
}

absl::StatusOr<std::string> S3Store::GetRange(std::string_view key, int64_t offset, int64_t size,
                                              const RequestOptions& options) {
  MOORING_RETURN_IF_ERROR(ValidateKey(key));
  MOORING_RETURN_IF_ERROR(ValidateRange(key, offset, size));
  MOORING_ASSIGN_OR_RETURN(Part part, ReadPart(key, offset, size, Deadline(options.timeout)));
  return std::move(part.bytes);
}

absl::StatusOr<S3Store::Part> S3Store::ReadPart(std::string_view key, int64_t offset, int64_t size,
                                                const Deadline& deadline) {
  S3Request request = Request("GET", key);
  request.headers["range"] = absl::StrCat("bytes=", offset, "-", offset + size - 1);
  request.max_response_bytes = std::max(size, kErrorBytes);
  MOORING_ASSIGN_OR_RETURN(HttpResponse response, client_.Send(request, deadline));
  Part part;
  part.bytes = std::move(response.body);
  part.etag = response.headers["etag"];
  // "bytes 0-99/1000"
  const std::string& range = response.headers["content-range"];
  const std::string start =
      absl::StrCat("bytes ", offset, "-", offset + part.bytes.size() - 1, "/");
  const bool whole =
      range.compare(0, start.size(), start) == 0 &&
      absl::SimpleAtoi(range.substr(std::min(start.size(), range.size())), &part.object_bytes) &&
      static_cast<int64_t>(part.bytes.size()) == std::min(size, part.object_bytes - offset);
  if (whole) return part;
  return absl::FailedPreconditionError(
      absl::StrCat("GET ", request.key, " of ", name_, ": asked for ", size, " bytes from ", offset,
                   ", the server answered ", part.bytes.size(), " bytes and the range \"", range,
                   "\". It does not keep to ranges and cannot be used."));
}

absl::Status S3Store::Delete(std::string_view key, const RequestOptions& options) {
  MOORING_RETURN_IF_ERROR(ValidateKey(key));
  const absl::Status status =
      client_.Send(Request("DELETE", key), Deadline(options.timeout)).status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace mooring::objectstore
