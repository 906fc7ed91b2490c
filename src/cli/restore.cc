// mooring restore and drill: what an archive gives back.
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/cli/archive_view.h"
#include "src/cli/checks.h"
#include "src/cli/command.h"
#include "src/cli/owned_store.h"
#include "src/cli/rewind.h"

namespace mooring::cli {
namespace {

constexpr char kRestoreExamples[] =
    "  mooring restore -V /var/lib/orders -A file:///mnt/archive/orders\n"
    "  mooring restore -V /var/lib/orders -A file:///mnt/archive/orders --to-version 3.1024\n"
    "Makes the volume hold the archive's newest state: an empty volume gets all of it, a damaged "
    "one\n"
    "what it lacks, and a good one nothing; then every file is proved. It claims the archive for a "
    "moment, as the service "
    "does\n"
    "when it opens; where another owner lives it is refused. To an earlier moment it goes back "
    "from there, as "
    "mooring\n"
    "rewind does; mooring copy leaves the store as it is.";

struct RestoreFlags {
  OwnFlags own;
  TargetFlags target;
};
constexpr char kDrillExamples[] =
    "  mooring drill -A file:///mnt/archive/orders                  does a restore work, how "
    "long?\n"
    "  mooring drill -A file:///mnt/archive/orders --scratch /mnt/scratch\n"
    "  mooring drill -A file:///mnt/archive/orders --at-version 3.1024\n"
    "Nothing is claimed and no owner is disturbed. The scratch copy is removed afterwards.";

// An opening does not read every file: this waits until all were, and repaired where that was
// needed. Answers how many were.
absl::StatusOr<int64_t> WaitForScrub(const Store& store, const Output& output) {
  ProgressMeter meter(output, "checking files");
  while (true) {
    const Health health = store.health();
    meter.Update(health.scrub.bytes_checked, 0);
    if (health.state == Health::State::kReadOnly || health.state == Health::State::kClosed) {
      return health.reason.ok() ? absl::UnavailableError(health.ToString()) : health.reason;
    }
    if (health.scrub.passes > 0) {
      MOORING_RETURN_IF_ERROR(health.scrub.damage);
      return health.scrub.files_repaired;
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
}

absl::StatusOr<std::unique_ptr<OwnedStore>> OpenRestored(const RestoreFlags& flags,
                                                         const Output& output) {
  if (!flags.target.given()) return OwnedStore::Open(flags.own, output);
  MOORING_RETURN_IF_ERROR(TargetOf(flags.target).status());
  {
    // A rewind wants a store that is there.
    MOORING_ASSIGN_OR_RETURN(const auto newest, OwnedStore::Open(flags.own, output));
    MOORING_RETURN_IF_ERROR(newest->Close());
  }
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<Store> store,
                           RewindStore(flags.own, flags.target, output));
  return std::make_unique<OwnedStore>(std::move(store));
}

absl::Status Restore(const RestoreFlags& restore, const Output& output) {
  const OwnFlags& flags = restore.own;
  const absl::Duration began = SteadyNow();
  {
    // An opening would make a new archive where there is none.
    MOORING_ASSIGN_OR_RETURN(const ArchiveView view, ViewArchive(flags.archive, false, output));
    const absl::Status plan = archive::PlanRestore(view.journal).status();
    if (!flags.accept_loss) MOORING_RETURN_IF_ERROR(plan);
  }
  MOORING_ASSIGN_OR_RETURN(const auto owned, OpenRestored(restore, output));
  MOORING_ASSIGN_OR_RETURN(const int64_t repaired, WaitForScrub(owned->store(), output));
  const Version version = owned->store().version();
  const std::string id = owned->store().id();
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> tables, owned->store().ListTables());
  MOORING_RETURN_IF_ERROR(owned->store().WaitArchived(version, absl::Minutes(10)));
  MOORING_RETURN_IF_ERROR(owned->Close());
  const absl::Duration took = SteadyNow() - began;
  output.Result({{"volume", flags.volume},
                 {"store_id", id},
                 {"version", version.ToString()},
                 {"tables", tables},
                 {"files_repaired", repaired},
                 {"seconds", absl::ToDoubleSeconds(took)}},
                absl::StrCat("restored   ", flags.volume, "\nstore      ", id, "\nversion    ",
                             version.ToString(), "\nrepaired   ", repaired,
                             " files while it was open\ntook       ", ShowDuration(took), "\n"));
  return absl::OkStatus();
}

// Removed with all that is in it.
class Scratch {
 public:
  static absl::StatusOr<std::unique_ptr<Scratch>> Make(const std::string& parent) {
    std::string name = parent + "/mooring-drill-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return ErrnoError("make a directory in", parent, errno);
    return std::unique_ptr<Scratch>(new Scratch(std::move(name)));
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

struct DrillFlags {
  std::string url;
  std::string scratch = "/var/tmp";
  std::string version;
  std::string time;
};

absl::Status Drill(const DrillFlags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const Moment moment, ParseMoment(flags.version, flags.time));
  MOORING_ASSIGN_OR_RETURN(const ArchiveView view, ViewArchive(flags.url, true, output));
  MOORING_ASSIGN_OR_RETURN(const archive::RestorePlan plan, PlanMoment(view, moment));
  MOORING_ASSIGN_OR_RETURN(const auto scratch, Scratch::Make(flags.scratch));
  const std::string& store_id = view.remote->identity()->store_id;
  Restored restored;
  std::vector<TableCount> tables;
  absl::Duration opened;
  absl::Duration checked;
  {
    ProgressMeter meter(output, "restoring");
    MOORING_ASSIGN_OR_RETURN(restored, RestoreFiles(view, plan, scratch->path(), store_id, &meter));
    meter.Begin("opening");
    engine::LookOptions look_options;
    look_options.directory = scratch->path() + "/data";
    look_options.store_id = store_id;
    MOORING_ASSIGN_OR_RETURN(const auto look, engine::Look::Open(look_options));
    opened = meter.elapsed();
    if (look->LastSequence() != plan.state.last_sequence) {
      return absl::DataLossError(absl::StrCat("the archive's state reaches sequence ",
                                              plan.state.last_sequence, ", and what was restored ",
                                              look->LastSequence()));
    }
    meter.Begin("reading every key");
    MOORING_ASSIGN_OR_RETURN(tables, ReadEverything(*look, &meter));
    checked = meter.elapsed();
  }
  int64_t keys = 0;
  for (const TableCount& table : tables) keys += table.keys;
  const absl::Duration all = restored.took + opened + checked;
  output.Result({{"archive", view.remote->store().name()},
                 {"store_id", store_id},
                 {"version", VersionOf(plan.state).ToString()},
                 {"committed", JsonTime(TimeOf(plan.last_time_us))},
                 {"complete", plan.complete},
                 {"notes", plan.notes},
                 {"bytes", restored.bytes},
                 {"files", restored.files},
                 {"tables", tables.size()},
                 {"keys", keys},
                 {"restore_seconds", absl::ToDoubleSeconds(restored.took)},
                 {"open_seconds", absl::ToDoubleSeconds(opened)},
                 {"check_seconds", absl::ToDoubleSeconds(checked)}},
                absl::StrCat("restorable  ", view.remote->store().name(), "\nversion     ",
                             VersionOf(plan.state).ToString(), ", committed ",
                             ShowTime(TimeOf(plan.last_time_us)), "\nfetched     ",
                             FormatBytes(restored.bytes), " in ", restored.files, " files and ",
                             plan.logs.size(), " pieces of log, ", ShowDuration(restored.took),
                             "\nopened      ", ShowDuration(opened), "\nchecked     ", keys,
                             " keys in ", tables.size(), " tables, ", ShowDuration(checked),
                             "\nin all      ", ShowDuration(all), "\n"));
  if (plan.complete) return absl::OkStatus();
  return absl::DataLossError(
      "something of the archive is damaged, and what it held beyond that version is not known");
}

}  // namespace

void AddRestore(CLI::App& app, Context* context) {
  CLI::App* restore =
      AddCommand(app, "restore", "Give a volume the state of its archive", kRestoreExamples);
  auto flags = std::make_shared<RestoreFlags>();
  flags->own.create = true;
  flags->own.scrub = true;
  AddOwnFlags(restore, &flags->own);
  restore->get_option("--archive")->required();
  AddTarget(restore, &flags->target);
  Does(restore, context, [flags](const Output& output) { return Restore(*flags, output); });

  CLI::App* drill =
      AddCommand(app, "drill", "Prove that an archive restores: to scratch, with every key read",
                 kDrillExamples);
  auto drill_flags = std::make_shared<DrillFlags>();
  AddArchive(drill, &drill_flags->url, /*required=*/true);
  drill->add_option("--scratch", drill_flags->scratch, "Where there is room for the copy")
      ->type_name("DIR");
  drill->add_option("--at-version", drill_flags->version, "Not the newest state but this version");
  drill->add_option("--at-time", drill_flags->time,
                    "Not the newest state but that of this time, RFC 3339");
  Does(drill, context, [drill_flags](const Output& output) { return Drill(*drill_flags, output); });
}

}  // namespace mooring::cli
