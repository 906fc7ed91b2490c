#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "src/objectstore/url.h"

namespace mooring::objectstore {

// The value of an environment variable; empty where it is not set.
using Environment = std::function<std::string(const char* name)>;
std::string ProcessEnvironment(const char* name);

// Where a bucket is and how it is addressed; see mooring/s3.h for the url.
struct S3Location {
  std::string bucket;
  std::string prefix;  // Empty, or ends with '/'.
  std::string scheme;  // "http" or "https"
  std::string host;    // With its port, where one was given; without the bucket.
  std::string region;
  bool path_style = true;
  std::string ca_file;  // Empty: the system's.

  // The host that requests go to, and what stands before the key in their path.
  std::string RequestHost() const { return path_style ? host : bucket + "." + host; }
  std::string RequestPath() const { return path_style ? "/" + bucket + "/" : "/"; }
  // "s3://bucket/prefix at https://host"
  std::string Name() const;
};

// INVALID_ARGUMENT, naming the parameter and what it may be.
absl::StatusOr<S3Location> ParseS3Location(const Url& url, const Environment& environment);

}  // namespace mooring::objectstore
