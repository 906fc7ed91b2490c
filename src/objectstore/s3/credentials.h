#pragma once

#include <sys/stat.h>

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "src/objectstore/s3/location.h"

namespace mooring::objectstore {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // Empty for long-lived keys.

  bool operator==(const Credentials& other) const {
    return access_key_id == other.access_key_id && secret_access_key == other.secret_access_key &&
           session_token == other.session_token;
  }
};

// Credentials from the environment or, where that has none, from the shared credentials file, which
// is read again whenever it has changed. While the file is being rewritten and cannot be
// understood, the last good credentials stand. Thread-safe.
class CredentialsProvider {
 public:
  explicit CredentialsProvider(Environment environment);

  // UNAUTHENTICATED, naming where credentials were looked for, never what was found.
  absl::StatusOr<Credentials> Get();

 private:
  absl::Status ReadFileIfChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::string path_;
  std::string profile_;
  bool fixed_ = false;

  absl::Mutex mutex_;
  Credentials credentials_ ABSL_GUARDED_BY(mutex_);
  struct stat seen_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace mooring::objectstore
