#include "bench/child.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mooring::bench {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

[[noreturn]] void RunChild(const std::function<absl::StatusOr<Numbers>()>& work, bool crash,
                           int pipe_end) {
  const absl::StatusOr<Numbers> result = work();
  if (!result.ok()) {
    fprintf(stderr, "%s\n", result.status().ToString().c_str());
    _exit(1);
  }
  const size_t bytes = result->size() * sizeof(double);
  if (write(pipe_end, result->data(), bytes) != static_cast<ssize_t>(bytes)) _exit(1);
  if (crash) kill(getpid(), SIGKILL);
  _exit(0);
}

}  // namespace

absl::StatusOr<Numbers> InChild(const std::function<absl::StatusOr<Numbers>()>& work, bool crash,
                                double* most_bytes) {
  int ends[2];
  if (pipe(ends) != 0) return absl::UnavailableError("cannot make a pipe");
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0) return absl::UnavailableError("cannot fork");
  if (child == 0) {
    close(ends[0]);
    RunChild(work, crash, ends[1]);
  }
  close(ends[1]);
  Numbers result;
  double number = 0;
  while (read(ends[0], &number, sizeof(number)) == sizeof(number)) result.push_back(number);
  close(ends[0]);
  int status = 0;
  rusage usage = {};
  wait4(child, &status, 0, &usage);
  if (!crash && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
    return absl::UnavailableError("the child process failed");
  }
  if (crash && !WIFSIGNALED(status)) return absl::UnavailableError("the child process failed");
  if (most_bytes != nullptr) *most_bytes = static_cast<double>(usage.ru_maxrss) * 1024;
  return result;
}

double ProcessorSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

void AwaitIdle() {
  constexpr absl::Duration kLook = absl::Milliseconds(300);
  constexpr double kMostProcessors = 0.05;
  const absl::Time end = absl::Now() + absl::Seconds(30);
  double before = ProcessorSeconds();
  for (double taken = 1; taken > kMostProcessors && absl::Now() < end;) {
    absl::SleepFor(kLook);
    taken = (ProcessorSeconds() - before) / absl::ToDoubleSeconds(kLook);
    before = ProcessorSeconds();
  }
}

}  // namespace mooring::bench
