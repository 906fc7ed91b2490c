// mooring inspect: what is on a volume.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/cli/command.h"
#include "src/volume/space_reserve.h"

namespace mooring::cli {
namespace {

constexpr char kExamples[] =
    "  mooring inspect -V /var/lib/orders            the store, its owner, its tables, its mount\n"
    "  mooring --json inspect -V /var/lib/orders | jq -r .version\n"
    "Works beside a living owner, which is not disturbed.";

struct State {
  Version version;
  std::vector<engine::TableFigures> tables;
  int64_t log_files = 0;
  int64_t log_file_bytes = 0;
  int64_t log_bytes = 0;
};

absl::StatusOr<State> ReadState(VolumeView& view, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Look> look, OpenLook(view, output));
  State state;
  state.version = view.VersionOf(look->LastSequence());
  state.tables = look->Tables();
  for (const engine::LogFigures& log : look->Logs()) {
    ++state.log_files;
    state.log_file_bytes += static_cast<int64_t>(log.file_bytes);
    if (!log.obsolete) state.log_bytes += static_cast<int64_t>(log.bytes);
  }
  return state;
}

std::string MountText(const VolumeView& view) {
  if (!view.mount) return "unknown: /proc/self/mountinfo does not tell";
  return absl::StrCat(view.mount->type, " on ", view.mount->source, ", mounted at ",
                      view.mount->mount_point,
                      volume::IsReadOnly(*view.mount) ? ", read-only" : "");
}

// What a commit survives here.
std::string Survives(const VolumeView& view) {
  if (!view.mount_fit.ok()) return std::string(ToStd(view.mount_fit.message()));
  std::string text = "end of the process at kProcess, power loss of the node at kVolume";
  const bool archived = view.record.ok() && !view.record->archive_id.empty();
  return text + (archived ? ", loss of the volume at kArchive"
                          : "; the volume is the only copy, for there is no archive");
}

std::string StatusText(const absl::Status& status) {
  return absl::StrCat(absl::StatusCodeToString(status.code()), ": ", std::string(status.message()));
}

Json ToJson(const VolumeView& view, const absl::StatusOr<State>& state) {
  Json document;
  document["volume"] = view.path;
  if (view.mount) {
    document["mount"] = {{"type", view.mount->type},
                         {"source", view.mount->source},
                         {"point", view.mount->mount_point},
                         {"read_only", volume::IsReadOnly(*view.mount)}};
  }
  document["fit"] = view.mount_fit.ok();
  document["survives"] = Survives(view);
  if (const auto space = volume::ReadVolumeSpace(view.path); space.ok()) {
    document["space"] = {{"total", space->total_bytes}, {"free", space->free_bytes}};
  }
  document["store_id"] = view.identity.ok() ? Json(view.identity->store_id) : Json(nullptr);
  document["complete"] = view.identity.ok() && view.identity->complete;
  document["epoch"] = view.epoch.ok() ? Json(*view.epoch) : Json(nullptr);
  document["owner"] = view.owner ? Json(*view.owner) : Json(nullptr);
  document["archive_id"] = view.record.ok() && !view.record->archive_id.empty()
                               ? Json(view.record->archive_id)
                               : Json(nullptr);
  document["openings"] = view.record.ok() ? Json(view.record->history.entries().size()) : Json();
  document["leftovers"] = view.leftovers;
  if (!state.ok()) {
    document["state"] = {{"error", StatusText(state.status())}};
    return document;
  }
  document["version"] = state->version.ToString();
  document["log"] = {{"files", state->log_files},
                     {"file_bytes", state->log_file_bytes},
                     {"bytes", state->log_bytes},
                     {"proved", !view.owner.has_value()}};
  document["tables"] = Json::array();
  for (const engine::TableFigures& table : state->tables) {
    document["tables"].push_back({{"name", table.name},
                                  {"keys_about", table.keys},
                                  {"files", table.files},
                                  {"bytes", table.bytes}});
  }
  return document;
}

std::string StoreText(const VolumeView& view) {
  if (!view.identity.ok()) return StatusText(view.identity.status());
  return absl::StrCat(view.identity->store_id, view.identity->complete ? "" : ", never finished");
}

std::string ToText(const VolumeView& view, const absl::StatusOr<State>& state) {
  std::string text = absl::StrCat("volume     ", view.path, "\nmount      ", MountText(view), "\n");
  if (const auto space = volume::ReadVolumeSpace(view.path); space.ok()) {
    absl::StrAppend(&text, "space      ", FormatBytes(static_cast<int64_t>(space->free_bytes)),
                    " free of ", FormatBytes(static_cast<int64_t>(space->total_bytes)), "\n");
  }
  absl::StrAppend(&text, "survives   ", Survives(view), "\nstore      ", StoreText(view),
                  "\nowner      ", view.owner ? *view.owner + ", alive" : "none", "\nepoch      ",
                  view.epoch.ok() ? absl::StrCat(*view.epoch) : StatusText(view.epoch.status()),
                  "\n");
  if (view.record.ok()) {
    absl::StrAppend(&text, "archive    ",
                    view.record->archive_id.empty() ? "none" : view.record->archive_id, "\n");
  } else if (view.identity.ok()) {
    absl::StrAppend(&text, "history    ", StatusText(view.record.status()), "\n");
  }
  for (const std::string& name : view.leftovers) {
    absl::StrAppend(&text, "leftover   ", name, "\n");
  }
  if (!state.ok()) return absl::StrCat(text, "state      ", StatusText(state.status()), "\n");
  absl::StrAppend(&text, "log        ", state->log_files, " files of ",
                  FormatBytes(state->log_file_bytes), ", ", FormatBytes(state->log_bytes),
                  " of log in them; ", view.owner ? "in use, not proved" : "whole", "\nversion    ",
                  state->version.ToString(), "\n");
  std::vector<std::vector<std::string>> rows = {{"table", "keys, about", "files", "bytes"}};
  for (const engine::TableFigures& table : state->tables) {
    rows.push_back({Printable(table.name), absl::StrCat(table.keys), absl::StrCat(table.files),
                    FormatBytes(table.bytes)});
  }
  return absl::StrCat(text, "tables     ", state->tables.size(), "\n",
                      state->tables.empty() ? "" : FormatTable(rows));
}

absl::Status Inspect(const std::string& path, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(VolumeView view, ViewVolume(path));
  const absl::StatusOr<State> state = ReadState(view, output);
  output.Result(ToJson(view, state), ToText(view, state));
  return state.status();
}

}  // namespace

void AddInspect(CLI::App& app, Context* context) {
  CLI::App* command = AddCommand(
      app, "inspect", "Show what is on a volume: store, owner, log, tables, mount", kExamples);
  auto volume = std::make_shared<std::string>();
  AddVolume(command, volume.get());
  Does(command, context, [volume](const Output& output) { return Inspect(*volume, output); });
}

}  // namespace mooring::cli
