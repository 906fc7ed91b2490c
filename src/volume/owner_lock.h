#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/posix_file.h"

namespace mooring::volume {

// The lock that makes its holder the volume's only owner: an open-file-description lock
// (F_OFD_SETLK) on a file that is never removed. Unlike a classic POSIX lock it excludes a second
// holder in the same process too, and is not lost when other code in the process opens and closes
// the file. The kernel drops it when the process ends, however it ends.
//
// fork(): the child shares the description, so the lock lasts until parent and child have both
// ended or exec'd (exec drops the child's share). A child that lives on without exec therefore
// keeps the next owner waiting after the parent is gone; it must not touch the volume itself.
class OwnerLock {
 public:
  // Takes the lock on `path`, made where it is missing, and writes into it who holds it. While
  // another holds it, asks again about every 50 ms until `timeout` is over, calling `waiting` (may
  // be empty) before each pause. A timeout of zero or less asks once.
  //
  // FAILED_PRECONDITION  another still holds it; the message says who, where and how long it was
  //                      waited.
  static absl::StatusOr<OwnerLock> Acquire(const std::string& path, absl::Duration timeout,
                                           const std::function<void()>& waiting);

  // Who holds the lock on `path`, asked without taking it; nothing where nobody does. NOT_FOUND
  // where there is no such file.
  static absl::StatusOr<std::optional<std::string>> HolderOf(const std::string& path);

  OwnerLock(OwnerLock&&) noexcept = default;
  OwnerLock& operator=(OwnerLock&&) noexcept = default;
  ~OwnerLock() = default;  // Releases it.

 private:
  explicit OwnerLock(PosixFile file) : file_(std::move(file)) {}

  PosixFile file_;
};

}  // namespace mooring::volume
