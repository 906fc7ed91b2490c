#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mooring/s3.h"
#include "tests/servers/fault_proxy.h"

namespace mooring::testing {

// The bucket "bucket" in memory, in whose place a test decides over time: which keys are good and
// for how long, in which form the others are refused, and how lists are cut. Checks signatures and
// session tokens. Also an STS, below /sts, and an agent that gives a container its credentials,
// at /container; both hand out sessions. Thread-safe.
class FakeS3 {
 public:
  FakeS3();

  FaultProxy& proxy() { return *proxy_; }
  std::string endpoint() const { return proxy_->endpoint(); }
  std::string sts_endpoint() const { return endpoint() + "/sts"; }
  std::string container_uri() const { return endpoint() + "/container"; }

  // Credentials made up anew, which are good for `life`.
  S3Credentials BeginSession(absl::Duration life);
  void Allow(const S3Credentials& credentials);
  void Revoke(std::string_view access_key_id);
  void RevokeAll();
  // How keys that are over or not known are refused. At first 400 ExpiredToken.
  void set_refusal(int status, std::string code);
  // What the STS and the agent want to be shown, and how long their sessions last.
  void set_token(std::string token);
  void set_session_life(absl::Duration life);
  int sessions() const;  // Given by the two.
  int refusals() const;

  // At most so many keys a page; every other page has none where `with_empty_ones`.
  void CutPages(int keys, bool with_empty_ones);
  // Called after each page of objects with the last key that it shows.
  void set_after_page(std::function<void(const std::string& last)> after_page);
  void Erase(std::string_view first, std::string_view last);
  // As somebody else would, with any key.
  void Insert(std::string_view key);
  int uploads() const;

 private:
  struct Call;
  struct Upload {
    std::string key;
    absl::Time begun;
    std::map<int, std::string> parts;
  };

  std::string Serve(const ReceivedRequest& request);
  std::string Answer(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string AnswerUpload(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string List(const Call& call, std::string& last) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string ListUploads(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string Read(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string AssumeRole(const ReceivedRequest& request);
  std::string GiveToContainer(const ReceivedRequest& request);
  bool IsGood(const ReceivedRequest& request, const Call& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<std::string, S3Credentials> allowed_ ABSL_GUARDED_BY(mutex_);
  int refusal_status_ ABSL_GUARDED_BY(mutex_) = 400;
  std::string refusal_code_ ABSL_GUARDED_BY(mutex_) = "ExpiredToken";
  std::string token_ ABSL_GUARDED_BY(mutex_);
  absl::Duration session_life_ ABSL_GUARDED_BY(mutex_) = absl::Hours(1);
  int sessions_ ABSL_GUARDED_BY(mutex_) = 0;
  int refusals_ ABSL_GUARDED_BY(mutex_) = 0;
  int page_keys_ ABSL_GUARDED_BY(mutex_) = 1000;
  bool empty_pages_ ABSL_GUARDED_BY(mutex_) = false;
  int pages_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void(const std::string&)> after_page_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> objects_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Upload> uploads_ ABSL_GUARDED_BY(mutex_);
  int named_ ABSL_GUARDED_BY(mutex_) = 0;

  std::unique_ptr<FaultProxy> proxy_;  // Last: it stops first.
};

}  // namespace mooring::testing
