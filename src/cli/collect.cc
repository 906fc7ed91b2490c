// mooring archive gc: what of an archive may go, and letting it go where nobody owns it.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/archive/collect_plan.h"
#include "src/archive/collector.h"
#include "src/cli/archive_files.h"
#include "src/cli/archive_view.h"
#include "src/cli/command.h"
#include "src/cli/owned_store.h"

namespace mooring::cli {
namespace {

constexpr char kExamples[] =
    "  mooring archive gc -A file:///mnt/archive/orders                  with a week to go back\n"
    "  mooring archive gc -A file:///mnt/archive/orders --keep-days 30\n"
    "  mooring archive gc -A file:///mnt/archive/orders --claim -V /var/lib/orders\n"
    "Collecting is the owner's, who alone knows what it is about to name; it does so every few "
    "minutes\n"
    "by the retention it was opened with. Without --claim this says what a collection would take, "
    "and\n"
    "deletes nothing. With it the store is opened on the volume for as long as one takes, and "
    "refused\n"
    "where another owner lives.";

constexpr absl::Duration kPeriod = absl::Milliseconds(100);
constexpr absl::Duration kQuiet = absl::Seconds(2);

struct Flags {
  OwnFlags own;
  bool claim = false;
  double keep_days = 7;
  int checkpoints = 2;
};

// Rounds follow each other until one finds nothing to do, and then asks the archive for nothing.
absl::Status WaitUntilCollected(const Store& store) {
  int64_t requests = -1;
  absl::Duration since = SteadyNow();
  while (true) {
    const ArchiveStatus status = store.archive_status();
    if (status.state == ArchiveStatus::State::kFenced) return status.last_error;
    if (status.requests != requests || status.objects == 0) {
      requests = status.requests;
      since = SteadyNow();
    }
    if (SteadyNow() - since > kQuiet) return status.last_error;
    absl::SleepFor(absl::Milliseconds(20));
  }
}

// By the store's own collector.
absl::Status Collect(const Flags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const ArchiveView view, ViewArchive(flags.own.archive, false, output));
  MOORING_ASSIGN_OR_RETURN(const ObjectSizes before, ListObjects(view.remote->store()));
  archive::DefaultCollection().period = kPeriod;
  std::unique_ptr<Store> store;
  ProgressMeter meter(output, "collecting");
  Options options = MakeOptions(flags.own, output, &meter);
  options.archive.retention = absl::Hours(24) * flags.keep_days;
  options.archive.min_checkpoints = flags.checkpoints;
  MOORING_ASSIGN_OR_RETURN(store, Store::Open(options));
  MOORING_RETURN_IF_ERROR(WaitUntilCollected(*store));
  MOORING_RETURN_IF_ERROR(store->Close(absl::Minutes(5)).status);
  MOORING_ASSIGN_OR_RETURN(const ObjectSizes after, ListObjects(view.remote->store()));
  output.Result(
      {{"archive", view.remote->store().name()},
       {"deleted", true},
       {"keep_days", flags.keep_days},
       {"held", {{"objects", before.objects}, {"bytes", before.bytes}}},
       {"holds", {{"objects", after.objects}, {"bytes", after.bytes}}}},
      absl::StrCat("archive    ", view.remote->store().name(), "\nheld       ", before.objects,
                   " objects, ", FormatBytes(before.bytes), "\nholds      ", after.objects,
                   " objects, ", FormatBytes(after.bytes), "\n"));
  return absl::OkStatus();
}

absl::Status Foresee(const Flags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const ArchiveView view, ViewArchive(flags.own.archive, false, output));
  MOORING_ASSIGN_OR_RETURN(const ObjectSizes sizes, ListObjects(view.remote->store()));
  const std::string files_prefix = archive::FileKey("");
  archive::CollectInput input;
  input.journal = &view.journal;
  input.retention = {absl::Hours(24) * flags.keep_days, flags.checkpoints};
  input.now_us = absl::ToUnixMicros(absl::Now());
  for (const auto& [key, bytes] : sizes.by_key) {
    if (key.compare(0, files_prefix.size(), files_prefix) == 0) {
      input.files.push_back(key.substr(files_prefix.size()));
    }
  }
  const archive::CollectPlan plan = archive::PlanCollection(input);
  int64_t objects = 0;
  int64_t bytes = 0;
  const auto count = [&](const std::string& key) {
    const auto found = sizes.by_key.find(key);
    if (found == sizes.by_key.end()) return;
    ++objects;
    bytes += found->second;
  };
  for (const std::string& name : plan.entry.files) count(archive::FileKey(name));
  for (const archive::JournalItem& item : view.journal) {
    if (item.entry != nullptr && item.entry->As<archive::ClaimEntry>() != nullptr) continue;
    for (const archive::SlotRange& range : plan.entry.slots) {
      if (item.slot >= range.first && item.slot <= range.last) count(archive::SlotKey(item.slot));
    }
  }
  output.Result(
      {{"archive", view.remote->store().name()},
       {"deleted", false},
       {"keep_days", flags.keep_days},
       {"would_delete", {{"objects", objects}, {"bytes", bytes}}},
       {"would_merge", plan.merges.size()},
       {"holds", {{"objects", sizes.objects}, {"bytes", sizes.bytes}}}},
      absl::StrCat("archive    ", view.remote->store().name(), "\nholds      ", sizes.objects,
                   " objects, ", FormatBytes(sizes.bytes), "\nmay go     ", objects, " objects, ",
                   FormatBytes(bytes), "; ", plan.merges.size(),
                   " stretches of log may be merged\ncollects   its owner, or --claim; nothing "
                   "was deleted\n"));
  return absl::OkStatus();
}

absl::Status Run(const Flags& flags, const Output& output) {
  if (flags.keep_days < 0 || flags.checkpoints < 2) {
    return absl::InvalidArgumentError("--keep-days is from 0 up, --checkpoints from 2 up");
  }
  if (!flags.claim) return Foresee(flags, output);
  if (!flags.own.volume.empty()) return Collect(flags, output);
  return absl::InvalidArgumentError("--claim needs the --volume to own the store on");
}

}  // namespace

void AddCollect(CLI::App& family, Context* context) {
  CLI::App* command =
      AddCommand(family, "gc", "What a collection would take; --claim: take it", kExamples);
  auto flags = std::make_shared<Flags>();
  AddArchive(command, &flags->own.archive, /*required=*/true);
  command->add_option("--keep-days", flags->keep_days, "How far back the store is to be rewound");
  command->add_option("--checkpoints", flags->checkpoints, "At least so many are kept");
  command->add_flag("--claim", flags->claim, "Own the store for a moment and collect");
  AddVolume(command, &flags->own.volume);
  command->get_option("--volume")->required(false);
  command->add_flag("--unsafe-volume", flags->own.unsafe,
                    "Accept a volume that does not outlive the pod or cannot lock");
  Does(command, context, [flags](const Output& output) { return Run(*flags, output); });
}

}  // namespace mooring::cli
