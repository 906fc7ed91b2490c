#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "mooring/archive.h"
#include "mooring/health.h"

namespace mooring {

// How far Open() has come. `done` and `total` are in bytes where the phase reads or writes data,
// else both are zero; `total` may be an estimate. As long as calls arrive, Open() is not stuck.
struct Progress {
  enum class Phase {
    kInspectingVolume = 0,
    kAcquiringLock = 1,  // Waiting for the previous owner to go.
    kReadingLog = 2,     // Proving what the log holds.
    kReplayingLog = 3,
    kServing = 4,
    kReachingArchive = 5,  // The archive does not answer; it is tried again.
    kWatchingArchive = 6,  // Whether an owner on another volume still writes to it.
    kRestoring = 7,        // The state is fetched from the archive.
  };
  Phase phase = Phase::kInspectingVolume;
  int64_t done = 0;
  int64_t total = 0;
};

// "inspecting-volume", "acquiring-lock", "reading-log", "replaying-log", "serving",
// "reaching-archive", "watching-archive", "restoring".
std::string_view PhaseName(Progress::Phase phase);

enum class LogSeverity { kInfo = 0, kWarning = 1, kError = 2 };

// How to open a store. Only `volume` must be set.
struct Options {
  // The mounted volume, or a directory on it that is the store's alone.
  std::string volume;

  // Start an empty store where the volume holds none. Off: an empty or wrong mount is refused with
  // NOT_FOUND instead. Turn it off once a service has state that must not be missed.
  bool create_if_missing = true;

  // Accept a volume that does not outlive the pod (overlay, tmpfs, ramfs, emptyDir), or whose locks
  // cannot be trusted (a network file system). For tests and caches: acknowledged commits may be
  // lost. With an archive a volume that does not outlive the pod is accepted without this: what is
  // lost with it is what Durability::kArchive did not acknowledge.
  bool allow_unsafe_volume = false;

  // The id the store must have: 32 hexadecimal digits. Another store's volume is refused with
  // FAILED_PRECONDITION; a new store gets this id. Empty: any id, and a random one for a new store.
  std::string store_id;

  // How long Open() waits for a previous owner of the volume, and then of the archive, to let go
  // before it answers FAILED_PRECONDITION. Zero: no wait. Kubernetes takes up to 30 s to end a pod
  // that it replaces.
  absl::Duration acquire_timeout = absl::Seconds(60);

  // Where the state is kept besides, so that it outlives the volume. Nowhere unless its url is set.
  ArchiveOptions archive;

  // Memory that the store takes, whatever the size of its data. From 16 MiB; 0: a quarter of the
  // container's limit (control groups), from 32 MiB to 4 GiB, or 512 MiB where there is no limit.
  // An eighth is for recent writes; an eighth and up to 16 MiB are left for the commit queue, for
  // buffers and the allocator; the rest is cache. What is counted stays within, but an allocator
  // may hold more: glibc's made of 64 MiB up to 140 MiB under heavy load. Not counted is what the
  // caller holds: batches under way, values and iterators; and with an archive a log entry under
  // way, up to 32 MiB, and buffers of its files.
  int64_t memory_budget_bytes = 0;

  // Memory for cached blocks of files, with their indexes and filters, in bytes. From 1 MiB; 0: a
  // part of memory_budget_bytes. More means fewer reads of the volume.
  int64_t cache_bytes = 0;

  // Bytes of recent writes held in memory, over all tables, before they are written to sorted
  // files; what they do not take, blocks may. From 1 MiB to 4 GiB; 0: a part of
  // memory_budget_bytes. More means fewer rewrites and more log to replay after a crash.
  int64_t write_buffer_bytes = 0;

  // Bytes preallocated for each log file. From 1 MiB to 1 GiB. Larger means rarer rotation.
  int64_t wal_file_bytes = int64_t{64} << 20;

  // Bytes of log on the volume after which tables are flushed so that old log can go: the bound of
  // replay after a crash. From wal_file_bytes up.
  int64_t max_wal_bytes = int64_t{256} << 20;

  // The files that hold the tables are read and proved in the background, so many bytes a second,
  // past the page cache: what rots is found before it is read, and repaired from the archive, or
  // health() says what to do. 0: only where a read meets damage. Up to 1 GiB. More finds rot sooner
  // and takes from the volume's speed; the default reads 1 TiB in six days.
  int64_t scrub_bytes_per_second = int64_t{2} << 20;

  // From the begin of one pass over all files to that of the next. The first begins at the opening,
  // at a random file. From 1 s to 365 days.
  absl::Duration scrub_period = absl::Hours(7 * 24);

  // Called during Open() from the opening thread and from one helper thread, never two at a time.
  // Must not call into the store.
  std::function<void(const Progress&)> progress;

  // The library's own log. Called from any thread, never two at a time; must not call into the
  // store. Default: dropped. Nothing is ever printed.
  std::function<void(LogSeverity, std::string_view)> log;

  // Where the store publishes its health, so that a probe can read it while Open() still runs.
  // Default: one of the store's own. Shared with the store.
  std::shared_ptr<HealthMonitor> health_monitor;
};

}  // namespace mooring
