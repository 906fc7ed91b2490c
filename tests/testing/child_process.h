#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace mooring::testing {

// A program run as a child, with pipes to its standard input and from its standard output. It is
// killed by the destructor, and by the kernel where this process dies first. Not thread-safe.
class ChildProcess {
 public:
  // Starts `arguments[0]`. `environment` holds NAME=VALUE entries to add to this process's own.
  explicit ChildProcess(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // What Read() reads, to be polled.
  int output() const { return output_; }
  void Signal(int signal) const;
  void Write(std::string_view data) const;
  void CloseInput();

  // Appends what the child wrote, waiting for the first byte. False at the end of its output, or
  // when `wait` is over.
  bool Read(std::string* data, absl::Duration wait);
  // True once the child's output has ended.
  bool ended() const { return ended_; }
  // The next line without its end; what there is of it where `wait` ends first.
  std::string ReadLine(absl::Duration wait = absl::Minutes(2));

  // Waits for the end of the child: its exit code, or minus the signal that ended it. Kills it
  // where it has not ended within `wait`.
  int Wait(absl::Duration wait = absl::Minutes(2));

 private:
  bool Reap(bool block);

  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  bool ended_ = false;
  bool reaped_ = false;
  int result_ = 0;
  std::string line_;  // Read, but not yet returned by ReadLine().
};

}  // namespace mooring::testing
