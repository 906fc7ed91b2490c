#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/version.h"
#include "src/archive/pin.h"
#include "src/archive/remote.h"
#include "src/archive/restore_plan.h"
#include "src/cli/output.h"

namespace mooring::cli {

// An archive, read without owning it.
struct ArchiveView {
  std::shared_ptr<archive::Remote> remote;
  std::unique_ptr<archive::PinHolder> pin;    // Null where the archive may only be read.
  std::vector<archive::JournalItem> journal;  // All of it.
};

// With `pin`, nothing that is there is deleted while the view lives; where that cannot be written
// it goes on and says so in a note.
//
// NOT_FOUND  there is no archive at the url.
absl::StatusOr<ArchiveView> ViewArchive(const std::string& url, bool pin, const Output& output);

// What restores which moment: the newest, or the given one.
struct Moment {
  std::optional<Version> version;
  std::optional<absl::Time> time;  // The newest state at or before it that entries end with.
};
absl::StatusOr<archive::RestorePlan> PlanMoment(const ArchiveView& view, const Moment& moment);

Version VersionOf(const archive::State& state);
absl::Time TimeOf(int64_t time_us);
// "3.1024" or "latest", and RFC 3339; INVALID_ARGUMENT in words.
absl::StatusOr<Moment> ParseMoment(const std::string& version, const std::string& time);

struct Restored {
  int64_t files = 0;
  int64_t bytes = 0;  // Of files and log.
  absl::Duration took;
};
// Builds the state of `plan` as the engine's directory `directory`/data of the store `store_id`.
absl::StatusOr<Restored> RestoreFiles(const ArchiveView& view, const archive::RestorePlan& plan,
                                      const std::string& directory, const std::string& store_id,
                                      ProgressMeter* meter);

}  // namespace mooring::cli
