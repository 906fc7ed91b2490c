// mooring rewind and copy: earlier states, from an archive.
#include "src/cli/rewind.h"

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/cli/archive_view.h"
#include "src/cli/command.h"

namespace mooring::cli {
namespace {

constexpr char kRewindExamples[] =
    "  mooring rewind -V /var/lib/orders -A file:///mnt/archive/orders --to-version 3.1024\n"
    "  mooring rewind -V /var/lib/orders -A file:///mnt/archive/orders --to-time "
    "2026-01-31T12:00:00Z\n"
    "The store itself goes back. What came after stays in the archive for its retention: mooring "
    "copy\n"
    "reaches it. To look at an earlier state first: mooring copy.";
constexpr char kCopyExamples[] =
    "  mooring copy -V /mnt/look -A file:///mnt/archive/orders\n"
    "  mooring copy -V /mnt/look -A file:///mnt/archive/orders --to-version 3.1024\n"
    "  mooring scan -V /mnt/look carts\n"
    "A store of its own in an empty directory. The archive's owner is not disturbed.";

struct Flags {
  OwnFlags own;
  TargetFlags target;
};

absl::Status Rewind(const Flags& flags, const Output& output) {
  if (!flags.target.given()) {
    return absl::InvalidArgumentError("say how far back: --to-version or --to-time");
  }
  MOORING_ASSIGN_OR_RETURN(const RewindTarget target, TargetOf(flags.target));
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                           RewindStore(flags.own, flags.target, output));
  const Version version = store->version();
  MOORING_RETURN_IF_ERROR(store->Close(absl::Minutes(5)).status);
  output.Result({{"volume", flags.own.volume},
                 {"target", target.ToString()},
                 {"version", version.ToString()}},
                absl::StrCat("rewound    ", flags.own.volume, " to ", target.ToString(),
                             "; it goes on from version ", version.ToString(), "\n"));
  return absl::OkStatus();
}

absl::Status Copy(const Flags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const RewindTarget target, TargetOf(flags.target));
  ArchiveOptions archive;
  archive.url = flags.own.archive;
  archive.reach_timeout = absl::Seconds(30);
  RestoreCopyOptions options;
  options.allow_unsafe_volume = flags.own.unsafe;
  RestoreCopyReport report;
  std::string summary;
  {
    ProgressMeter meter(output, "copying");
    options.progress = [&](int64_t done, int64_t total) { meter.Update(done, total); };
    MOORING_ASSIGN_OR_RETURN(report, RestoreCopy(archive, target, flags.own.volume, options));
    summary = meter.Summary();
  }
  output.Result(
      {{"volume", flags.own.volume},
       {"store_id", report.store_id},
       {"copied_from", report.copied_from},
       {"version", report.version.ToString()},
       {"committed", JsonTime(report.committed)},
       {"bytes_fetched", report.bytes_fetched},
       {"left_behind", report.left_behind}},
      absl::StrCat("copied     store ", report.copied_from, " to ", flags.own.volume, " as store ",
                   report.store_id, "\nversion    ", report.version.ToString(), ", committed ",
                   ShowTime(report.committed), report.left_behind ? ", left behind since" : "",
                   "\ntook       ", summary, "\n"));
  return absl::OkStatus();
}

}  // namespace

void AddTarget(CLI::App* command, TargetFlags* flags) {
  command->add_option("--to-version", flags->version, "The version that a commit returned")
      ->type_name("E.S");
  command->add_option("--to-time", flags->time, "The last commit at or before it, RFC 3339")
      ->type_name("TIME");
}

absl::StatusOr<RewindTarget> TargetOf(const TargetFlags& flags) {
  MOORING_ASSIGN_OR_RETURN(const Moment moment, ParseMoment(flags.version, flags.time));
  if (moment.version) return RewindTarget::To(*moment.version);
  if (moment.time) return RewindTarget::To(*moment.time);
  return RewindTarget::Latest();
}

absl::StatusOr<std::unique_ptr<Store>> RewindStore(const OwnFlags& own, const TargetFlags& target,
                                                   const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const RewindTarget moment, TargetOf(target));
  ProgressMeter meter(output, "rewinding");
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<Store> store,
                           Store::Rewind(MakeOptions(own, output, &meter), moment));
  // Until its first checkpoint stands nothing of the new lineage could be restored.
  MOORING_RETURN_IF_ERROR(store->WaitArchived(store->version(), absl::Minutes(10)));
  return store;
}

void AddRewind(CLI::App& app, Context* context) {
  CLI::App* rewind =
      AddCommand(app, "rewind", "Take a store back in time, with its archive", kRewindExamples);
  auto flags = std::make_shared<Flags>();
  AddOwnFlags(rewind, &flags->own);
  rewind->get_option("--archive")->required();
  AddTarget(rewind, &flags->target);
  Does(rewind, context, [flags](const Output& output) { return Rewind(*flags, output); });

  CLI::App* copy = AddCommand(
      app, "copy", "Make a store of an archive's state, also an earlier one", kCopyExamples);
  auto copy_flags = std::make_shared<Flags>();
  AddVolume(copy, &copy_flags->own.volume);
  AddArchive(copy, &copy_flags->own.archive, /*required=*/true);
  copy->add_flag("--unsafe-volume", copy_flags->own.unsafe,
                 "Accept a volume that does not outlive the pod or cannot lock");
  AddTarget(copy, &copy_flags->target);
  Does(copy, context, [copy_flags](const Output& output) { return Copy(*copy_flags, output); });
}

}  // namespace mooring::cli
