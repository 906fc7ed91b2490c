// mooring archive: what an archive holds.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/archive/entry.h"
#include "src/base/status.h"
#include "src/cli/archive_files.h"
#include "src/cli/archive_view.h"
#include "src/cli/command.h"

namespace mooring::cli {
namespace {

using archive::CheckpointEntry;
using archive::ClaimEntry;
using archive::CollectEntry;
using archive::JournalItem;
using archive::LogEntry;

constexpr char kListExamples[] =
    "  mooring archive list -A file:///mnt/archive/orders --last 20\n"
    "  mooring archive list -A 's3://state/orders?endpoint=https://s3.example.org' --checkpoints\n"
    "Credentials come from the environment or from ~/.aws/credentials, never from the url.";
constexpr char kStatExamples[] =
    "  mooring archive stat -A file:///mnt/archive/orders       whose it is, how far it reaches\n"
    "  mooring --json archive stat -A file:///mnt/archive/orders | jq -r .restorable.version";
constexpr char kVerifyExamples[] =
    "  mooring archive verify -A file:///mnt/archive/orders           reads every byte\n"
    "  mooring archive verify -A file:///mnt/archive/orders --quick   presence and size of files\n"
    "Stronger still: mooring drill, which restores.";

int64_t BytesOf(const CheckpointEntry& checkpoint) {
  int64_t bytes = 0;
  for (const archive::ArchivedFile& file : checkpoint.files) {
    bytes += static_cast<int64_t>(file.size);
  }
  return bytes;
}

Json ItemJson(const JournalItem& item) {
  Json row = {{"slot", item.slot}};
  if (item.entry == nullptr) {
    row["error"] = std::string(item.status.message());
    return row;
  }
  row["kind"] = archive::KindOf(*item.entry);
  row["time"] = JsonTime(TimeOf(item.entry->time_us));
  row["writer"] = item.entry->writer;
  if (const auto* claim = item.entry->As<ClaimEntry>()) {
    row["epoch"] = claim->epoch;
    row["owner"] = claim->owner;
    if (claim->continues_from) row["continues_from"] = *claim->continues_from;
  } else if (const auto* log = item.entry->As<LogEntry>()) {
    row["first_sequence"] = log->segments.empty() ? 0 : log->segments.front().first_sequence;
    row["last_sequence"] = log->segments.empty() ? 0 : log->segments.back().last_sequence;
    row["bytes"] = log->bytes.size();
    if (log->last_slot != 0) row["last_slot"] = log->last_slot;
  } else if (const auto* checkpoint = item.entry->As<CheckpointEntry>()) {
    row["last_sequence"] = checkpoint->max_sequence;
    row["version"] = VersionOf({checkpoint->history, checkpoint->max_sequence}).ToString();
    row["committed"] = JsonTime(TimeOf(checkpoint->max_time_us));
    row["files"] = checkpoint->files.size();
    row["bytes"] = BytesOf(*checkpoint);
  } else if (const auto* collect = item.entry->As<CollectEntry>()) {
    row["slot_ranges"] = collect->slots.size();
    row["files"] = collect->files.size();
    row["merged"] = collect->merged.size();
  }
  return row;
}

std::string ItemDetail(const JournalItem& item) {
  if (item.entry == nullptr) return std::string(item.status.message());
  const Json row = ItemJson(item);
  if (item.entry->As<ClaimEntry>() != nullptr) {
    return absl::StrCat("epoch ", row["epoch"].get<uint64_t>(), ", ",
                        row["owner"].get<std::string>());
  }
  if (item.entry->As<LogEntry>() != nullptr) {
    return absl::StrCat("sequences ", row["first_sequence"].get<uint64_t>(), " to ",
                        row["last_sequence"].get<uint64_t>(), ", ",
                        FormatBytes(row["bytes"].get<int64_t>()));
  }
  if (item.entry->As<CheckpointEntry>() != nullptr) {
    return absl::StrCat("version ", row["version"].get<std::string>(), ", ",
                        row["files"].get<size_t>(), " files, ",
                        FormatBytes(row["bytes"].get<int64_t>()));
  }
  if (const auto* collect = item.entry->As<CollectEntry>()) {
    return absl::StrCat(collect->slots.size(), " ranges gone, ", collect->files.size(),
                        " files to go, ", collect->merged.size(), " merged");
  }
  return "the owner left, and nothing is missing";
}

struct ListFlags {
  std::string url;
  uint64_t last = 0;
  bool checkpoints = false;
};

absl::Status List(const ListFlags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const ArchiveView view, ViewArchive(flags.url, false, output));
  std::vector<const JournalItem*> items;
  bool damaged = false;
  for (const JournalItem& item : view.journal) {
    damaged |= item.entry == nullptr;
    if (flags.checkpoints &&
        (item.entry == nullptr || item.entry->As<CheckpointEntry>() == nullptr)) {
      continue;
    }
    items.push_back(&item);
  }
  if (flags.last > 0 && items.size() > flags.last) {
    items.erase(items.begin(), items.end() - static_cast<int64_t>(flags.last));
  }
  Json document = {{"archive", view.remote->store().name()}, {"entries", Json::array()}};
  std::vector<std::vector<std::string>> rows = {{"slot", "time", "entry", "what"}};
  for (const JournalItem* item : items) {
    document["entries"].push_back(ItemJson(*item));
    const bool read = item->entry != nullptr;
    rows.push_back({absl::StrCat(item->slot), read ? ShowTime(TimeOf(item->entry->time_us)) : "",
                    read ? std::string(archive::KindOf(*item->entry)) : "DAMAGED",
                    ItemDetail(*item)});
  }
  output.Result(document, FormatTable(rows));
  if (!damaged) return absl::OkStatus();
  return absl::DataLossError("entries of the journal are damaged");
}

// Who owned it last, by its journal.
struct LastOwner {
  const archive::Entry* claim = nullptr;
  bool closed = false;
  int64_t last_time_us = 0;
};
LastOwner FindOwner(const std::vector<JournalItem>& journal) {
  LastOwner owner;
  for (const JournalItem& item : journal) {
    if (item.entry == nullptr) continue;
    if (item.entry->As<ClaimEntry>() != nullptr) owner = {item.entry.get(), false, 0};
    if (owner.claim != nullptr && item.entry->writer == owner.claim->writer) {
      owner.closed = item.entry->As<archive::CloseEntry>() != nullptr;
      owner.last_time_us = item.entry->time_us;
    }
  }
  return owner;
}

std::string OwnerText(const LastOwner& owner) {
  if (owner.claim == nullptr) return "never claimed";
  const auto* claim = owner.claim->As<ClaimEntry>();
  const absl::Duration ago = absl::Now() - TimeOf(owner.last_time_us);
  return absl::StrCat(claim->owner, ", epoch ", claim->epoch,
                      owner.closed ? ", closed " : ", not closed; last entry ",
                      ShowDuration(std::max(ago, absl::ZeroDuration())), " ago");
}

absl::Status Stat(const std::string& url, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const ArchiveView view, ViewArchive(url, false, output));
  MOORING_ASSIGN_OR_RETURN(const ObjectSizes sizes, ListObjects(view.remote->store()));
  const absl::StatusOr<archive::RestorePlan> plan = archive::PlanRestore(view.journal);
  const auto pins = archive::ReadPins(view.remote->store(), absl::ToUnixMicros(absl::Now()));
  std::map<std::string, int64_t> kinds;
  absl::Time oldest = absl::InfiniteFuture();
  for (const JournalItem& item : view.journal) {
    ++kinds[item.entry == nullptr ? "damaged" : std::string(archive::KindOf(*item.entry))];
    if (item.entry == nullptr) continue;
    const auto* checkpoint = item.entry->As<CheckpointEntry>();
    if (checkpoint != nullptr && checkpoint->max_time_us != 0) {
      oldest = std::min(oldest, TimeOf(checkpoint->max_time_us));
    }
  }
  const LastOwner owner = FindOwner(view.journal);
  Json document = {{"archive", view.remote->store().name()},
                   {"archive_id", view.remote->identity()->archive_id},
                   {"store_id", view.remote->identity()->store_id},
                   {"owner", OwnerText(owner)},
                   {"closed", owner.closed},
                   {"entries", kinds},
                   {"head", view.journal.empty() ? 0 : view.journal.back().slot},
                   {"objects", sizes.objects},
                   {"bytes", sizes.bytes},
                   {"pins", pins.ok() ? Json(pins->size()) : Json(nullptr)}};
  std::string reach;
  if (plan.ok()) {
    document["restorable"] = {{"version", VersionOf(plan->state).ToString()},
                              {"committed", JsonTime(TimeOf(plan->last_time_us))},
                              {"checkpoint_slot", plan->checkpoint->slot},
                              {"log_pieces", plan->logs.size()},
                              {"complete", plan->complete},
                              {"notes", plan->notes}};
    reach = absl::StrCat("version ", VersionOf(plan->state).ToString(), ", committed ",
                         ShowTime(TimeOf(plan->last_time_us)), ", from checkpoint ",
                         plan->checkpoint->slot, " and ", plan->logs.size(), " pieces of log");
    for (const std::string& note : plan->notes) absl::StrAppend(&reach, "\n           ", note);
  } else {
    document["restorable"] = nullptr;
    reach = std::string(plan.status().message());
  }
  std::string entries;
  for (const auto& [kind, count] : kinds) {
    absl::StrAppend(&entries, entries.empty() ? "" : ", ", count, " ", kind);
  }
  output.Result(
      document,
      absl::StrCat("archive    ", view.remote->store().name(), "\nid         ",
                   view.remote->identity()->archive_id, "\nstore      ",
                   view.remote->identity()->store_id, "\nowner      ", OwnerText(owner),
                   "\njournal    ", entries, "\nholds      ", sizes.objects, " objects, ",
                   FormatBytes(sizes.bytes), "\nrestores   ", reach, "\nback to    ",
                   oldest == absl::InfiniteFuture() ? "its beginning" : ShowTime(oldest), "\n"));
  if (!plan.ok() && !absl::IsNotFound(plan.status())) return plan.status();
  return absl::OkStatus();
}

struct VerifyFlags {
  std::string url;
  bool quick = false;
};

absl::Status Verify(const VerifyFlags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const ArchiveView view, ViewArchive(flags.url, true, output));
  ArchiveCheck check;
  {
    ProgressMeter meter(output, "checking");
    MOORING_ASSIGN_OR_RETURN(check, CheckArchive(view, flags.quick, &meter));
  }
  const absl::StatusOr<archive::RestorePlan> plan = archive::PlanRestore(view.journal);
  if (!plan.ok() && !absl::IsNotFound(plan.status())) {
    check.findings.emplace_back("", plan.status());
  }
  Json document = {{"archive", view.remote->store().name()},
                   {"whole", check.findings.empty()},
                   {"entries", view.journal.size()},
                   {"files", check.files},
                   {"bytes", check.bytes},
                   {"findings", Json::array()}};
  std::string text;
  for (const auto& [name, status] : check.findings) {
    document["findings"].push_back({{"object", name},
                                    {"code", absl::StatusCodeToString(status.code())},
                                    {"message", std::string(status.message())}});
    absl::StrAppend(&text, "DAMAGED  ", name, "\n         ", std::string(status.message()), "\n");
  }
  absl::StrAppend(&text, check.findings.empty() ? "whole    " : "checked  ",
                  view.remote->store().name(), ": ", view.journal.size(), " entries, ", check.files,
                  " files, ", FormatBytes(check.bytes), flags.quick ? " present\n" : " read\n");
  output.Result(document, text);
  if (check.findings.empty()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(check.findings.size(),
                   " objects are damaged or missing. A living owner brings back what its "
                   "volume still has; what can be restored now, `mooring archive stat` tells"));
}

}  // namespace

void AddArchive(CLI::App& app, Context* context) {
  CLI::App* family = app.add_subcommand("archive", "What an archive holds: list, stat, verify, gc");
  family->require_subcommand(1);
  family->fallthrough();
  family->footer(std::string("\nExamples:\n") + kStatExamples);

  CLI::App* list = AddCommand(*family, "list", "The entries of its journal", kListExamples);
  auto list_flags = std::make_shared<ListFlags>();
  AddArchive(list, &list_flags->url, /*required=*/true);
  list->add_option("--last", list_flags->last, "The newest so many");
  list->add_flag("--checkpoints", list_flags->checkpoints, "Checkpoints alone");
  Does(list, context, [list_flags](const Output& output) { return List(*list_flags, output); });

  CLI::App* stat =
      AddCommand(*family, "stat", "Whose it is, its size, and what it restores", kStatExamples);
  auto url = std::make_shared<std::string>();
  AddArchive(stat, url.get(), /*required=*/true);
  Does(stat, context, [url](const Output& output) { return Stat(*url, output); });

  AddCollect(*family, context);

  CLI::App* verify =
      AddCommand(*family, "verify", "Read every object and prove its checksum", kVerifyExamples);
  auto flags = std::make_shared<VerifyFlags>();
  AddArchive(verify, &flags->url, /*required=*/true);
  verify->add_flag("--quick", flags->quick, "Files: presence and size alone");
  Does(verify, context, [flags](const Output& output) { return Verify(*flags, output); });
}

}  // namespace mooring::cli
