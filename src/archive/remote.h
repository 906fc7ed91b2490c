#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/archive/entry.h"
#include "src/archive/restore_plan.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

// An archive at its url, before anyone owns it. Thread-safe once Establish() has returned.
class Remote {
 public:
  struct ConnectOptions {
    absl::Duration timeout = absl::InfiniteDuration();  // To reach it.
    // Told of each attempt that failed and will be repeated.
    std::function<void(const absl::Status&)> retrying;
    std::function<bool()> cancelled;  // May be empty.
  };
  // Reads who it belongs to. A place that holds no archive yet is one without an identity.
  //
  // INVALID_ARGUMENT     the url.
  // UNAVAILABLE          it was not reached in time.
  // CANCELLED            `cancelled` said so; a request under way is waited for, up to 10 s.
  // FAILED_PRECONDITION  no such bucket, a newer format, or a journal without an identity.
  // UNAUTHENTICATED, PERMISSION_DENIED, DATA_LOSS
  static absl::StatusOr<std::shared_ptr<Remote>> Connect(const std::string& url,
                                                         const ConnectOptions& options);
  // The same over a store that is already there.
  static absl::StatusOr<std::shared_ptr<Remote>> Connect(
      std::shared_ptr<objectstore::ObjectStore> store, const ConnectOptions& options);

  objectstore::ObjectStore& store() { return *store_; }
  const std::optional<ArchiveIdentity>& identity() const { return identity_; }

  // Probes the store (A9) and makes the archive's identity where there is none; then it is that of
  // `store_id`, or FAILED_PRECONDITION.
  [[nodiscard]] absl::Status Establish(const std::string& store_id);

  // The journal as far as an open needs it that looks no farther than `last_slot`: from the newest
  // checkpoint's `replay_from` on where the hint leads there, else all of it. A checkpoint of
  // somebody who came after `last_slot` says nothing of what stands up to it.
  absl::StatusOr<std::vector<JournalItem>> ReadRecent(
      uint64_t last_slot = std::numeric_limits<uint64_t>::max());
  absl::StatusOr<std::vector<JournalItem>> ReadAll();

 private:
  [[nodiscard]] absl::Status ReadBackToClaim(std::vector<JournalItem>* items);
  explicit Remote(std::shared_ptr<objectstore::ObjectStore> store) : store_(std::move(store)) {}
  [[nodiscard]] absl::Status ReadIdentity(absl::Duration timeout);
  [[nodiscard]] absl::Status MakeIdentity(const ArchiveIdentity& identity);

  const std::shared_ptr<objectstore::ObjectStore> store_;
  std::optional<ArchiveIdentity> identity_;
};

}  // namespace mooring::archive
