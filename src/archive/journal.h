#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/archive/journal_protocol.h"
#include "src/archive/restore_plan.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

struct DriveOptions {
  absl::Duration timeout = absl::Seconds(60);  // In all.
  absl::Duration attempt_timeout = absl::Seconds(10);
  absl::Duration first_pause = absl::Milliseconds(50);  // Doubles, with jitter.
  absl::Duration longest_pause = absl::Seconds(5);
  // Told of each attempt that failed and will be repeated; may be empty.
  std::function<void(const absl::Status&)> retrying;
};

// Asks `store` for what `protocol` wants, until nothing is under way: then its phase says how it
// ended. What fails for now is asked again after a pause.
//
// UNAVAILABLE  the time is over. What was under way still is: call again, with the same protocol.
// other codes  as the store answered; trying again helps only once the cause is gone. Here too a
//              create is still under way, and only calling again resolves it.
[[nodiscard]] absl::Status Drive(JournalProtocol& protocol, objectstore::ObjectStore& store,
                                 const DriveOptions& options = {});

// The entries from slot `first` on, ascending, with the merged logs that the newest COLLECT names
// in their places. Entries that are damaged, and merged logs that are missing, come with their
// status; those of a newer format make it fail. Where a slot vanishes meanwhile it is read again.
absl::StatusOr<std::vector<JournalItem>> ReadJournal(
    objectstore::ObjectStore& store, uint64_t first,
    const objectstore::RequestOptions& options = {});

// Says in `latest` where the newest checkpoint is; see A1.
[[nodiscard]] absl::Status WriteHint(objectstore::ObjectStore& store, uint64_t slot,
                                     const objectstore::RequestOptions& options = {});

}  // namespace mooring::archive
