#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/objectstore/object_store.h"

namespace mooring::objectstore {

// Tries whether `store` keeps what the archive is built on (A9): of racing creates of one key one
// wins, and what it wrote stays; an absent object is told from a forbidden one; a new object is
// listed at once, in its place; ranges are what was asked for; what is deleted is gone. Makes about
// 60 requests below "probe/" and removes what it made.
//
// FAILED_PRECONDITION  the store lies, and is no archive. The message says what it did.
// PERMISSION_DENIED    a permission is missing; the message says which.
// UNAVAILABLE          it could not be tried to the end. Try again.
[[nodiscard]] absl::Status ProbeObjectStore(ObjectStore& store,
                                            absl::Duration timeout = absl::Seconds(60));

}  // namespace mooring::objectstore
