// mooring verify: every checksum of a volume or of a snapshot file.
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/snapshot_file.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/cli/checks.h"
#include "src/cli/command.h"
#include "src/cli/snapshot_text.h"

namespace mooring::cli {
namespace {

constexpr char kExamples[] =
    "  mooring verify -V /var/lib/orders             logs, files and every key of a volume\n"
    "  mooring verify --snapshot orders.snapshot     a snapshot file, without any volume\n"
    "  ssh node cat orders.snapshot | mooring verify --snapshot -\n"
    "For an archive: mooring archive verify.";

struct Flags {
  std::string volume;
  std::string snapshot;
};

Json ToJson(const VolumeView& view, const CheckResult& result) {
  Json document;
  document["volume"] = view.path;
  document["whole"] = result.findings.empty();
  document["owner"] = view.owner ? Json(*view.owner) : Json(nullptr);
  document["findings"] = Json::array();
  for (const Finding& finding : result.findings) {
    document["findings"].push_back({{"kind", KindName(finding.kind)},
                                    {"file", finding.file},
                                    {"code", absl::StatusCodeToString(finding.status.code())},
                                    {"message", std::string(ToStd(finding.status.message()))}});
  }
  document["notes"] = result.notes;
  document["log_files"] = result.log_files;
  document["table_files"] = result.table_files;
  document["bytes"] = result.bytes;
  document["tables"] = Json::array();
  for (const TableCount& table : result.tables) {
    document["tables"].push_back(
        {{"name", table.name}, {"keys", table.keys}, {"bytes", table.bytes}});
  }
  return document;
}

std::string ToText(const VolumeView& view, const CheckResult& result) {
  std::string text;
  for (const Finding& finding : result.findings) {
    absl::StrAppend(&text, "DAMAGED  ", finding.file, "\n         ",
                    std::string(finding.status.message()), "\n");
  }
  for (const std::string& note : result.notes) absl::StrAppend(&text, "note     ", note, "\n");
  int64_t keys = 0;
  for (const TableCount& table : result.tables) keys += table.keys;
  absl::StrAppend(&text, result.findings.empty() ? "whole    " : "checked  ", view.path, ": ",
                  result.log_files, " logs, ", result.table_files, " files, ",
                  FormatBytes(result.bytes), " read; ", keys, " keys in ", result.tables.size(),
                  " tables\n");
  return text;
}

absl::Status VerifyVolume(const std::string& path, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(VolumeView view, ViewVolume(path));
  if (absl::IsNotFound(view.identity.status())) return CheckReadable(view);
  CheckResult result;
  {
    ProgressMeter meter(output, "checking");
    result = CheckVolume(view, output, &meter);
  }
  output.Result(ToJson(view, result), ToText(view, result));
  if (result.findings.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(view.path,
                                          " is not whole; findings: ", result.findings.size(),
                                          ". Next: mooring doctor --volume ", view.path));
}

absl::Status VerifyFile(const std::string& path, const Output& output) {
  VerifyOptions options;
  absl::StatusOr<SnapshotInfo> info = absl::UnknownError("");
  {
    ProgressMeter meter(output, "checking");
    options.progress = [&](const SnapshotProgress& progress) {
      meter.Update(progress.done, progress.total);
      return true;
    };
    info = path == "-" ? VerifySnapshot(*MakeSnapshotSource(STDIN_FILENO), options)
                       : VerifySnapshot(path, options);
  }
  MOORING_RETURN_IF_ERROR(info.status());
  Json document = SnapshotJson(*info);
  document["whole"] = true;
  output.Result(document, absl::StrCat(SnapshotText(*info), "whole\n"));
  return absl::OkStatus();
}

}  // namespace

void AddVerify(CLI::App& app, Context* context) {
  CLI::App* command = AddCommand(
      app, "verify", "Read everything and prove every checksum; changes nothing", kExamples);
  auto flags = std::make_shared<Flags>();
  auto* volume = command->add_option("-V,--volume", flags->volume,
                                     "The volume: the directory that holds the store");
  volume->type_name("DIR")->envname("MOORING_VOLUME");
  command->add_option("--snapshot", flags->snapshot, "A snapshot file instead; - for a pipe")
      ->type_name("FILE")
      ->excludes(volume);
  Does(command, context, [flags](const Output& output) -> absl::Status {
    if (!flags->snapshot.empty()) return VerifyFile(flags->snapshot, output);
    if (!flags->volume.empty()) return VerifyVolume(flags->volume, output);
    return absl::InvalidArgumentError("say what to verify: --volume DIR or --snapshot FILE");
  });
}

}  // namespace mooring::cli
