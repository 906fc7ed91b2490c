#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/posix_file.h"

namespace mooring::volume {

// The right to write a volume, held by at most one opened store: an open-file-description lock on
// the file LOCK. Unlike a classic record lock it excludes another open in this process too, and no
// code that opens and closes the file takes it away. The kernel drops it when the process ends,
// however it ends. A child that is forked and does not exec shares it: it stays held until the
// child ends too.
class OwnerLock {
 public:
  // Takes the lock on `path`, made where it is missing; tries again about every 50 ms for `timeout`
  // while another owner has it, calling `waiting`, which may be empty, before each pause.
  //
  // FAILED_PRECONDITION  the other owner did not let go; the message says who it is.
  static absl::StatusOr<OwnerLock> Acquire(std::string_view path, absl::Duration timeout,
                                           const std::function<void()>& waiting);

 private:
  explicit OwnerLock(PosixFile file) : file_(std::move(file)) {}
  PosixFile file_;  // Closing it lets go.
};

}  // namespace mooring::volume
