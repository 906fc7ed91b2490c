#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mooring/archive.h"
#include "mooring/options.h"
#include "mooring/version.h"
#include "src/archive/collector.h"
#include "src/archive/history.h"
#include "src/archive/journal_protocol.h"
#include "src/base/steady_clock.h"
#include "src/engine/log_source.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

struct ShipperOptions {
  absl::Duration ship_interval;
  absl::Duration fence_check_interval;
  absl::Duration max_unfenced;
  absl::Duration max_lag;
  // A checkpoint is made when so many bytes of log were shipped since the last one: the bound of
  // what a restore replays.
  int64_t checkpoint_log_bytes = int64_t{256} << 20;
  int parallel_uploads = 4;
  // One is also made when the last one is older and anything was shipped since: so that retention
  // moves on.
  absl::Duration checkpoint_interval = absl::Hours(24);
  CollectionOptions collection;
  std::string staging_directory;  // For captures; on the store's volume, the shipper's alone.
  engine::LogSource::Exclusively exclusively;
  // Called before each look of S4: makes durable what was written without a sync, so that it ships
  // too. May be empty.
  std::function<void()> sync_unsynced;
  // Called once, from the shipper's thread, with what every later write is to answer.
  std::function<void(const absl::Status&)> fenced;
  // Told of a local file that is damaged, so that no checkpoint can be made, from any thread. May
  // be empty.
  std::function<void(const absl::Status&)> damaged;
  std::function<void(LogSeverity, std::string_view)> log;  // May be empty.
};

// Sends what is durable on the volume to the archive, and looks whether another owner took over:
//
//   S1  The first checkpoint of an opening stands before any log ships: it holds what an earlier
//       incarnation left unshipped, and tables that were made before.
//   S2  A LOG holds all that is durable, up to kMaxPayloadBytes, when it is made: at once where
//       somebody waits at kArchive, else every ship_interval. So all who wait share one.
//   S3  Checkpoints are uploaded beside the shipping (A7), files that a kept checkpoint names not
//       again, and also made where LogSource::ReadLog() asks for one.
//   S4  Without anything to send it looks every fence_check_interval. What nobody syncs (kProcess)
//       is synced then, so that it is not left out for ever.
//   S5  What is older than the retention goes, and small LOGs are merged (collector.h, G1 to G5),
//       from the first checkpoint on, on a thread of its own. An archive that does not change costs
//       nothing but S4 and a scrub a day.
//   S6  While the archive is away it goes on trying with growing pauses, and nothing is lost. So
//       too where it refuses: credentials are renewed and quotas raised.
//
// Where the journal turns out to be damaged the ownership ends as if fenced, with that error.
//
// Thread-safe.
class Shipper {
 public:
  // `protocol` is in phase kOwning. `history` is the store's, this incarnation the last, not empty.
  // `known_files` are those that kept checkpoints name: JournalProtocol::Found::files. `source`
  // outlives Close().
  Shipper(std::shared_ptr<objectstore::ObjectStore> store,
          std::unique_ptr<JournalProtocol> protocol, engine::LogSource* source, History history,
          const std::vector<ArchivedFile>& known_files, ShipperOptions options);
  ~Shipper();  // Without Close() before, it is like a crash: what is under way is cut off.

  // LogSource::DurableSequence() has grown: from any thread, cheap, never blocks.
  void OnDurable();

  // Sends at once, and returns when `version` is archived. What is not durable on the volume yet is
  // waited for, and nothing here makes it so. By lineage:
  //
  // DATA_LOSS            a takeover left that version behind.
  // DEADLINE_EXCEEDED    not in time; unknown.
  // FAILED_PRECONDITION  fenced (IsFenced()), or closed before.
  // INVALID_ARGUMENT     its epoch is later than this opening's, so it was never given. A sequence
  //                      that was not given yet cannot be told from one that comes.
  [[nodiscard]] absl::Status WaitArchived(Version version, const Deadline& deadline);

  // OK, or why no write may be accepted now: the end of the ownership, or UNAVAILABLE for
  // max_unfenced and max_lag. Waits for the lag to fall, and for the first look of this opening, up
  // to `deadline`. Cheap where both are infinite. A look counts from when it was sent, so that a
  // process that was stopped for long is refused at its first call.
  [[nodiscard]] absl::Status Admit(const Deadline& deadline);

  // Puts the archive's copy of a file of the engine, proved and synced, at `to`.
  //
  // NOT_FOUND  the archive has no file with this path, size and checksum.
  // DATA_LOSS  its copy is missing or damaged.
  [[nodiscard]] absl::Status FetchFile(const std::string& path, uint64_t size, uint32_t crc32c,
                                       const std::string& to);

  ArchiveStatus status() const;

  // Ships the rest, tables that were made or dropped among it, and leaves a CLOSE. OK: everything
  // that was durable at the call is archived. DEADLINE_EXCEEDED: the message says how much is not;
  // the object store's calls were cancelled, so it returns about a second later, or, where a
  // directory's mount hangs, when the kernel lets go of it. Where the ownership had ended, why.
  // No call but status() afterwards. The source may go when it has returned.
  [[nodiscard]] absl::Status Close(const Deadline& deadline);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mooring::archive
