#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mooring/version.h"

namespace mooring {

// A copy of the state that outlives the volume, written continuously and claimed by one owner at a
// time. Only `url` must be set; without it a store has no archive.
struct ArchiveOptions {
  // "file:///path" (a directory on another volume) or, after EnableS3() of mooring/s3.h,
  // "s3://bucket/prefix". It belongs to one store alone. Holds no credentials.
  std::string url;

  // How often what was committed is sent while nobody waits for it: the usual loss where the volume
  // is lost, but for commits at Durability::kArchive. From 10 ms to 1 h. Shorter means more
  // requests.
  absl::Duration ship_interval = absl::Seconds(1);

  // How often an owner that has nothing to send looks whether another took over. From 10 ms to 1 h.
  // Until it looks, an old owner goes on to acknowledge at kVolume what the new one does not have.
  absl::Duration fence_check_interval = absl::Seconds(10);

  // Writes are refused with UNAVAILABLE while the last look that found no other owner is older than
  // this: a bound on what an old owner can acknowledge in vain. More than fence_check_interval and
  // ship_interval. Infinite: the service goes on while the archive is away.
  absl::Duration max_unfenced = absl::InfiniteDuration();

  // Writes are held back while the oldest commit that is not archived is older than this, and
  // refused with UNAVAILABLE when that takes longer than their own timeout, or than this once more.
  // More than ship_interval. Infinite: a lag is only reported.
  absl::Duration max_lag = absl::InfiniteDuration();

  // Where the last owner did not close, Open() watches the archive for so long and takes over only
  // if nothing is written meanwhile. More than the other pod's ship_interval. A clean close needs
  // no wait.
  absl::Duration takeover_wait = absl::Seconds(3);

  // How long Open() tries to reach the archive before it answers UNAVAILABLE. Until it is reached
  // nobody knows whether another owner is at work. Progress tells that it waits.
  absl::Duration reach_timeout = absl::InfiniteDuration();

  // Where the archive cannot be reached, serve from a good volume and claim the archive later.
  // Where it then turns out that another owner wrote meanwhile, this one is fenced, and what it
  // committed is set aside when it opens again. An empty or damaged volume waits all the same.
  bool serve_unreached = false;

  // How far back the archive can be gone to: what only an older state needs is deleted from it.
  // From 0 (see min_checkpoints) to 100 years. More means more objects, and at each change of the
  // data the old bytes are kept for so long. What goes goes by checkpoints, of which one is made
  // each seventh of it, but not twice in a minute nor less often than daily: so with less than
  // some minutes a little more is kept.
  absl::Duration retention = absl::Hours(7 * 24);

  // At least so many checkpoints are kept, however old: a damaged one costs nothing while the one
  // before it is there. From 2 to 1000.
  int min_checkpoints = 2;

  // Go on with an archive other than the one that this volume was archived to, or with none where
  // it had one. For moving to another bucket; turn it off again.
  bool adopt_archive = false;

  // Restore from an older checkpoint where objects of the archive are damaged or missing and
  // nothing better is left, though commits that were archived are lost then. Without it such an
  // open is refused with DATA_LOSS, which says what is damaged and how far the rest reaches. Turn
  // it off again.
  bool accept_loss = false;

  // Make a new store though the archive was claimed before and never got a state. Turn it off
  // again.
  bool create_without_state = false;
};

// How far a store is archived. See Store::archive_status().
struct ArchiveStatus {
  enum class State {
    kNone = 0,             // No archive is configured.
    kUnreached = 1,        // Serving from the volume; the archive is not claimed yet.
    kFirstCheckpoint = 2,  // The first checkpoint of this opening is being uploaded. Nothing is
                           // acknowledged at kArchive before it stands.
    kShipping = 3,
    kFenced = 4,  // Another owner took over. Reopen, or stop.
    kClosed = 5,
  };
  State state = State::kNone;

  uint64_t head = 0;                // The newest slot of the journal that this owner knows.
  std::optional<Version> archived;  // What a restore would give back now.
  // The age of the oldest commit that is not archived, and the bytes of log that are not.
  absl::Duration lag = absl::ZeroDuration();
  int64_t lag_bytes = 0;
  absl::Duration since_fence_check = absl::InfiniteDuration();  // That found no other owner.

  uint64_t last_checkpoint = 0;         // Its slot; 0: none by this owner.
  int64_t checkpoint_bytes = 0;         // Uploaded for it.
  int64_t checkpoint_files = 0;         // Uploaded for it.
  int64_t checkpoint_bytes_in_all = 0;  // That it names.

  // As of the owner's last look, every few minutes; 0 before the first one.
  int64_t objects = 0;
  int64_t bytes = 0;
  absl::Time oldest = absl::InfinitePast();           // State that is kept; or not known yet.
  absl::Time last_collection = absl::InfinitePast();  // By this owner; or none was.

  int64_t requests = 0;  // Since the opening, retries among them.
  int64_t bytes_sent = 0;
  absl::Status last_error;  // Why something is late, or what is missing; OK where nothing is.
};

// "shipping, 3 ms behind" and so on, for people.
std::string ToString(const ArchiveStatus& status);

// Whether a write or a call was refused because another owner took over. Do not retry: close, and
// open again only if this process is to be the owner.
bool IsFenced(const absl::Status& status);

// The version of a commit whose outcome at kArchive is unknown (DEADLINE_EXCEEDED, UNAVAILABLE,
// FAILED_PRECONDITION after it was written to the volume): it is readable, survives as a kVolume
// commit does, and Store::WaitArchived() tells later whether it is archived. Empty where the status
// is of a commit that has no version.
std::optional<Version> UnarchivedVersion(const absl::Status& status);

}  // namespace mooring
