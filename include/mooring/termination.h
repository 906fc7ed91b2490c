#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"

namespace mooring {

// For services without a SIGTERM handler of their own: calls `callback` once, on a thread of its
// own (not in a signal handler, so it may do anything), when the process gets SIGTERM or SIGINT.
// The library installs no handler unless this is called. The handlers that were there before come
// back when it is destroyed.
//
// ALREADY_EXISTS  another one is alive in this process.
class TerminationHandler {
 public:
  static absl::StatusOr<std::unique_ptr<TerminationHandler>> Install(
      std::function<void()> callback);
  ~TerminationHandler();
  TerminationHandler(const TerminationHandler&) = delete;
  TerminationHandler& operator=(const TerminationHandler&) = delete;

 private:
  TerminationHandler();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mooring
