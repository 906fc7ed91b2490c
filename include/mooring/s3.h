#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mooring {

struct S3Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;                   // Empty for long-lived keys.
  absl::Time expiry = absl::InfiniteFuture();  // By this machine's clock.
};

struct S3Options {
  // Gives credentials in place of every other source. Called by whichever thread needs them next:
  // at first use, ahead of their expiry, and when the server has refused them; by one thread at a
  // time for each store. It must answer within seconds, since a commit may wait for it, must not
  // throw, and must not call the store. While it fails, the last credentials are used until they
  // expire. Its errors are repeated to whoever waits: they must hold no secret.
  std::function<absl::StatusOr<S3Credentials>()> credentials;
};

// Makes `s3://bucket/prefix` known as an archive's url; before it only `file:///path` is. Part of
// the component `s3`: find_package(mooring COMPONENTS s3), link mooring::s3. Call it before opening
// a store; calling it again replaces the options for stores opened from then on. Thread-safe.
//
//     s3://bucket/prefix?endpoint=https://host:port&region=eu-1&addressing=path&ca=/etc/ca.pem
//
//   endpoint    http:// or https:// and a host. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
//               else AWS itself in that region.
//   region      Default: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1.
//   addressing  path (https://host/bucket) or virtual (https://bucket.host). Default: path where an
//               endpoint is given, else virtual.
//   ca          a file of certificates to trust in place of the system's. Default: AWS_CA_BUNDLE.
//
// Credentials come from the first of these that is configured when the store is opened. Where it
// fails no other one is tried: that would be another identity.
//
//   1. S3Options::credentials.
//   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. They never change.
//   3. Web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, with AWS_ROLE_SESSION_NAME
//      ("mooring"), from the STS at AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, else AWS's own in that
//      region. The token's file is read anew each time.
//   4. A container's: AWS_CONTAINER_CREDENTIALS_FULL_URI, with what stands in the file
//      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE (read anew each time) or, else, with
//      AWS_CONTAINER_AUTHORIZATION_TOKEN.
//   5. The profile AWS_PROFILE ("default") of AWS_SHARED_CREDENTIALS_FILE, else of
//      ~/.aws/credentials, read again whenever that file changes or is replaced, as a mounted
//      secret is when it rotates.
//
// Credentials that expire are renewed when 70 % to 85 % of their life is over, and those that the
// server refuses as unknown, expired or wrongly signed are renewed once and the request is sent
// again. Until new ones come the old ones are used.
//
// A versioned bucket serves where the server keeps to conditional creates there; the open of a
// store finds out, and refuses where it does not. Switch versioning on before a store uses it.
//
// The credentials need s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and, on
// the bucket, s3:ListBucket and s3:ListBucketMultipartUploads.
void EnableS3(S3Options options = {});

}  // namespace mooring
