// mooring export and import: a whole state as one file.
#include "mooring/snapshot_file.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/base/status.h"
#include "src/cli/command.h"
#include "src/cli/owned_store.h"
#include "src/cli/snapshot_text.h"

namespace mooring::cli {
namespace {

constexpr char kExportExamples[] =
    "  mooring export -V /var/lib/orders orders.snapshot\n"
    "  mooring export -V A - | mooring import -V B -              through a pipe\n"
    "  mooring export -V /var/lib/orders - | ssh host 'cat > orders.snapshot'\n"
    "The store must not be in use: this owns it for a moment. A service that runs exports with\n"
    "Store::ExportSnapshot() while its writers go on; or, from its archive, which disturbs "
    "nobody:\n"
    "  mooring copy -V EMPTY -A file:///mnt/archive/orders && mooring export -V EMPTY FILE";
constexpr char kImportExamples[] =
    "  mooring import -V /var/lib/new orders.snapshot             into an empty directory\n"
    "  mooring export -V A - | mooring import -V B -\n"
    "The new store gets an id of its own. --keep-id is for one that is gone for good.";

constexpr char kOfALivingOwner[] =
    "a store in use exports with Store::ExportSnapshot(), or from its archive: mooring copy to an "
    "empty directory, and export that";

struct ExportFlags {
  OwnFlags own;
  std::string file;
  bool no_compression = false;
};

absl::Status Export(const ExportFlags& flags, const Output& output) {
  if (flags.file == "-" && ::isatty(STDOUT_FILENO) != 0) {
    return absl::InvalidArgumentError("a terminal takes no snapshot; give a file or a pipe");
  }
  const auto opened = OwnedStore::Open(flags.own, output);
  if (absl::IsFailedPrecondition(opened.status())) {
    const auto view = ViewVolume(flags.own.volume);
    if (view.ok() && view->owner) return Annotate(opened.status(), kOfALivingOwner);
  }
  MOORING_RETURN_IF_ERROR(opened.status());
  const std::unique_ptr<OwnedStore>& owned = *opened;
  ExportOptions options;
  options.compress = !flags.no_compression;
  absl::StatusOr<SnapshotInfo> info = absl::UnknownError("");
  std::string summary;
  {
    ProgressMeter meter(output, "exporting");
    options.progress = [&](const SnapshotProgress& progress) {
      meter.Update(progress.done, progress.total);
      return true;
    };
    info = flags.file == "-"
               ? owned->store().ExportSnapshot(*MakeSnapshotSink(STDOUT_FILENO), options)
               : owned->store().ExportSnapshot(flags.file, options);
    summary = meter.Summary();
  }
  MOORING_RETURN_IF_ERROR(info.status());
  MOORING_RETURN_IF_ERROR(owned->Close());
  const std::string text = absl::StrCat(SnapshotText(*info), "exported   ", summary, "\n");
  if (flags.file != "-") {
    output.Result(SnapshotJson(*info), text);
  } else {
    output.Note(output.json ? Dump(SnapshotJson(*info), -1) : text.substr(0, text.size() - 1));
  }
  return absl::OkStatus();
}

struct ImportFlags {
  std::string volume;
  std::string file;
  bool unsafe = false;
  bool keep_id = false;
};

absl::Status Import(const ImportFlags& flags, const Output& output) {
  ImportOptions options;
  options.volume = flags.volume;
  options.allow_unsafe_volume = flags.unsafe;
  options.keep_store_id = flags.keep_id;
  absl::StatusOr<ImportReport> report = absl::UnknownError("");
  std::string summary;
  {
    ProgressMeter meter(output, "importing");
    options.progress = [&](const SnapshotProgress& progress) {
      meter.Update(progress.done, progress.total);
      return true;
    };
    report = flags.file == "-" ? ImportSnapshot(*MakeSnapshotSource(STDIN_FILENO), options)
                               : ImportSnapshot(flags.file, options);
    summary = meter.Summary();
  }
  MOORING_RETURN_IF_ERROR(report.status());
  Json document = SnapshotJson(report->snapshot);
  document["new_store_id"] = report->store_id;
  output.Result(document,
                absl::StrCat(SnapshotText(report->snapshot), "imported   into ", flags.volume,
                             " as store ", report->store_id, ", ", summary, "\n"));
  return absl::OkStatus();
}

}  // namespace

void AddSnapshot(CLI::App& app, Context* context) {
  CLI::App* out =
      AddCommand(app, "export", "Write a store's whole state to one file or pipe", kExportExamples);
  auto export_flags = std::make_shared<ExportFlags>();
  AddOwnFlags(out, &export_flags->own);
  out->add_option("FILE", export_flags->file, "Where to; - for standard output")->required();
  out->add_flag("--no-compression", export_flags->no_compression, "Faster, and larger");
  Does(out, context,
       [export_flags](const Output& output) { return Export(*export_flags, output); });

  CLI::App* in = AddCommand(app, "import", "Make a store of a snapshot file, on an empty volume",
                            kImportExamples);
  auto flags = std::make_shared<ImportFlags>();
  AddVolume(in, &flags->volume);
  in->add_option("FILE", flags->file, "The snapshot; - for standard input")->required();
  in->add_flag("--unsafe-volume", flags->unsafe,
               "Accept a volume that does not outlive the pod or cannot lock");
  in->add_flag("--keep-id", flags->keep_id, "Keep the id of the store that was exported");
  Does(in, context, [flags](const Output& output) { return Import(*flags, output); });
}

}  // namespace mooring::cli
