#include "mooring/termination.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>

#include "src/base/status.h"

namespace mooring {
namespace {

constexpr char kSignalled = 's';
constexpr char kDestroyed = 'd';

// The write end of the living handler's pipe; -1 while there is none.
std::atomic<int> signal_pipe{-1};
std::atomic<bool> installed{false};

void OnSignal(int) {
  const int saved = errno;
  const int pipe = signal_pipe.load();
  if (pipe >= 0) (void)!::write(pipe, &kSignalled, 1);
  errno = saved;
}

}  // namespace

struct TerminationHandler::Impl {
  std::function<void()> callback;
  int pipe[2] = {-1, -1};
  struct sigaction previous_term = {};
  struct sigaction previous_int = {};
  std::thread thread;

  void Run() {
    bool called = false;
    char byte = 0;
    for (;;) {
      const ssize_t got = ::read(pipe[0], &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got != 1 || byte == kDestroyed) return;
      if (!std::exchange(called, true)) callback();
    }
  }
};

TerminationHandler::TerminationHandler() : impl_(std::make_unique<Impl>()) {}

absl::StatusOr<std::unique_ptr<TerminationHandler>> TerminationHandler::Install(
    std::function<void()> callback) {
  if (installed.exchange(true)) {
    return absl::AlreadyExistsError("a TerminationHandler is alive in this process already");
  }
  std::unique_ptr<TerminationHandler> handler(new TerminationHandler());
  Impl& impl = *handler->impl_;
  impl.callback = std::move(callback);
  if (::pipe2(impl.pipe, O_CLOEXEC) != 0) {
    return ErrnoError("pipe2", "for the termination handler", errno);  // Its destructor cleans up.
  }
  // A full pipe must not hold up a signal handler.
  ::fcntl(impl.pipe[1], F_SETFL, O_NONBLOCK);
  signal_pipe = impl.pipe[1];
  impl.thread = std::thread([&impl] { impl.Run(); });
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, &impl.previous_term);
  ::sigaction(SIGINT, &action, &impl.previous_int);
  return handler;
}

TerminationHandler::~TerminationHandler() {
  if (impl_->thread.joinable()) {
    ::sigaction(SIGTERM, &impl_->previous_term, nullptr);
    ::sigaction(SIGINT, &impl_->previous_int, nullptr);
    const int pipe = signal_pipe.exchange(-1);
    while (::write(pipe, &kDestroyed, 1) < 0 && (errno == EAGAIN || errno == EINTR)) {
    }
    impl_->thread.join();
  }
  for (const int end : impl_->pipe) {
    if (end >= 0) ::close(end);
  }
  installed = false;
}

}  // namespace mooring
