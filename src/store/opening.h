#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/options.h"
#include "src/archive/history.h"
#include "src/archive/remote.h"
#include "src/archive/restorer.h"
#include "src/archive/takeover.h"
#include "src/archive/volume_record.h"
#include "src/engine/engine.h"
#include "src/volume/volume.h"

namespace mooring::internal {

enum class EngineStart {
  kCreate = 0,
  kOpen = 1,
  kOpenBeyond = 2,  // See engine::EngineOptions::stop_at_unknown_tables.
};

// The way from a volume that is owned to an engine that holds the right state, with or without an
// archive (DESIGN 3, steps 2 to 6). What decides is who wrote what, never an epoch: see
// archive/opening.h for the table. Used once, by one thread.
class Opening {
 public:
  struct Environment {
    const Options* options = nullptr;
    volume::Volume* volume = nullptr;
    std::string incarnation;  // Of this open.
    std::optional<RewindTarget> rewind;
    std::function<absl::StatusOr<std::unique_ptr<engine::Engine>>(EngineStart)> open_engine;
    // Of an engine that could not be opened.
    std::function<absl::StatusOr<std::unique_ptr<engine::FileKeeper>>()> open_file_keeper;
    std::function<void(Progress::Phase, int64_t done, int64_t total)> report;
  };

  struct Result {
    std::unique_ptr<engine::Engine> engine;
    archive::History history;  // This open's incarnation is the last.
    // Where there is an archive that was claimed.
    std::optional<archive::Takeover> takeover;
    // The state goes on where another was left behind (A11), and nobody has written to it yet.
    bool forked = false;
  };

  explicit Opening(Environment environment);

  // `remote` is null where there is no archive, or it could not be reached and need not be.
  absl::StatusOr<Result> Run(archive::Remote* remote);

 private:
  absl::Status Look(archive::Remote* remote);
  absl::Status OpenOrHealFiles(archive::Remote* remote);
  absl::Status CheckWithoutArchive() const;
  absl::Status TakeOver(archive::Remote& remote);
  absl::Status Act(archive::Remote& remote);
  absl::Status Restore(archive::Remote& remote);
  absl::Status OpenEngine(EngineStart start);
  absl::Status BeginIncarnation(const archive::Remote* remote);
  archive::RestoreOptions MakeRestoreOptions() const;
  std::vector<engine::LogPiece> FindBeyond() const;
  void Log(LogSeverity severity, const std::string& text) const;

  const Environment environment_;
  const Options& options_;
  volume::Volume& volume_;
  archive::VolumeRecord record_;
  archive::VolumeView view_;
  absl::Status damage_;                        // Why the volume is kDamaged.
  std::optional<archive::Restorer> restorer_;  // Once there is an archive.
  Result result_;
};

// For a store that already serves without its archive: reaches and claims it now. The volume goes
// on; where it lacks what the archive holds, another owner wrote, and this one is fenced.
//
// UNAVAILABLE  not reached; try again. All else is final.
struct LateClaim {
  std::shared_ptr<archive::Remote> remote;
  archive::Takeover takeover;
};
absl::StatusOr<LateClaim> ClaimLate(const Opening::Environment& environment,
                                    const engine::Engine& engine, const archive::History& history);

}  // namespace mooring::internal
