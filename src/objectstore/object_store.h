#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mooring::objectstore {

// The most that Put(), Create() and Get() carry; larger objects go through PutFile() and
// GetToFile().
inline constexpr int64_t kMaxInlineBytes = int64_t{64} << 20;

struct RequestOptions {
  // The whole call, its retries and pauses among them, returns within this time and a small grace.
  absl::Duration timeout = absl::Seconds(60);
};

struct ObjectInfo {
  std::string key;
  int64_t size = 0;
};

// What a store has done since it was opened. A retried request counts each time.
struct Traffic {
  int64_t requests = 0;
  int64_t retries = 0;
  int64_t bytes_sent = 0;
  int64_t bytes_received = 0;
};

// Named immutable byte strings somewhere else: a directory on another volume, or a bucket.
//
//   O1  OK of Create() means that the object is durable and that this call made it: of any number
//       of calls for one key, by any number of processes, at most one gets OK.
//   O2  After the OK of a write, every Get() and List() that begins later, by anybody, sees it.
//   O3  A reader sees a whole object or none. A write that failed left the whole object or nothing,
//       and may still take effect after the call returned.
//   O4  What was read is what was written: a short or damaged answer is an error, never data.
//   O5  ALREADY_EXISTS means that a durable object is there. Whether an earlier Create() of one's
//       own made it, only its content tells.
//
// Codes, by remedy:
//
//   NOT_FOUND            no such object. Said only by a store that answered for this very key.
//   ALREADY_EXISTS       Create() only, see O5.
//   UNAVAILABLE          the store is away, slow or busy, or the time ran out. Try again later. Of
//   a
//                        write the outcome is unknown: read the object to learn it.
//   CANCELLED            Cancel() was called. As UNAVAILABLE, but do not try again.
//   OUT_OF_RANGE         GetRange() only: the object ends at or before the offset.
//   UNAUTHENTICATED      credentials missing, wrong or expired, or the clock is wrong.
//   PERMISSION_DENIED    the credentials are good, but do not allow this.
//   RESOURCE_EXHAUSTED   the volume or the quota is full.
//   FAILED_PRECONDITION  the place is not what it should be (no such bucket, another region, the
//                        directory is no longer mounted), or cannot do what is needed.
//   INVALID_ARGUMENT     a key or size outside the limits.
//
// A message names the object and the remedy, and never holds a secret.
//
// Keys are 1 to 512 bytes of A-Z a-z 0-9 - _ . and '/', which parts them into segments of 1 to 200
// bytes that do not begin with '.'. No key may be another one and "/..." besides: a directory
// cannot hold both.
//
// Thread-safe. Every call blocks its caller; large transfers use a few threads of their own while
// they last. The system calls of a directory cannot be interrupted: there the time limit and
// Cancel() act between them, and a hung network mount holds the caller as long as the kernel does.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Makes or replaces the object; durable when OK.
  [[nodiscard]] virtual absl::Status Put(std::string_view key, std::string_view data,
                                         const RequestOptions& options = {}) = 0;
  // Makes the object where there is none, see O1 and O5. Never sent twice by the store itself.
  [[nodiscard]] virtual absl::Status Create(std::string_view key, std::string_view data,
                                            const RequestOptions& options = {}) = 0;
  // As Put(), with the bytes of the file `path`, which must not change meanwhile.
  [[nodiscard]] virtual absl::Status PutFile(std::string_view key, std::string_view path,
                                             const RequestOptions& options = {}) = 0;

  virtual absl::StatusOr<std::string> Get(std::string_view key,
                                          const RequestOptions& options = {}) = 0;
  // The `size` bytes from `offset` on, fewer where the object ends before.
  virtual absl::StatusOr<std::string> GetRange(std::string_view key, int64_t offset, int64_t size,
                                               const RequestOptions& options = {}) = 0;
  // Makes or replaces the file `path` with the object's bytes, and answers how many. The file is
  // not synced: that is the caller's, who may have many. On an error the file is removed.
  virtual absl::StatusOr<int64_t> GetToFile(std::string_view key, std::string_view path,
                                            const RequestOptions& options = {}) = 0;

  // The first `limit` objects whose keys begin with `prefix` and are greater than `after`, in the
  // order of the keys' bytes. Fewer than `limit` means that these are all.
  virtual absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view prefix,
                                                       std::string_view after, int limit,
                                                       const RequestOptions& options = {}) = 0;

  // OK where there is no such object.
  [[nodiscard]] virtual absl::Status Delete(std::string_view key,
                                            const RequestOptions& options = {}) = 0;

  // Removes what writes of keys with `prefix`, begun longer than `min_age` ago by anybody, have
  // left without finishing: the parts of uploads, whose keys List() does not show. Answers how many
  // writes that were. The age is told by the store's own clock. A write that is still under way
  // loses what it has sent, and is begun again or fails, so `min_age` is far longer than any takes.
  // A directory cannot tell whose key a leftover was for, and looks at all.
  virtual absl::StatusOr<int64_t> RemoveAbandoned(std::string_view prefix, absl::Duration min_age,
                                                  const RequestOptions& options = {}) = 0;

  // Ends the calls under way, within about a second, and refuses those to come. For shutting down.
  virtual void Cancel() = 0;

  virtual Traffic traffic() const = 0;
  // The place, for messages: "/mnt/archive" or "s3://bucket/prefix at https://host".
  virtual const std::string& name() const = 0;
};

// INVALID_ARGUMENT, in words, where `key` is outside the limits above.
[[nodiscard]] absl::Status ValidateKey(std::string_view key);
// The same for `data`, of the length that Put() and Create() take.
[[nodiscard]] absl::Status ValidateInlineBytes(std::string_view key, int64_t bytes);
// The same for a range: `offset` from 0 up, `size` from 1 to kMaxInlineBytes.
[[nodiscard]] absl::Status ValidateRange(std::string_view key, int64_t offset, int64_t size);
// OUT_OF_RANGE, as GetRange() answers it.
absl::Status EndsBefore(std::string_view key, int64_t offset);
// Whether `segment` may stand between two '/' of a key.
bool IsKeySegment(std::string_view segment);

}  // namespace mooring::objectstore
