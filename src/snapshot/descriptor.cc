// Sinks and sources on file descriptors that belong to the caller.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "mooring/snapshot_file.h"
#include "src/base/status.h"

namespace mooring {
namespace {

// While it lives, writing to a pipe that nobody reads is an error and no signal.
class NoSigPipe {
 public:
  NoSigPipe() {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~NoSigPipe() {
    const int error = errno;
    sigset_t sigpipe;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    const timespec at_once{};
    if (!was_pending_) sigtimedwait(&sigpipe, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  NoSigPipe(const NoSigPipe&) = delete;
  NoSigPipe& operator=(const NoSigPipe&) = delete;

 private:
  sigset_t before_;
  bool was_pending_ = false;
};

// Whether the call is to be made again: it was interrupted, or the descriptor does not block and is
// ready now.
bool Again(int descriptor, short events) {
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
  pollfd ready{descriptor, events, 0};
  ::poll(&ready, 1, -1);
  return true;
}

std::string NameOf(int descriptor) { return absl::StrCat("descriptor ", descriptor); }

class DescriptorSink : public SnapshotSink {
 public:
  explicit DescriptorSink(int descriptor) : descriptor_(descriptor) {}

  absl::Status Write(std::string_view data) override {
    const NoSigPipe no_signal;
    while (!data.empty()) {
      const ssize_t written = ::write(descriptor_, data.data(), data.size());
      if (written >= 0) {
        data.remove_prefix(static_cast<size_t>(written));
      } else if (!Again(descriptor_, POLLOUT)) {
        return ErrnoError("write to", NameOf(descriptor_), errno);
      }
    }
    return absl::OkStatus();
  }

 private:
  const int descriptor_;
};

class DescriptorSource : public SnapshotSource {
 public:
  explicit DescriptorSource(int descriptor) : descriptor_(descriptor) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    while (true) {
      const ssize_t read = ::read(descriptor_, buffer, size);
      if (read >= 0) return static_cast<size_t>(read);
      if (!Again(descriptor_, POLLIN)) {
        return ErrnoError("read from", NameOf(descriptor_), errno);
      }
    }
  }

 private:
  const int descriptor_;
};

}  // namespace

std::unique_ptr<SnapshotSink> MakeSnapshotSink(int descriptor) {
  return std::make_unique<DescriptorSink>(descriptor);
}

std::unique_ptr<SnapshotSource> MakeSnapshotSource(int descriptor) {
  return std::make_unique<DescriptorSource>(descriptor);
}

}  // namespace mooring
