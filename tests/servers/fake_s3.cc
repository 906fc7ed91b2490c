#include "tests/servers/fake_s3.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/objectstore/s3/signer.h"

namespace mooring::testing {
namespace {

using objectstore::UriEncode;

constexpr char kBucket[] = "/bucket/";

std::string Reply(int status, std::string_view body = "", std::string_view headers = "") {
  return absl::StrCat(
      "HTTP/1.1 ", status, " Fake\r\nDate: ",
      absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone()), "\r\n",
      ToAbsl(headers), "Content-Length: ", body.size(), "\r\n\r\n", ToAbsl(body));
}

// With the secrets of a request in its message, as some servers do.
std::string Refuse(int status, std::string_view code, std::string_view message = "") {
  return Reply(status, absl::StrCat("<Error><Code>", ToAbsl(code), "</Code><Message>",
                                    ToAbsl(message), "</Message></Error>"));
}

std::string Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      decoded += absl::HexStringToBytes(ToAbsl(text.substr(i + 1, 2)));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::map<std::string, std::string> DecodeQuery(std::string_view text) {
  std::map<std::string, std::string> query;
  const std::vector<std::string> pairs = absl::StrSplit(ToAbsl(text), '&', absl::SkipEmpty());
  for (const std::string& pair : pairs) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    query[Decode(parts.first)] = Decode(parts.second);
  }
  return query;
}

// The text between `begin` and `end`, or to its own end.
std::string Between(const std::string& text, std::string_view begin, std::string_view end) {
  const size_t at = text.find(begin);
  if (at == std::string::npos) return "";
  const size_t from = at + begin.size();
  return text.substr(from, text.find(end, from) - from);
}

std::string HeaderOf(const ReceivedRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

std::string Iso(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string ETag(const std::string& bytes) {
  return absl::StrCat("\"", objectstore::Sha256Hex(bytes), "\"");
}

}  // namespace

struct FakeS3::Call {
  explicit Call(const ReceivedRequest& request) : method(request.method), body(request.body) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(request.target, absl::MaxSplits('?', 1));
    path = parts.first;
    query = DecodeQuery(parts.second);
    if (absl::StartsWith(path, kBucket)) key = Decode(path.substr(sizeof(kBucket) - 1));
    range = HeaderOf(request, "range");
    only_if_absent = HeaderOf(request, "if-none-match") == "*";
  }
  bool Has(const std::string& name) const { return query.count(name) > 0; }
  std::string Of(const std::string& name) const {
    const auto found = query.find(name);
    return found == query.end() ? "" : found->second;
  }

  std::string method;
  std::string path;
  std::map<std::string, std::string> query;
  std::string key;
  std::string range;
  bool only_if_absent;
  const std::string& body;
};

FakeS3::FakeS3() {
  proxy_ =
      *FaultProxy::StartBefore([this](const ReceivedRequest& request) { return Serve(request); });
}

S3Credentials FakeS3::BeginSession(absl::Duration life) {
  S3Credentials session;
  session.access_key_id = absl::StrCat("ID", RandomId());
  session.secret_access_key = absl::StrCat("secret-", RandomId());
  session.session_token = absl::StrCat("session-", RandomId());
  // As servers tell it: without fractions that the text would lose.
  session.expiry = absl::FromUnixMillis(absl::ToUnixMillis(absl::Now() + life));
  Allow(session);
  return session;
}

void FakeS3::Allow(const S3Credentials& credentials) {
  absl::MutexLock lock(&mutex_);
  allowed_[credentials.access_key_id] = credentials;
}

void FakeS3::Revoke(std::string_view access_key_id) {
  absl::MutexLock lock(&mutex_);
  allowed_.erase(std::string(access_key_id));
}

void FakeS3::RevokeAll() {
  absl::MutexLock lock(&mutex_);
  allowed_.clear();
}

void FakeS3::set_refusal(int status, std::string code) {
  absl::MutexLock lock(&mutex_);
  refusal_status_ = status;
  refusal_code_ = std::move(code);
}

void FakeS3::set_token(std::string token) {
  absl::MutexLock lock(&mutex_);
  token_ = std::move(token);
}

void FakeS3::set_session_life(absl::Duration life) {
  absl::MutexLock lock(&mutex_);
  session_life_ = life;
}

int FakeS3::sessions() const {
  absl::MutexLock lock(&mutex_);
  return sessions_;
}

int FakeS3::refusals() const {
  absl::MutexLock lock(&mutex_);
  return refusals_;
}

void FakeS3::CutPages(int keys, bool with_empty_ones) {
  absl::MutexLock lock(&mutex_);
  page_keys_ = keys;
  empty_pages_ = with_empty_ones;
}

void FakeS3::set_after_page(std::function<void(const std::string&)> after_page) {
  absl::MutexLock lock(&mutex_);
  after_page_ = std::move(after_page);
}

void FakeS3::Erase(std::string_view first, std::string_view last) {
  absl::MutexLock lock(&mutex_);
  objects_.erase(objects_.lower_bound(std::string(first)), objects_.upper_bound(std::string(last)));
}

void FakeS3::Insert(std::string_view key) {
  absl::MutexLock lock(&mutex_);
  objects_[std::string(key)] = "somebody's";
}

int FakeS3::uploads() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(uploads_.size());
}

std::string FakeS3::Serve(const ReceivedRequest& request) {
  const Call call(request);
  if (absl::StartsWith(call.path, "/sts")) return AssumeRole(request);
  if (call.path == "/container") return GiveToContainer(request);
  std::string last;
  std::string answer;
  std::function<void(const std::string&)> after_page;
  {
    absl::MutexLock lock(&mutex_);
    if (!IsGood(request, call)) {
      ++refusals_;
      return Refuse(refusal_status_, refusal_code_, HeaderOf(request, "x-amz-security-token"));
    }
    if (call.Has("list-type")) {
      answer = List(call, last);
      after_page = after_page_;
    } else {
      answer = Answer(call);
    }
  }
  if (after_page != nullptr) after_page(last);
  return answer;
}

bool FakeS3::IsGood(const ReceivedRequest& request, const Call& call) {
  const std::string given = HeaderOf(request, "authorization");
  const auto found = allowed_.find(Between(given, "Credential=", "/"));
  if (found == allowed_.end()) return false;
  const S3Credentials& credentials = found->second;
  if (credentials.expiry <= absl::Now() ||
      credentials.session_token != HeaderOf(request, "x-amz-security-token") ||
      HeaderOf(request, "x-amz-content-sha256") != objectstore::Sha256Hex(request.body)) {
    return false;
  }
  objectstore::SignableRequest signable{request.method, call.path, call.query, {}};
  const std::vector<std::string> names =
      absl::StrSplit(Between(given, "SignedHeaders=", ","), ';', absl::SkipEmpty());
  for (const std::string& name : names) signable.headers[name] = HeaderOf(request, name);
  return given == objectstore::Authorization(signable, credentials, "us-east-1");
}

std::string FakeS3::Answer(const Call& call) {
  if (call.Has("uploads") || call.Has("uploadId")) return AnswerUpload(call);
  if (call.method == "PUT") {
    if (call.only_if_absent && objects_.count(call.key) > 0) {
      return Refuse(412, "PreconditionFailed");
    }
    objects_[call.key] = call.body;
    return Reply(200);
  }
  if (call.method == "DELETE") {
    objects_.erase(call.key);
    return Reply(204);
  }
  return Read(call);
}

std::string FakeS3::Read(const Call& call) {
  const auto found = objects_.find(call.key);
  if (found == objects_.end()) return Refuse(404, "NoSuchKey");
  const std::string& bytes = found->second;
  if (call.range.empty()) return Reply(200, bytes);
  size_t first = 0;
  size_t last = 0;
  const std::pair<std::string, std::string> ends =
      absl::StrSplit(Between(call.range, "bytes=", " "), '-');
  if (!absl::SimpleAtoi(ends.first, &first) || !absl::SimpleAtoi(ends.second, &last)) {
    return Refuse(400, "InvalidArgument");
  }
  if (first >= bytes.size()) return Refuse(416, "InvalidRange");
  last = std::min(last, bytes.size() - 1);
  return Reply(206, std::string_view(bytes).substr(first, last + 1 - first),
               absl::StrCat("ETag: ", ETag(bytes), "\r\nContent-Range: bytes ", first, "-", last,
                            "/", bytes.size(), "\r\n"));
}

std::string FakeS3::AnswerUpload(const Call& call) {
  if (call.Has("uploads") && call.method == "GET") return ListUploads(call);
  if (call.Has("uploads")) {
    const std::string id = absl::StrCat("upload-", 10000 + ++named_);
    uploads_[id] = {call.key, absl::Now(), {}};
    return Reply(200, absl::StrCat("<InitiateMultipartUploadResult><UploadId>", id,
                                   "</UploadId></InitiateMultipartUploadResult>"));
  }
  const auto found = uploads_.find(call.Of("uploadId"));
  if (found == uploads_.end()) return Refuse(404, "NoSuchUpload");
  if (call.method == "DELETE") {
    uploads_.erase(found);
    return Reply(204);
  }
  if (call.method == "PUT") {
    int number = 0;
    if (!absl::SimpleAtoi(call.Of("partNumber"), &number)) return Refuse(400, "InvalidArgument");
    found->second.parts[number] = call.body;
    return Reply(200, "", absl::StrCat("ETag: ", ETag(call.body), "\r\n"));
  }
  std::string whole;
  for (const auto& [number, bytes] : found->second.parts) whole += bytes;
  objects_[call.key] = std::move(whole);
  uploads_.erase(found);
  return Reply(200, "<CompleteMultipartUploadResult/>");
}

std::string FakeS3::List(const Call& call, std::string& last) {
  const std::string prefix = call.Of("prefix");
  const std::string token = call.Of("continuation-token");
  // A token says how far the list is, and which page it was.
  last =
      call.Has("continuation-token") ? token.substr(token.find(':') + 1) : call.Of("start-after");
  int limit = page_keys_;
  int wanted = 0;
  if (absl::SimpleAtoi(call.Of("max-keys"), &wanted)) limit = std::min(limit, wanted);
  if (empty_pages_ && pages_++ % 2 == 0) limit = 0;
  std::string body;
  int shown = 0;
  bool truncated = false;
  for (const auto& [key, bytes] : objects_) {
    if (key <= last || !absl::StartsWith(key, prefix)) continue;
    truncated = shown == limit;
    if (truncated) break;
    ++shown;
    last = key;
    absl::StrAppend(&body, "<Contents><Key>", UriEncode(key, false), "</Key><Size>", bytes.size(),
                    "</Size></Contents>");
  }
  const std::string next =
      absl::StrCat("<NextContinuationToken>", pages_, ":", last, "</NextContinuationToken>");
  return Reply(200, absl::StrCat("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>",
                                 truncated ? "true</IsTruncated>" : "false</IsTruncated>",
                                 truncated ? next : "", body, "</ListBucketResult>"));
}

std::string FakeS3::ListUploads(const Call& call) {
  using Place = std::pair<std::string, std::string>;
  std::map<Place, absl::Time> sorted;
  for (const auto& [id, upload] : uploads_) {
    if (absl::StartsWith(upload.key, call.Of("prefix"))) sorted[{upload.key, id}] = upload.begun;
  }
  std::string body;
  int shown = 0;
  Place last;
  auto next = sorted.upper_bound({call.Of("key-marker"), call.Of("upload-id-marker")});
  for (; next != sorted.end() && shown < page_keys_; ++next, ++shown) {
    last = next->first;
    absl::StrAppend(&body, "<Upload><Key>", UriEncode(last.first, false), "</Key><UploadId>",
                    last.second, "</UploadId><Initiated>", Iso(next->second),
                    "</Initiated></Upload>");
  }
  const bool truncated = next != sorted.end();
  return Reply(200, absl::StrCat("<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
                                 "<IsTruncated>",
                                 truncated ? "true" : "false", "</IsTruncated><NextKeyMarker>",
                                 UriEncode(last.first, false),
                                 "</NextKeyMarker><NextUploadIdMarker>", last.second,
                                 "</NextUploadIdMarker>", body, "</ListMultipartUploadsResult>"));
}

std::string FakeS3::AssumeRole(const ReceivedRequest& request) {
  std::map<std::string, std::string> form = DecodeQuery(request.body);
  absl::Duration life;
  {
    absl::MutexLock lock(&mutex_);
    if (form["Action"] != "AssumeRoleWithWebIdentity" || form["RoleArn"].empty() ||
        form["RoleSessionName"].empty() || form["WebIdentityToken"] != token_) {
      return Reply(400,
                   absl::StrCat("<ErrorResponse><Error><Code>InvalidIdentityToken</Code>"
                                "<Message>",
                                form["WebIdentityToken"], "</Message></Error></ErrorResponse>"));
    }
    ++sessions_;
    life = session_life_;
  }
  const S3Credentials session = BeginSession(life);
  return Reply(
      200, absl::StrCat("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>"
                        "<Credentials><AccessKeyId>",
                        session.access_key_id, "</AccessKeyId><SecretAccessKey>",
                        session.secret_access_key, "</SecretAccessKey><SessionToken>",
                        session.session_token, "</SessionToken><Expiration>", Iso(session.expiry),
                        "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                        "</AssumeRoleWithWebIdentityResponse>"));
}

std::string FakeS3::GiveToContainer(const ReceivedRequest& request) {
  absl::Duration life;
  {
    absl::MutexLock lock(&mutex_);
    if (HeaderOf(request, "authorization") != token_) return Reply(401, "{}");
    ++sessions_;
    life = session_life_;
  }
  const S3Credentials session = BeginSession(life);
  return Reply(
      200,
      absl::StrCat("{\"AccessKeyId\": \"", session.access_key_id, "\", \"SecretAccessKey\": \"",
                   session.secret_access_key, "\",\n \"Token\": \"", session.session_token,
                   "\", \"AccountId\": null, \"Expiration\": \"", Iso(session.expiry), "\"}\n"));
}

}  // namespace mooring::testing
