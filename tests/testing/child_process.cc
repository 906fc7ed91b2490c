#include "tests/testing/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "src/base/steady_clock.h"

namespace mooring::testing {
namespace {

std::vector<char*> Pointers(std::vector<std::string>* strings) {
  std::vector<char*> pointers;
  for (std::string& string : *strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::vector<std::string>& environment) {
  // Everything that allocates happens before fork(), for other threads may hold the heap's lock.
  std::vector<std::string> argument_strings = arguments;
  std::vector<std::string> environment_strings = environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment_strings.push_back(*entry);
  std::vector<char*> argv = Pointers(&argument_strings);
  std::vector<char*> envp = Pointers(&environment_strings);
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) abort();
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) abort();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  input_ = in[1];
  output_ = out[0];
  signal(SIGPIPE, SIG_IGN);  // A child that is gone is an answer, not the end of the test.
}

ChildProcess::~ChildProcess() {
  if (!reaped_) {
    Signal(SIGKILL);
    Reap(/*block=*/true);
  }
  CloseInput();
  close(output_);
}

void ChildProcess::Signal(int signal) const {
  if (!reaped_) kill(pid_, signal);
}

void ChildProcess::Write(std::string_view data) const {
  while (!data.empty()) {
    const ssize_t written = ::write(input_, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    data.remove_prefix(static_cast<size_t>(written));
  }
}

void ChildProcess::CloseInput() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

bool ChildProcess::Read(std::string* data, absl::Duration wait) {
  const absl::Duration end = SteadyNow() + wait;
  while (!ended_) {
    const int64_t left = std::max<int64_t>(0, absl::ToInt64Milliseconds(end - SteadyNow()));
    pollfd ready = {output_, POLLIN, 0};
    const int polled = poll(&ready, 1, static_cast<int>(std::min<int64_t>(left, 1000000)));
    if (polled == 0) return false;
    if (polled < 0) continue;
    char buffer[65536];
    const ssize_t got = ::read(output_, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    ended_ = got <= 0;
    if (ended_) return false;
    data->append(buffer, static_cast<size_t>(got));
    return true;
  }
  return false;
}

std::string ChildProcess::ReadLine(absl::Duration wait) {
  const absl::Duration end = SteadyNow() + wait;
  size_t newline;
  while ((newline = line_.find('\n')) == std::string::npos) {
    if (!Read(&line_, end - SteadyNow())) {
      return std::exchange(line_, std::string());
    }
  }
  std::string line = line_.substr(0, newline);
  line_.erase(0, newline + 1);
  return line;
}

int ChildProcess::Wait(absl::Duration wait) {
  const absl::Duration end = SteadyNow() + wait;
  while (!Reap(/*block=*/false)) {
    if (SteadyNow() >= end) {
      Signal(SIGKILL);
      Reap(/*block=*/true);
      break;
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
  return result_;
}

bool ChildProcess::Reap(bool block) {
  if (reaped_) return true;
  int status = 0;
  pid_t got;
  do {
    got = waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return false;
  reaped_ = true;
  result_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return true;
}

}  // namespace mooring::testing
