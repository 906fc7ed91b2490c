#include "tests/volume/child_process.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace mooring::testing {
namespace {

constexpr unsigned kLifetimeSeconds = 60;

// One text is one write below PIPE_BUF, and ends with a zero byte.
void WriteText(int fd, const std::string& text) {
  if (::write(fd, text.c_str(), text.size() + 1) < 0) ::_exit(1);
}

}  // namespace

ChildProcess::ChildProcess(const std::function<void(const Say& say)>& body) {
  std::array<int, 2> ends;
  if (::pipe(ends.data()) != 0) ::abort();
  pid_ = ::fork();
  if (pid_ < 0) ::abort();
  if (pid_ == 0) {
    ::close(ends[0]);
    ::alarm(kLifetimeSeconds);
    body([&](const std::string& text) { WriteText(ends[1], text); });
    ::_exit(0);
  }
  ::close(ends[1]);
  read_end_ = ends[0];
}

ChildProcess::~ChildProcess() {
  Kill();
  ::close(read_end_);
}

std::string ChildProcess::Hear() {
  std::string text;
  char next;
  while (true) {
    const ssize_t size = ::read(read_end_, &next, 1);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0 || next == '\0') return text;
    text += next;
  }
}

void ChildProcess::Kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string RunWithOwnMounts(const std::function<std::string()>& body) {
  ChildProcess child([&](const ChildProcess::Say& say) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      say(std::string("cannot: a mount namespace of its own: ") + ::strerror(errno));
      return;
    }
    say(body());
  });
  return child.Hear();
}

void WaitToBeKilled() {
  while (true) ::pause();
}

}  // namespace mooring::testing
