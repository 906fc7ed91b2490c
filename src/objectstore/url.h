#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::objectstore {

// Where an archive is:
//
//   file:///mnt/archive/orders
//   s3://bucket/orders/pod-0?endpoint=http://10.0.0.7:7480&region=eu-1&addressing=path&ca=/etc/ca.pem
//
// Path and parameters may hold %XX. No part holds credentials: a url with a user in it is refused,
// and then not repeated in the message.
struct Url {
  std::string scheme;     // "file"
  std::string authority;  // The bucket; empty for file.
  std::string path;       // Decoded, with its leading '/'; without trailing ones, so "" for none.
  std::map<std::string, std::string> parameters;
};

// INVALID_ARGUMENT, saying what is wrong and what it should look like.
absl::StatusOr<Url> ParseUrl(std::string_view text);

// "s3://bucket/orders", without the parameters.
std::string ToString(const Url& url);

}  // namespace mooring::objectstore
