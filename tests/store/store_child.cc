// What the lifecycle and termination tests run as another process. It answers in lines on standard
// output, and never outlives its alarm.

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "mooring/store.h"
#include "mooring/termination.h"

namespace mooring {
namespace {

void Say(const std::string& line) { std::cout << line << std::endl; }

// Returns at the end of standard input. It looks now and then, for the thread sanitizer holds a
// signal back for as long as its thread is in a read().
void AwaitEndOfInput() {
  char byte;
  do {
    for (pollfd input = {STDIN_FILENO, POLLIN, 0}; ::poll(&input, 1, 0) <= 0;) ::usleep(2000);
  } while (::read(STDIN_FILENO, &byte, 1) > 0);
}

// Owns the volume until its input ends.
int Hold(const char* volume, const char* acquire_timeout_ms) {
  Options options;
  options.volume = volume;
  options.allow_unsafe_volume = true;
  options.wal_file_bytes = int64_t{1} << 20;
  options.acquire_timeout = absl::Milliseconds(std::atoll(acquire_timeout_ms));
  bool said = false;
  options.progress = [&](const Progress& progress) {
    if (progress.phase == Progress::Phase::kAcquiringLock && !std::exchange(said, true)) {
      Say("waiting");
    }
  };
  absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(options);
  if (!store.ok()) {
    Say("refused " + store.status().ToString());
    return 0;
  }
  Say("serving");
  AwaitEndOfInput();
  const CloseReport report = (*store)->Close(absl::Minutes(1));
  Say(report.released ? "released" : "not released " + report.status.ToString());
  return 0;
}

void EarlierHandler(int) {}

bool Handles(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler == handler;
}

// Has handlers of its own, installs ours, and takes it away when its input ends.
int Terminate() {
  signal(SIGTERM, SIG_IGN);
  signal(SIGINT, EarlierHandler);
  const std::thread::id main = std::this_thread::get_id();
  auto handler = TerminationHandler::Install([main] {
    Say(std::this_thread::get_id() != main ? "called on its own thread" : "called on main");
  });
  if (!handler.ok()) return 1;
  const auto second = TerminationHandler::Install([] { Say("the second was called"); });
  Say("second " + std::string(absl::StatusCodeToString(second.status().code())));
  Say("ready");
  AwaitEndOfInput();
  handler->reset();
  const bool restored = Handles(SIGTERM, SIG_IGN) && Handles(SIGINT, EarlierHandler);
  Say(restored ? "restored" : "not restored");
  Say(TerminationHandler::Install([] {}).ok() ? "again OK" : "again refused");
  return 0;
}

// Installs and takes away at once: SIGTERM means again what it meant.
int TerminateNoMore() {
  if (!TerminationHandler::Install([] {}).ok()) return 1;
  Say("ready");
  AwaitEndOfInput();
  return 0;
}

}  // namespace
}  // namespace mooring

int main(int argc, char** argv) {
  alarm(240);
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "hold" && argc == 4) return mooring::Hold(argv[2], argv[3]);
  if (what == "terminate") return mooring::Terminate();
  if (what == "terminate-no-more") return mooring::TerminateNoMore();
  return 2;
}
