// mooring archive gc: what of an archive may go.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/archive/collect_plan.h"
#include "src/cli/archive_files.h"
#include "src/cli/archive_view.h"
#include "src/cli/command.h"

namespace mooring::cli {
namespace {

constexpr char kExamples[] =
    "  mooring archive gc -A file:///mnt/archive/orders                  with a week to go back\n"
    "  mooring archive gc -A file:///mnt/archive/orders --keep-days 30\n"
    "Deletes nothing: collecting is the owner's, who alone knows what it is about to name. This "
    "says\n"
    "what a collection would take.";

struct Flags {
  std::string url;
  double keep_days = 7;
  int checkpoints = 2;
};

absl::Status Collect(const Flags& flags, const Output& output) {
  if (flags.keep_days < 0 || flags.checkpoints < 2) {
    return absl::InvalidArgumentError("--keep-days is from 0 up, --checkpoints from 2 up");
  }
  MOORING_ASSIGN_OR_RETURN(const ArchiveView view, ViewArchive(flags.url, false, output));
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
  output.Result({{"archive", view.remote->store().name()},
                 {"deleted", false},
                 {"keep_days", flags.keep_days},
                 {"would_delete", {{"objects", objects}, {"bytes", bytes}}},
                 {"would_merge", plan.merges.size()},
                 {"holds", {{"objects", sizes.objects}, {"bytes", sizes.bytes}}}},
                absl::StrCat("archive    ", view.remote->store().name(), "\nholds      ",
                             sizes.objects, " objects, ", FormatBytes(sizes.bytes), "\nmay go     ",
                             objects, " objects, ", FormatBytes(bytes), "; ", plan.merges.size(),
                             " stretches of log may be merged\ncollects   its owner; nothing was "
                             "deleted\n"));
  return absl::OkStatus();
}

}  // namespace

void AddCollect(CLI::App& family, Context* context) {
  CLI::App* command =
      AddCommand(family, "gc", "What a collection would take; deletes nothing", kExamples);
  auto flags = std::make_shared<Flags>();
  AddArchive(command, &flags->url, /*required=*/true);
  command->add_option("--keep-days", flags->keep_days, "How far back the store is to be rewound");
  command->add_option("--checkpoints", flags->checkpoints, "At least so many are kept");
  Does(command, context, [flags](const Output& output) { return Collect(*flags, output); });
}

}  // namespace mooring::cli
