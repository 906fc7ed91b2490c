#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mooring::testing {

// What to do to a request, in place of handing it on and its answer back.
enum class Fault {
  kDelay,          // Hand it on `delay` later.
  kReset,          // Reset the connection; the server never sees the request.
  kReplyLost,      // Hand it on, drop the answer, reset the connection.
  kLandLate,       // Reset the connection, and hand it on `delay` later.
  kHang,           // Neither hand it on nor answer, until the client goes or the proxy stops.
  kTruncate,       // Hand it on; send half of the answer's body, then close.
  kCorruptHead,    // Hand it on; answer with bytes that are no HTTP.
  kUnconditional,  // Hand it on without its If-None-Match.
  kAnswer,         // Do not hand it on; answer with `status`, `headers` and `body`.
  kHold,           // As kAnswer, but only when Release() is called.
};

struct FaultRule {
  Fault fault = Fault::kReset;
  std::string method;  // Empty: any.
  std::string target;  // A part of the path and query; empty: any.
  int skip = 0;        // So many that match pass first.
  int count = 1;       // Then so many are hit; -1: all.
  absl::Duration delay = absl::ZeroDuration();
  int status = 503;
  std::string headers;  // "Name: value\r\n" lines
  std::string body;
};

// A request as a server of the test's own sees it.
struct ReceivedRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // Lower-case names.
  std::string body;
};

// An HTTP proxy on loopback between a client and one server, which does to chosen requests what a
// bad network or a server in trouble does. The first rule that matches acts. Without a server every
// request that no rule answers gets 502. Thread-safe. Stopped by the destructor, without waiting
// for anybody outside.
class FaultProxy {
 public:
  // `server`: "http://127.0.0.1:7480", or empty.
  static absl::StatusOr<std::unique_ptr<FaultProxy>> Start(std::string_view server);
  // Before `server`, which answers with the whole answer as it goes over the wire, on any thread.
  using Server = std::function<std::string(const ReceivedRequest& request)>;
  static absl::StatusOr<std::unique_ptr<FaultProxy>> StartBefore(Server server);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::string endpoint() const;  // "http://127.0.0.1:port"
  void Add(FaultRule rule);
  void Clear();
  // "METHOD target" of each request that arrived, in order.
  std::vector<std::string> seen() const;
  int connections() const { return connections_; }
  // Lets the requests that kHold holds go on, those to come too.
  void Release();
  // Waits until all requests of kLandLate were handed on and answered. False: not within `timeout`.
  bool WaitUntilLanded(absl::Duration timeout);

 private:
  struct Request;
  FaultProxy() = default;
  absl::Status Listen();
  void Accept();
  void Serve(int client);
  bool Act(const FaultRule& rule, const Request& request, int client);
  bool PassOn(const Request& request, int client);
  void LandLate(const Request& request, absl::Duration delay);
  bool FindRule(const Request& request, FaultRule* rule);
  std::string Forward(const Request& request);
  bool WaitForRelease();
  bool Sleep(absl::Duration time);
  int Track(int fd);
  void Untrack(int fd);
  void Spawn(std::thread thread);

  Server server_;
  int listener_ = -1;
  int port_ = 0;
  int server_port_ = 0;
  std::thread acceptor_;
  std::atomic<int> connections_{0};

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
  int landing_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<int> open_ ABSL_GUARDED_BY(mutex_);
  std::vector<FaultRule> rules_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> seen_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
