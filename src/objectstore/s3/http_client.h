#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mooring::objectstore {

struct HttpRequest {
  std::string method;
  std::string url;
  std::vector<std::string> headers;  // "name: value"
  std::string_view body;
  int64_t max_response_bytes = 0;
  absl::Duration timeout;        // In all.
  absl::Duration stall_timeout;  // Without a byte in either direction; checked about every second.
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // Lower-case names; the last of each.
  std::string body;
};

// What became of an attempt that got no answer.
enum class Delivery {
  kNotSent,  // The server has not seen the request.
  kUnknown,
};

// One attempt of one request at a time per caller, over connections that are kept for the next one.
// Redirects are not followed. Thread-safe.
class HttpClient {
 public:
  // `ca_file`: certificates to trust; empty for the system's.
  explicit HttpClient(std::string ca_file);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The whole answer, whatever its status. Sent at most once, also where a kept connection turns
  // out to be closed.
  //
  // UNAVAILABLE          no whole answer came in time; `delivery` says what that means.
  // FAILED_PRECONDITION  the server's certificate is not trusted.
  // CANCELLED            Cancel() was called.
  absl::StatusOr<HttpResponse> Perform(const HttpRequest& request, Delivery* delivery);

  // Ends the attempts under way, within about a second, and all that follow.
  void Cancel() { cancelled_ = true; }

 private:
  class Attempt;
  void* TakeHandle();
  void GiveBack(void* handle);

  const std::string ca_file_;
  std::atomic<bool> cancelled_{false};

  absl::Mutex mutex_;
  std::vector<void*> idle_ ABSL_GUARDED_BY(mutex_);  // CURL*, each with its connection.
};

}  // namespace mooring::objectstore
