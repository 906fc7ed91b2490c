#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace mooring::testing {

// A forked child that runs `body` and then ends without running the test's own cleanup. An alarm
// ends it after a minute, so that no test waits for ever. Killed and reaped by the destructor.
class ChildProcess {
 public:
  // `body` may call `say`, whose texts the parent reads with Hear().
  using Say = std::function<void(const std::string&)>;
  explicit ChildProcess(const std::function<void(const Say& say)>& body);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next text; "" once the child has ended.
  std::string Hear();
  void Kill();  // SIGKILL, and waits until it is gone.
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
  int read_end_;
};

// What `body` returns when run in a child with a mount namespace of its own, so that its mounts are
// seen by nobody else; or "cannot: <why>" where this machine does not permit that.
std::string RunWithOwnMounts(const std::function<std::string()>& body);

// For a child that only waits to be killed.
void WaitToBeKilled();

}  // namespace mooring::testing
