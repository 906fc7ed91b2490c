#include "tests/servers/fault_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::testing {
namespace {

constexpr size_t kMaxHeadBytes = 64 << 10;
constexpr int64_t kMaxBodyBytes = int64_t{256} << 20;
constexpr time_t kSocketTimeoutSeconds = 60;

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  address.sin_port = ::htons(static_cast<uint16_t>(port));
  return address;
}

void Configure(int fd) {
  const timeval timeout = {kSocketTimeoutSeconds, 0};
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool SendAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data.remove_prefix(sent);
  }
  return true;
}

// Adds what arrives to `data`. False at the end of the stream, or when it breaks.
bool ReceiveSome(int fd, std::string& data) {
  char buffer[64 << 10];
  const ssize_t received = ::recv(fd, buffer, sizeof(buffer), 0);
  if (received <= 0) return false;
  data.append(buffer, received);
  return true;
}

// The value of header `name`, lower-case, in `head`; empty where it has none.
std::string HeaderOf(const std::string& head, std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(head);
  const std::string start = absl::StrCat("\r\n", ToAbsl(name), ":");
  const size_t at = lower.find(start);
  if (at == std::string::npos) return "";
  const size_t begin = at + start.size();
  return std::string(
      absl::StripAsciiWhitespace(head.substr(begin, lower.find("\r\n", begin) - begin)));
}

// Makes the other side see a reset, not an end.
void Reset(int fd) {
  const linger now = {1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

}  // namespace

struct FaultProxy::Request {
  std::string head;  // With the blank line that ends it.
  std::string body;
  std::string method;
  std::string target;

  ReceivedRequest Received() const {
    ReceivedRequest received{method, target, {}, body};
    const std::vector<std::string> lines = absl::StrSplit(head, "\r\n", absl::SkipEmpty());
    for (const std::string& line : lines) {
      const size_t colon = line.find(':');
      if (colon == std::string::npos) continue;
      received.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
          std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
    return received;
  }

  // Reads one from `fd`; `rest` keeps what arrived beyond it.
  bool Read(int fd, std::string& rest) {
    size_t end;
    while ((end = rest.find("\r\n\r\n")) == std::string::npos) {
      if (rest.size() > kMaxHeadBytes || !ReceiveSome(fd, rest)) return false;
    }
    head = rest.substr(0, end + 4);
    rest.erase(0, end + 4);
    method = head.substr(0, head.find(' '));
    const size_t begin = method.size() + 1;
    target = head.substr(begin, head.find(' ', begin) - begin);
    int64_t length = 0;
    const std::string header = HeaderOf(head, "content-length");
    if (!header.empty() && !absl::SimpleAtoi(header, &length)) return false;
    if (length < 0 || length > kMaxBodyBytes) return false;
    while (static_cast<int64_t>(rest.size()) < length) {
      if (!ReceiveSome(fd, rest)) return false;
    }
    body = rest.substr(0, length);
    rest.erase(0, length);
    return true;
  }
};

absl::StatusOr<std::unique_ptr<FaultProxy>> FaultProxy::StartBefore(Server server) {
  std::unique_ptr<FaultProxy> proxy(new FaultProxy);
  proxy->server_ = std::move(server);
  if (absl::Status status = proxy->Listen(); !status.ok()) return status;
  return proxy;
}

absl::StatusOr<std::unique_ptr<FaultProxy>> FaultProxy::Start(std::string_view server) {
  std::unique_ptr<FaultProxy> proxy(new FaultProxy);
  const size_t colon = server.rfind(':');
  if (!server.empty() &&
      !absl::SimpleAtoi(ToAbsl(server.substr(colon + 1)), &proxy->server_port_)) {
    return absl::InvalidArgumentError(absl::StrCat(ToAbsl(server), " has no port"));
  }
  if (absl::Status status = proxy->Listen(); !status.ok()) return status;
  return proxy;
}

absl::Status FaultProxy::Listen() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 128) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return ErrnoError("listen", "127.0.0.1", errno);
  }
  port_ = ::ntohs(address.sin_port);
  acceptor_ = std::thread(&FaultProxy::Accept, this);
  return absl::OkStatus();
}

FaultProxy::~FaultProxy() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  ::shutdown(listener_, SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  ::close(listener_);
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

std::string FaultProxy::endpoint() const { return absl::StrCat("http://127.0.0.1:", port_); }

void FaultProxy::Add(FaultRule rule) {
  absl::MutexLock lock(&mutex_);
  rules_.push_back(std::move(rule));
}

void FaultProxy::Clear() {
  absl::MutexLock lock(&mutex_);
  rules_.clear();
}

std::vector<std::string> FaultProxy::seen() const {
  absl::MutexLock lock(&mutex_);
  return seen_;
}

bool FaultProxy::WaitUntilLanded(absl::Duration timeout) {
  const Deadline deadline(timeout);
  absl::MutexLock lock(&mutex_);
  while (landing_ > 0 && !deadline.Passed()) changed_.WaitWithTimeout(&mutex_, deadline.Left());
  return landing_ == 0;
}

// Remembers `fd`, so that the destructor can wake whoever waits on it. -1 where it is over already.
int FaultProxy::Track(int fd) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) {
    ::close(fd);
    return -1;
  }
  open_.push_back(fd);
  return fd;
}

void FaultProxy::Untrack(int fd) {
  absl::MutexLock lock(&mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  ::close(fd);
}

void FaultProxy::Spawn(std::thread thread) {
  absl::MutexLock lock(&mutex_);
  threads_.push_back(std::move(thread));
}

void FaultProxy::Release() {
  absl::MutexLock lock(&mutex_);
  released_ = true;
  changed_.SignalAll();
}

// False where the proxy stops meanwhile.
bool FaultProxy::WaitForRelease() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_ && !released_) changed_.Wait(&mutex_);
  return !stopping_;
}

// False where the proxy stops meanwhile.
bool FaultProxy::Sleep(absl::Duration time) {
  const Deadline deadline(time);
  absl::MutexLock lock(&mutex_);
  while (!stopping_ && !deadline.Passed()) changed_.WaitWithTimeout(&mutex_, deadline.Left());
  return !stopping_;
}

void FaultProxy::Accept() {
  for (;;) {
    const int accepted = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0 && errno == EINTR) continue;
    if (accepted < 0) return;
    ++connections_;
    Configure(accepted);
    const int client = Track(accepted);
    if (client < 0) return;
    Spawn(std::thread(&FaultProxy::Serve, this, client));
  }
}

void FaultProxy::Serve(int client) {
  std::string rest;
  for (bool keep = true; keep;) {
    Request request;
    if (!request.Read(client, rest)) break;
    FaultRule rule;
    keep = FindRule(request, &rule) ? Act(rule, request, client) : PassOn(request, client);
  }
  Untrack(client);
}

bool FaultProxy::FindRule(const Request& request, FaultRule* found) {
  absl::MutexLock lock(&mutex_);
  seen_.push_back(absl::StrCat(request.method, " ", request.target));
  for (FaultRule& rule : rules_) {
    if (rule.count == 0 || (!rule.method.empty() && rule.method != request.method) ||
        request.target.find(rule.target) == std::string::npos) {
      continue;
    }
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    if (rule.count > 0) --rule.count;
    *found = rule;
    return true;
  }
  return false;
}

// Whether the connection goes on.
bool FaultProxy::Act(const FaultRule& rule, const Request& request, int client) {
  switch (rule.fault) {
    case Fault::kDelay:
      return Sleep(rule.delay) && PassOn(request, client);
    case Fault::kReset:
      Reset(client);
      return false;
    case Fault::kReplyLost:
      Forward(request);
      Reset(client);
      return false;
    case Fault::kLandLate:
      LandLate(request, rule.delay);
      Reset(client);
      return false;
    case Fault::kHang: {
      std::string ignored;
      while (ReceiveSome(client, ignored)) ignored.clear();
      return false;
    }
    case Fault::kTruncate: {
      const std::string answer = Forward(request);
      const size_t head = answer.find("\r\n\r\n") + 4;
      SendAll(client, std::string_view(answer).substr(0, head + (answer.size() - head) / 2));
      return false;
    }
    case Fault::kCorruptHead:
      Forward(request);
      SendAll(client, "\x16\x03\x01 no HTTP at all\r\n\r\n");
      return false;
    case Fault::kUnconditional: {
      Request changed = request;
      const std::string condition = "if-none-match: *\r\n";
      const size_t at = absl::AsciiStrToLower(changed.head).find(condition);
      if (at != std::string::npos) changed.head.erase(at, condition.size());
      return PassOn(changed, client);
    }
    case Fault::kHold:
      if (!WaitForRelease()) return false;
      [[fallthrough]];
    case Fault::kAnswer:
      return SendAll(client,
                     absl::StrCat("HTTP/1.1 ", rule.status, " Injected\r\n", rule.headers,
                                  "Content-Length: ", rule.body.size(), "\r\n\r\n", rule.body));
  }
  return false;
}

bool FaultProxy::PassOn(const Request& request, int client) {
  std::string answer = Forward(request);
  if (answer.empty()) {
    SendAll(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    return true;
  }
  const size_t head_end = answer.find("\r\n\r\n") + 4;
  std::string head = answer.substr(0, head_end);
  const bool framed = !HeaderOf(head, "content-length").empty() ||
                      !HeaderOf(head, "transfer-encoding").empty() ||
                      absl::StartsWith(head, "HTTP/1.1 204");
  if (framed) head = absl::StrReplaceAll(head, {{"Connection: close\r\n", ""}});
  return SendAll(client, head) && SendAll(client, std::string_view(answer).substr(head_end)) &&
         framed;
}

void FaultProxy::LandLate(const Request& request, absl::Duration delay) {
  {
    absl::MutexLock lock(&mutex_);
    ++landing_;
  }
  Spawn(std::thread([this, request, delay] {
    if (Sleep(delay)) Forward(request);
    absl::MutexLock lock(&mutex_);
    --landing_;
    changed_.SignalAll();
  }));
}

// The server's whole answer; empty where it gives none. One connection each, which the server ends.
std::string FaultProxy::Forward(const Request& request) {
  if (server_ != nullptr) return server_(request.Received());
  if (server_port_ == 0) return "";
  const int fd = Track(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd < 0) return "";
  Configure(fd);
  const sockaddr_in address = Loopback(server_port_);
  std::string head = request.head;
  head.insert(head.size() - 2, "Connection: close\r\n");
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      SendAll(fd, head) && SendAll(fd, request.body)) {
    while (ReceiveSome(fd, answer)) {
    }
  }
  Untrack(fd);
  return answer.find("\r\n\r\n") == std::string::npos ? "" : answer;
}

}  // namespace mooring::testing
