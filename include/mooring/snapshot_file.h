#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/version.h"

// A whole state of a store as one portable file: to seed another environment, to keep for years, to
// attach to a report. Store::ExportSnapshot() makes one while writers go on; it is self-contained,
// and every byte of it is under a checksum. src/snapshot/FORMAT.md has its bytes.
//
//   MOORING_RETURN_IF_ERROR(store->ExportSnapshot("/backup/orders.snapshot").status());
//   ...
//   mooring::ImportOptions import;
//   import.volume = "/var/lib/orders";  // An empty volume.
//   MOORING_RETURN_IF_ERROR(mooring::ImportSnapshot("/backup/orders.snapshot", import).status());
//
// The checksums find accidents, not forgers: import only what comes from somebody you trust.
namespace mooring {

// Where a snapshot goes that is not written to a path: a pipe, an HTTP response. It is told of each
// byte once and in order. An error ends the export and is what that returns.
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  [[nodiscard]] virtual absl::Status Write(std::string_view data) = 0;
};

// Where a snapshot comes from, in order. What follows its end is damage.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // From 1 to `size` bytes; 0 at the end.
  virtual absl::StatusOr<size_t> Read(char* buffer, size_t size) = 0;
};

// On a file descriptor, which stays the caller's. Neither seeks.
std::unique_ptr<SnapshotSink> MakeSnapshotSink(int descriptor);
std::unique_ptr<SnapshotSource> MakeSnapshotSource(int descriptor);

// In bytes of the state, before they are compressed.
struct SnapshotProgress {
  int64_t done = 0;
  int64_t total = 0;
};
// Called at least once per MiB, from the calling thread. False cancels: CANCELLED. May be empty.
using SnapshotProgressCallback = std::function<bool(const SnapshotProgress&)>;

// What a snapshot says of itself.
struct SnapshotInfo {
  uint32_t format = 0;
  std::string engine;    // Whose files it holds.
  std::string store_id;  // Of the store that it was taken from.
  Version version;       // It is the state after exactly this commit.
  absl::Time committed;  // When that was; InfinitePast() where it is not known.
  absl::Time exported;
  std::vector<std::string> tables;  // Sorted.
  int64_t parts = 0;                // Files within it.
  int64_t bytes = 0;                // Of them in all.
  int64_t stored_bytes = 0;         // Of the snapshot, its own bytes among them.
};

struct ExportOptions {
  // Compress with zstd what becomes at least an eighth smaller; the rest is stored as it is.
  bool compress = true;
  // Rest while others commit, so that they keep most of their rate: the export takes a few times
  // as long then. Off: as fast as it goes.
  bool give_way = true;
  SnapshotProgressCallback progress;
};

struct ImportOptions {
  // An empty directory on a mounted volume, as Options::volume.
  std::string volume;
  bool allow_unsafe_volume = false;  // As Options::allow_unsafe_volume.
  // The new store gets the id of the one that was exported: only where that one is gone for good.
  // Two stores with one id would take each other's volumes and archives for their own. Off: it gets
  // an id of its own.
  bool keep_store_id = false;
  SnapshotProgressCallback progress;
};

struct ImportReport {
  SnapshotInfo snapshot;
  std::string store_id;  // The new store's.
};

struct VerifyOptions {
  SnapshotProgressCallback progress;
};

// Makes a store out of a snapshot on an empty volume, durably. Store::Open() finds it there, and
// its versions continue the snapshot's. Until OK nothing opens there: a volume whose import was cut
// short, by an error or a kill, is refused by Store::Open() until it is imported again or emptied.
//
// INVALID_ARGUMENT     the source is no snapshot, or the volume no directory. Nothing was changed.
// FAILED_PRECONDITION  the volume is not empty or its mount not fit, or the snapshot is of a newer
//                      format or another engine. Nothing was changed.
// DATA_LOSS            the snapshot is damaged or ends early: the message has the part and offset.
// RESOURCE_EXHAUSTED   the volume has no room for it; the message has the numbers.
// CANCELLED            `progress` said so.
// others               as Store::Open() and the source.
absl::StatusOr<ImportReport> ImportSnapshot(const std::string& path, const ImportOptions& options);
absl::StatusOr<ImportReport> ImportSnapshot(SnapshotSource& source, const ImportOptions& options);

// Reads all of a snapshot, proves every checksum, and tells what it is. Errors as ImportSnapshot().
absl::StatusOr<SnapshotInfo> VerifySnapshot(const std::string& path,
                                            const VerifyOptions& options = {});
absl::StatusOr<SnapshotInfo> VerifySnapshot(SnapshotSource& source,
                                            const VerifyOptions& options = {});

}  // namespace mooring
