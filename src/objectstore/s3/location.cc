#include "src/objectstore/s3/location.h"

#include <stdlib.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring::objectstore {
namespace {

absl::Status Bad(const Url& url, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("archive url ", ToString(url), ": ", ToAbsl(what)));
}

bool IsName(std::string_view text, std::string_view also) {
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && also.find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

// The parameter `name`, else the first of `variables` that is set, else `otherwise`.
std::string Choose(const Url& url, const char* name, const Environment& environment,
                   std::initializer_list<const char*> variables, std::string otherwise) {
  const auto given = url.parameters.find(name);
  if (given != url.parameters.end()) return given->second;
  for (const char* variable : variables) {
    if (std::string value = environment(variable); !value.empty()) return value;
  }
  return otherwise;
}

absl::Status ParseEndpoint(const Url& url, std::string endpoint, S3Location& location) {
  while (!endpoint.empty() && endpoint.back() == '/') endpoint.pop_back();
  const size_t scheme_end = endpoint.find("://");
  if (scheme_end != std::string::npos) {
    location.scheme = absl::AsciiStrToLower(endpoint.substr(0, scheme_end));
    location.host = absl::AsciiStrToLower(endpoint.substr(scheme_end + 3));
  }
  if ((location.scheme == "http" || location.scheme == "https") &&
      IsName(location.host, "-.:[]_")) {
    return absl::OkStatus();
  }
  return Bad(url,
             "the endpoint must be http:// or https:// with a host and perhaps a port, without "
             "path and user.");
}

absl::Status ParseAddressing(const Url& url, bool has_endpoint, S3Location& location) {
  const auto given = url.parameters.find("addressing");
  location.path_style = given == url.parameters.end() ? has_endpoint : given->second == "path";
  if (given != url.parameters.end() && given->second != "path" && given->second != "virtual") {
    return Bad(url, absl::StrCat("addressing is ", given->second, "; it may be path or virtual."));
  }
  return absl::OkStatus();
}

absl::Status CheckParameters(const Url& url) {
  for (const auto& [name, value] : url.parameters) {
    if (name != "endpoint" && name != "region" && name != "addressing" && name != "ca") {
      return Bad(url,
                 absl::StrCat("parameter ", name,
                              " is not known; known are endpoint, region, addressing and ca."));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string ProcessEnvironment(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? "" : value;
}

std::string S3Location::Name() const {
  return absl::StrCat("s3://", bucket, "/", prefix, " at ", scheme, "://", host);
}

absl::StatusOr<S3Location> ParseS3Location(const Url& url, const Environment& environment) {
  MOORING_RETURN_IF_ERROR(CheckParameters(url));
  S3Location location;
  location.bucket = url.authority;
  if (!IsName(location.bucket, "-._") || location.bucket.size() > 255) {
    return Bad(url,
               "after s3:// must stand the bucket's name, of letters, digits, '-', '.' and '_'.");
  }
  if (!url.path.empty()) {
    location.prefix = absl::StrCat(url.path.substr(1), "/");
    if (location.prefix.size() > 400) return Bad(url, "the prefix has more than 400 bytes.");
    if (location.prefix.front() == '/' || location.prefix.find("//") != std::string::npos) {
      return Bad(url, "the prefix has an empty part.");
    }
  }
  location.region =
      Choose(url, "region", environment, {"AWS_REGION", "AWS_DEFAULT_REGION"}, "us-east-1");
  if (!IsName(location.region, "-")) return Bad(url, "the region is not a name.");
  const std::string endpoint =
      Choose(url, "endpoint", environment, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}, "");
  const std::string amazon = absl::StrCat("https://s3.", location.region, ".amazonaws.com");
  MOORING_RETURN_IF_ERROR(ParseEndpoint(url, endpoint.empty() ? amazon : endpoint, location));
  MOORING_RETURN_IF_ERROR(ParseAddressing(url, !endpoint.empty(), location));
  location.ca_file = Choose(url, "ca", environment, {"AWS_CA_BUNDLE"}, "");
  return location;
}

}  // namespace mooring::objectstore
