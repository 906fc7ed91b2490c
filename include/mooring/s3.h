#pragma once

namespace mooring {

// Makes `s3://bucket/prefix` known as an archive's url; before it only `file:///path` is. Part of
// the component `s3`: find_package(mooring COMPONENTS s3), link mooring::s3. Call it before opening
// a store; calling it again does nothing. Thread-safe.
//
//     s3://bucket/prefix?endpoint=https://host:port&region=eu-1&addressing=path&ca=/etc/ca.pem
//
//   endpoint    http:// or https:// and a host. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
//   else
//               AWS itself in that region.
//   region      Default: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1.
//   addressing  path (https://host/bucket) or virtual (https://bucket.host). Default: path where an
//               endpoint is given, else virtual.
//   ca          a file of certificates to trust in place of the system's. Default: AWS_CA_BUNDLE.
//
// Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, read once;
// else from the profile AWS_PROFILE ("default") of AWS_SHARED_CREDENTIALS_FILE
// (~/.aws/credentials), read again whenever that file changes.
//
// The credentials need s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and, on
// the bucket, s3:ListBucket and s3:ListBucketMultipartUploads.
void EnableS3();

}  // namespace mooring
