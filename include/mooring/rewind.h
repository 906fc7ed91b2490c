#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/archive.h"
#include "mooring/version.h"

// Going back in time, as far as the archive reaches: Store::Rewind() of store.h takes the store
// itself back, RestoreCopy() puts an earlier state beside it.
namespace mooring {

// A moment of a store: after exactly one commit. Tables that were made and dropped carry no version
// of their own. A moment by version has those of the newest state with that version; one by time
// those that the archive knew by then, to the next checkpoint.
class RewindTarget {
 public:
  // After the commit that was given this version.
  static RewindTarget To(Version version) {
    RewindTarget target;
    target.version_ = version;
    return target;
  }
  // After the last commit at or before this time, by the clock of whoever owned the store then, to
  // the microsecond. Only in the store's present past: what a rewind or a takeover left behind is
  // reached by version.
  static RewindTarget To(absl::Time time) {
    RewindTarget target;
    target.time_ = time;
    return target;
  }
  // All that is archived.
  static RewindTarget Latest() { return RewindTarget(); }

  const std::optional<Version>& version() const { return version_; }
  const std::optional<absl::Time>& time() const { return time_; }
  std::string ToString() const;  // "version 3.1024", for people.

 private:
  RewindTarget() = default;
  std::optional<Version> version_;
  std::optional<absl::Time> time_;
};

struct RestoreCopyOptions {
  // As Options::allow_unsafe_volume.
  bool allow_unsafe_volume = false;
  // Bytes that are there and that are fetched. From the calling thread or one of its own, never two
  // at a time. May be empty.
  std::function<void(int64_t done, int64_t total)> progress;
};

struct RestoreCopyReport {
  std::string store_id;     // The copy's: a new one.
  std::string copied_from;  // The id of the store whose archive it is.
  Version version;          // Whose state it holds, as that store gave it.
  absl::Time committed;     // When; InfinitePast() where it is not known.
  int64_t bytes_fetched = 0;
  bool left_behind = false;  // A rewind or a takeover went on without it.
};

// Makes a store of its own out of what an archive held at `target`, in the empty `directory`, which
// Store::Open() then opens, without an archive or with a new one. The archive's owner may be at
// work, and is not disturbed: nothing is claimed, and nothing written but a note that asks for what
// is read not to be deleted meanwhile. By version also work that a rewind or a takeover left
// behind. Until OK nothing opens there; a copy that was cut short is finished by calling again.
//
// Of `archive` only `url` and `reach_timeout` count. Thread-safe; blocks.
//
// OUT_OF_RANGE         the target is not in the archive; the message says how far that reaches, and
//                      the nearest points that one can go to.
// INVALID_ARGUMENT     the version lies inside a commit, or the url or the directory is no such.
// NOT_FOUND            there is no archive, or it never got a state.
// FAILED_PRECONDITION  the directory is not empty or not fit, or the archive's format is newer.
// RESOURCE_EXHAUSTED   no room; the message has the numbers.
// DATA_LOSS            what is needed of the archive is missing or damaged; the message names it.
// UNAVAILABLE          the archive does not answer.
absl::StatusOr<RestoreCopyReport> RestoreCopy(const ArchiveOptions& archive,
                                              const RewindTarget& target,
                                              const std::string& directory,
                                              const RestoreCopyOptions& options = {});

}  // namespace mooring
