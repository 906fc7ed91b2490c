#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/archive.h"
#include "mooring/health.h"
#include "mooring/iterator.h"
#include "mooring/options.h"
#include "mooring/rewind.h"
#include "mooring/snapshot.h"
#include "mooring/snapshot_file.h"
#include "mooring/status_macros.h"
#include "mooring/table.h"
#include "mooring/value.h"
#include "mooring/version.h"
#include "mooring/write_batch.h"

namespace mooring {

namespace internal {
class StoreCore;
}  // namespace internal

// What Close() did before it returned.
struct CloseReport {
  bool synced = false;  // Every acknowledged commit, kProcess too, survives power loss.
  bool released =
      false;  // The volume is free for the next owner. Where it is not, it becomes free by
              // itself when the last reader or stalled operation ends, or the process.
  bool archived = false;  // Everything acknowledged is in the archive. False where there is none.
  int readers = 0;        // Reads, iterators and snapshots that were still in use.
  absl::Status status;    // Why something above is false, but for the lack of an archive; else OK.
  ArchiveStatus archive;  // How far it is archived; `lag_bytes` are what is left.
};

// A durable key-value state on a mounted volume, with one owner at a time.
//
//   mooring::Options options;
//   options.volume = "/var/lib/orders";
//   MOORING_ASSIGN_OR_RETURN(std::unique_ptr<mooring::Store> store, mooring::Store::Open(options));
//   MOORING_ASSIGN_OR_RETURN(mooring::Table carts, store->OpenTable("carts"));
//   MOORING_ASSIGN_OR_RETURN(mooring::Version version, carts.Put("user:17", "..."));
//
// Thread-safe, but for the destructor.
class Store {
 public:
  // Opens the store on `options.volume`, or makes it. Waits for a previous owner up to
  // `acquire_timeout`, then for the log to be read and replayed; both show in `options.progress`.
  //
  // With an archive it also waits until the archive answers (`archive.reach_timeout`), takes it
  // over from an owner that is gone, and restores from it what the volume lacks: an empty volume, a
  // lost or damaged one, an older copy, one whose owner was overtaken. What only the volume held,
  // and the archive's state does not continue, is set aside beside the data, where the next restore
  // removes it.
  //
  // FAILED_PRECONDITION  the mount is not fit (overlay, tmpfs, emptyDir, network, read-only),
  // another
  //                      owner holds the volume or the archive, one of them is another store's or
  //                      of a newer format, or the volume remembers another archive.
  // NOT_FOUND            the path is missing, or holds no store and `create_if_missing` is off.
  // INVALID_ARGUMENT     the path is not a directory, or an option is out of its limits.
  // PERMISSION_DENIED    the path cannot be written, or the archive forbids something.
  // RESOURCE_EXHAUSTED   the volume has no space left to open on.
  // DATA_LOSS            commits that were acknowledged are missing or damaged; the message names
  //                      file, offset and range. Nothing was changed. Restore a copy of the volume,
  //                      or configure the archive.
  // UNAVAILABLE          reading or writing the volume failed, or the archive was not reached.
  //                      Retrying may help.
  // UNAUTHENTICATED      the archive does not take the credentials.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const Options& options);

  // Takes the store back to `target` and opens it there; see rewind.h. Where another process has it
  // open, that must close it first. In this order: Open() and Close(), so that the last commit is
  // archived and all that is left behind stays reachable by RestoreCopy(); a claim in the archive
  // that goes back; the state of `target` is put on the volume. Killed before the claim, nothing
  // has happened; killed after it, the next Open() finishes. What the volume held is set aside.
  //
  // Versions go on rising: `epoch` is raised, and `sequence` goes on from the target's, of which
  // the rewind takes the next one for itself: version() is one past the target. A commit at
  // Durability::kArchive waits for the new lineage's first checkpoint.
  //
  // OUT_OF_RANGE         the target is not in the archive, or not in the store's past; the message
  //                      says how far that reaches, and the nearest moments that are.
  // INVALID_ARGUMENT     no archive is configured, or the version lies inside a commit.
  // others               as Open(), and as the CloseReport of that Close(), with nothing changed.
  static absl::StatusOr<std::unique_ptr<Store>> Rewind(const Options& options,
                                                       const RewindTarget& target);

  // Closes, waiting as long as that takes, but not for iterators and snapshots that are still in
  // use: then the volume is released when the last of them goes. For the archive it waits 10 s.
  // Prefer Close().
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The table of that name (1 to 128 bytes without '\0'), made durably where there is none.
  //
  // INVALID_ARGUMENT    the name is out of its limits.
  // RESOURCE_EXHAUSTED  there are 256 tables already, or the volume is full.
  // DATA_LOSS           a sync failed; see Commit().
  absl::StatusOr<Table> OpenTable(std::string_view name);

  // The names of all tables, sorted.
  absl::StatusOr<std::vector<std::string>> ListTables() const;

  // Removes the table and all that is in it. NOT_FOUND where there is none. Readers that already
  // have it go on; writers get NOT_FOUND.
  [[nodiscard]] absl::Status DropTable(std::string_view name);

  // Applies `batch` atomically. OK: it survives what `options.durability` says, and readers see it.
  // An empty batch changes nothing and returns the current version.
  //
  // INVALID_ARGUMENT     the batch breaks a limit or mixes stores; the message names the operation.
  // NOT_FOUND            a table of the batch was dropped.
  // RESOURCE_EXHAUSTED   the volume is full. Nothing was applied; deletes still work.
  // DEADLINE_EXCEEDED    no answer within `options.timeout`. Unknown whether it happens.
  // DATA_LOSS            a write or a sync failed. Unknown whether it happened; writes are refused
  //                      until the store is reopened, which heals what the device allows.
  // FAILED_PRECONDITION  the store is closed or read-only; health() says why. Nothing was applied.
  //                      Where IsFenced(), another owner took over.
  // UNAVAILABLE          the archive is too far behind, or silent for too long, for the limits of
  //                      Options::archive. Nothing was applied.
  //
  // At kArchive, what went wrong after the commit was on the volume is told with these codes too:
  // then UnarchivedVersion() has the commit's version. INVALID_ARGUMENT: there is no archive.
  //
  // Waits for one device sync at kVolume, shared with other writers; at kArchive for one request to
  // the archive besides.
  absl::StatusOr<Version> Commit(const WriteBatch& batch, const CommitOptions& options = {});

  // Returns when `version` and all before it are archived, and has what is missing sent at once.
  // Syncs, so that a kProcess commit counts too.
  //
  // DATA_LOSS            the version is not in this store's past: a takeover left it behind.
  // DEADLINE_EXCEEDED    not within `timeout`. It goes on.
  // FAILED_PRECONDITION  closed, or another owner took over: IsFenced().
  // INVALID_ARGUMENT     there is no archive, or no such version yet.
  [[nodiscard]] absl::Status WaitArchived(Version version, absl::Duration timeout);

  // How far the store is archived, and how the archive fares.
  ArchiveStatus archive_status() const;

  // The present moment over all tables. FAILED_PRECONDITION once closed.
  absl::StatusOr<Snapshot> TakeSnapshot() const;

  // Writes the state after one commit, at the call or a moment later, as a snapshot file: see
  // snapshot_file.h. Writers go on. The volume keeps the files of that state until it is written,
  // also those that would be removed meanwhile. Close() ends it: CANCELLED.
  //
  // To a path: nothing has that name before all is synced, and nothing is overwritten.
  //
  // ALREADY_EXISTS       there is something at `path`.
  // RESOURCE_EXHAUSTED   where it goes there is no room, or the volume is full.
  // DATA_LOSS            a file on the volume is damaged; the message names it.
  // CANCELLED            `options.progress` said so.
  // FAILED_PRECONDITION  the store is closed or read-only, or `path` is being written already.
  // UNAVAILABLE          not now; try again.
  // others               the sink's.
  absl::StatusOr<SnapshotInfo> ExportSnapshot(const std::string& path,
                                              const ExportOptions& options = {});
  absl::StatusOr<SnapshotInfo> ExportSnapshot(SnapshotSink& sink,
                                              const ExportOptions& options = {});

  // The version of the newest visible commit.
  Version version() const;
  // 32 hexadecimal digits; the same for the life of the store.
  const std::string& id() const;
  Health health() const;

  // Syncs, sends what is missing to the archive, and releases the volume for the next owner.
  // Refuses new work at once, and returns when all is done or `timeout` is over, whichever is
  // first. The archive gets four fifths of that time. A second call reports the same close.
  CloseReport Close(absl::Duration timeout);

 private:
  explicit Store(std::shared_ptr<internal::StoreCore> core);
  const std::shared_ptr<internal::StoreCore> core_;
};

}  // namespace mooring
