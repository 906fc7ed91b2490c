#include "src/objectstore/s3/http_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::objectstore {
namespace {

constexpr size_t kMaxIdleHandles = 32;
constexpr long kMaxIdleConnectionSeconds = 30;
constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
constexpr size_t kMaxHeaderBytes = 64 << 10;

// Some TLS libraries write to a closed connection in a way that raises SIGPIPE, which would end the
// process. Holds it back on this thread, and swallows one that came meanwhile.
class SigpipeBlock {
 public:
  SigpipeBlock() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~SigpipeBlock() {
    const timespec now = {};
    if (!was_pending_) ::sigtimedwait(&pipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_;
};

curl_socket_t OpenSocket(void*, curlsocktype, curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

}  // namespace

// The state of one attempt, and the callbacks that fill it.
class HttpClient::Attempt {
 public:
  Attempt(const HttpRequest& request, const std::atomic<bool>& cancelled, CURL* handle)
      : request_(request), cancelled_(cancelled), handle_(handle) {}
  ~Attempt() { ::curl_slist_free_all(headers_); }

  void Prepare(const std::string& ca_file) {
    Set(CURLOPT_URL, request_.url.c_str());
    Set(CURLOPT_PATH_AS_IS, 1L);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
    Set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    Set(CURLOPT_MAXCONNECTS, 1L);
    Set(CURLOPT_MAXAGE_CONN, kMaxIdleConnectionSeconds);
    Set(CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
    Set(CURLOPT_ERRORBUFFER, error_);
    if (!ca_file.empty()) {
      Set(CURLOPT_CAINFO, ca_file.c_str());
      // The library may have a directory of certificates besides, which it would go on trusting.
      Set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    // The library takes zero for "no limit".
    const auto milliseconds = [](absl::Duration d) {
      return std::max(1L, static_cast<long>(absl::ToInt64Milliseconds(d)));
    };
    Set(CURLOPT_TIMEOUT_MS, milliseconds(std::min(request_.timeout, absl::Hours(24))));
    Set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(std::min(request_.timeout, kConnectTimeout)));
    PrepareMethod();
    PrepareCallbacks();
  }

  CURLcode Run() {
    const CURLcode code = ::curl_easy_perform(handle_);
    long status = 0;
    ::curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    return code;
  }

  Delivery delivery() const { return sent_ > 0 ? Delivery::kUnknown : Delivery::kNotSent; }
  bool too_large() const { return too_large_; }
  HttpResponse TakeResponse() { return std::move(response_); }
  std::string Problem(CURLcode code) const {
    if (stalled_)
      return absl::StrCat("nothing came for ", absl::FormatDuration(request_.stall_timeout));
    return error_[0] != '\0' ? error_ : ::curl_easy_strerror(code);
  }

 private:
  template <typename Value>
  void Set(CURLoption option, Value value) {
    ::curl_easy_setopt(handle_, option, value);
  }

  void PrepareMethod() {
    if (request_.method == "PUT" || request_.method == "POST") {
      Set(CURLOPT_UPLOAD, 1L);
      Set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    }
    Set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    for (const std::string& header : request_.headers) Append(header);
    Append("Expect:");
    Set(CURLOPT_HTTPHEADER, headers_);
  }
  void Append(const std::string& header) {
    headers_ = ::curl_slist_append(headers_, header.c_str());
  }

  void PrepareCallbacks() {
    Set(CURLOPT_READFUNCTION, &Attempt::Read);
    Set(CURLOPT_READDATA, this);
    Set(CURLOPT_WRITEFUNCTION, &Attempt::Write);
    Set(CURLOPT_WRITEDATA, this);
    Set(CURLOPT_HEADERFUNCTION, &Attempt::Header);
    Set(CURLOPT_HEADERDATA, this);
    Set(CURLOPT_PREREQFUNCTION, &Attempt::AboutToSend);
    Set(CURLOPT_PREREQDATA, this);
    Set(CURLOPT_NOPROGRESS, 0L);
    Set(CURLOPT_XFERINFOFUNCTION, &Attempt::Progress);
    Set(CURLOPT_XFERINFODATA, this);
  }

  static size_t Read(char* out, size_t size, size_t count, void* self) {
    Attempt& attempt = *static_cast<Attempt*>(self);
    const std::string_view rest = attempt.request_.body.substr(attempt.body_sent_);
    const size_t bytes = std::min(rest.size(), size * count);
    std::memcpy(out, rest.data(), bytes);
    attempt.body_sent_ += bytes;
    return bytes;
  }
  static size_t Write(char* data, size_t size, size_t count, void* self) {
    Attempt& attempt = *static_cast<Attempt*>(self);
    std::string& body = attempt.response_.body;
    if (static_cast<int64_t>(body.size() + size * count) > attempt.request_.max_response_bytes) {
      attempt.too_large_ = true;
      return 0;
    }
    body.append(data, size * count);
    return size * count;
  }
  static size_t Header(char* data, size_t size, size_t count, void* self) {
    Attempt& attempt = *static_cast<Attempt*>(self);
    const std::string_view line(data, size * count);
    attempt.header_bytes_ += line.size();
    if (attempt.header_bytes_ > kMaxHeaderBytes) return 0;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return line.size();
    attempt.response_.headers[absl::AsciiStrToLower(ToAbsl(line.substr(0, colon)))] =
        std::string(absl::StripAsciiWhitespace(ToAbsl(line.substr(colon + 1))));
    return line.size();
  }
  // The library sends a request again by itself where a kept connection was closed before an
  // answer. Nobody can tell whether the server had seen the first one, so the second one is stopped
  // here.
  static int AboutToSend(void* self, char*, char*, int, int) {
    Attempt& attempt = *static_cast<Attempt*>(self);
    return ++attempt.sent_ == 1 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
  }
  static int Progress(void* self, curl_off_t, curl_off_t down, curl_off_t, curl_off_t up) {
    Attempt& attempt = *static_cast<Attempt*>(self);
    const absl::Duration now = SteadyNow();
    if (down + up != attempt.moved_bytes_) {
      attempt.moved_bytes_ = down + up;
      attempt.moved_at_ = now;
    }
    attempt.stalled_ = now - attempt.moved_at_ > attempt.request_.stall_timeout;
    return attempt.stalled_ || attempt.cancelled_ ? 1 : 0;
  }

  const HttpRequest& request_;
  const std::atomic<bool>& cancelled_;
  CURL* const handle_;
  curl_slist* headers_ = nullptr;
  HttpResponse response_;
  size_t body_sent_ = 0;
  size_t header_bytes_ = 0;
  int sent_ = 0;
  curl_off_t moved_bytes_ = 0;
  absl::Duration moved_at_ = SteadyNow();
  bool stalled_ = false;
  bool too_large_ = false;
  char error_[CURL_ERROR_SIZE] = {};
};

HttpClient::HttpClient(std::string ca_file) : ca_file_(std::move(ca_file)) {
  static std::once_flag once;
  std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
}

HttpClient::~HttpClient() {
  const SigpipeBlock no_sigpipe;  // Closing says goodbye to servers that may be gone.
  absl::MutexLock lock(&mutex_);
  for (void* handle : idle_) ::curl_easy_cleanup(handle);
}

void* HttpClient::TakeHandle() {
  absl::MutexLock lock(&mutex_);
  if (idle_.empty()) return ::curl_easy_init();
  void* handle = idle_.back();
  idle_.pop_back();
  return handle;
}

void HttpClient::GiveBack(void* handle) {
  ::curl_easy_reset(handle);  // Keeps the connection.
  absl::MutexLock lock(&mutex_);
  if (idle_.size() < kMaxIdleHandles) {
    idle_.push_back(handle);
  } else {
    ::curl_easy_cleanup(handle);
  }
}

absl::StatusOr<HttpResponse> HttpClient::Perform(const HttpRequest& request, Delivery* delivery) {
  *delivery = Delivery::kNotSent;
  if (cancelled_) return absl::CancelledError("the store is being shut down");
  CURL* const handle = TakeHandle();
  if (handle == nullptr) return absl::UnavailableError("out of memory");
  const SigpipeBlock no_sigpipe;
  Attempt attempt(request, cancelled_, handle);
  attempt.Prepare(ca_file_);
  const CURLcode code = attempt.Run();
  *delivery = attempt.delivery();
  GiveBack(handle);
  if (code == CURLE_OK) return attempt.TakeResponse();
  if (cancelled_) return absl::CancelledError("the store is being shut down");
  if (attempt.too_large()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the answer is larger than ", request.max_response_bytes, " bytes"));
  }
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
    return absl::FailedPreconditionError(
        absl::StrCat("the server's certificate is not trusted: ", attempt.Problem(code),
                     ". Name the certificates to trust with ca=FILE in the url or AWS_CA_BUNDLE."));
  }
  return absl::UnavailableError(attempt.Problem(code));
}

}  // namespace mooring::objectstore
