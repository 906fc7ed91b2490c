#include "src/objectstore/s3/signer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "src/base/status.h"

namespace mooring::objectstore {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Hmac(std::string_view key, std::string_view data) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Bytes(data), data.size(), digest,
       &size);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

std::string SignedHeaderNames(const SignableRequest& request) {
  std::string names;
  for (const auto& [name, value] : request.headers) {
    absl::StrAppend(&names, names.empty() ? "" : ";", name);
  }
  return names;
}

std::string CanonicalRequest(const SignableRequest& request) {
  std::string text =
      absl::StrCat(request.method, "\n", request.path, "\n", QueryString(request.query), "\n");
  for (const auto& [name, value] : request.headers) absl::StrAppend(&text, name, ":", value, "\n");
  absl::StrAppend(&text, "\n", SignedHeaderNames(request), "\n",
                  request.headers.at("x-amz-content-sha256"));
  return text;
}

}  // namespace

std::string Authorization(const SignableRequest& request, const Credentials& credentials,
                          std::string_view region) {
  const std::string& time = request.headers.at("x-amz-date");
  const std::string day = time.substr(0, 8);
  const std::string scope = absl::StrCat(day, "/", ToAbsl(region), "/s3/aws4_request");
  const std::string to_sign =
      absl::StrCat(kAlgorithm, "\n", time, "\n", scope, "\n", Sha256Hex(CanonicalRequest(request)));
  const std::string day_key = Hmac(absl::StrCat("AWS4", credentials.secret_access_key), day);
  const std::string key = Hmac(Hmac(Hmac(day_key, region), "s3"), "aws4_request");
  return absl::StrCat(kAlgorithm, " Credential=", credentials.access_key_id, "/", scope,
                      ",SignedHeaders=", SignedHeaderNames(request),
                      ",Signature=", absl::BytesToHexString(Hmac(key, to_sign)));
}

std::string AmzDate(absl::Time time) {
  return absl::FormatTime("%Y%m%dT%H%M%SZ", time, absl::UTCTimeZone());
}

std::string Sha256Hex(std::string_view data) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(Bytes(data), data.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

std::string UriEncode(std::string_view text, bool keep_slash) {
  std::string encoded;
  for (const char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (c == '/' && keep_slash)) {
      encoded += c;
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string QueryString(const std::map<std::string, std::string>& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    absl::StrAppend(&text, text.empty() ? "" : "&", UriEncode(name, false), "=",
                    UriEncode(value, false));
  }
  return text;
}

}  // namespace mooring::objectstore
