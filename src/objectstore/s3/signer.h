#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "src/objectstore/s3/credentials.h"

namespace mooring::objectstore {

// What AWS's Signature Version 4 signs of a request.
struct SignableRequest {
  std::string method;
  std::string path;                          // Encoded, from '/' on.
  std::map<std::string, std::string> query;  // Not encoded.
  // Lower-case names. Must hold host, x-amz-date, x-amz-content-sha256 and, if there is one, the
  // session token as x-amz-security-token.
  std::map<std::string, std::string> headers;
};

// The value of the Authorization header. The date is that of x-amz-date.
std::string Authorization(const SignableRequest& request, const Credentials& credentials,
                          std::string_view region);

// "20130524T000000Z"
std::string AmzDate(absl::Time time);

// SHA-256 as 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view data);

// Percent-encoding as signing wants it: all but A-Z a-z 0-9 - . _ ~ and, where told, '/'.
std::string UriEncode(std::string_view text, bool keep_slash);
// "a=b&c=", encoded, in order.
std::string QueryString(const std::map<std::string, std::string>& query);

}  // namespace mooring::objectstore
