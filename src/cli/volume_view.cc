#include "src/cli/volume_view.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/volume/epoch.h"
#include "src/volume/owner_lock.h"
#include "src/volume/volume.h"

namespace mooring::cli {
namespace {

std::optional<volume::Mount> MountOf(const std::string& path) {
  std::ifstream file("/proc/self/mountinfo");  // Its size is not known before it is read.
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const std::vector<volume::Mount> mounts = volume::ParseMountInfo(text);
  const volume::Mount* mount = volume::FindMount(mounts, path);
  return mount == nullptr ? std::nullopt : std::optional<volume::Mount>(*mount);
}

absl::Status Refind(VolumeView* view) {
  const auto holder = volume::OwnerLock::HolderOf(view->path + "/LOCK");
  view->owner.reset();
  if (absl::IsNotFound(holder.status())) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(holder.status());
  view->owner = *holder;
  return absl::OkStatus();
}

engine::LookOptions MakeLookOptions(const VolumeView& view) {
  engine::LookOptions look;
  look.directory = view.data();
  look.store_id = view.identity->store_id;
  look.live = view.owner.has_value();
  return look;
}

}  // namespace

Version VolumeView::VersionOf(uint64_t sequence) const {
  const archive::HistoryEntry* writer = record.ok() ? record->history.WriterOf(sequence) : nullptr;
  return {writer != nullptr ? writer->epoch : epoch.value_or(0), sequence};
}

absl::StatusOr<VolumeView> ViewVolume(const std::string& path) {
  VolumeView view;
  MOORING_ASSIGN_OR_RETURN(view.path, volume::ResolvePath(path));
  view.mount = MountOf(view.path);
  view.mount_fit = volume::CheckMount(view.path, volume::MountPolicy::kDurable);
  MOORING_RETURN_IF_ERROR(Refind(&view));
  view.identity = volume::ReadIdentity(view.path + "/MOORING");
  view.epoch = volume::ReadEpoch(view.path + "/EPOCH");
  if (view.identity.ok()) {
    view.record = archive::ReadVolumeRecord(view.path + "/HISTORY", view.identity->store_id);
  }
  for (const char* name : {"data.restore", "data.aside", volume::kImportDirectory}) {
    if (FileExists(absl::StrCat(view.path, "/", name)).value_or(false)) {
      view.leftovers.emplace_back(name);
    }
  }
  return view;
}

bool VolumeView::import_is_unfinished() const {
  return std::find(leftovers.begin(), leftovers.end(), volume::kImportDirectory) != leftovers.end();
}

absl::Status CheckReadable(const VolumeView& view) {
  const bool absent = absl::IsNotFound(view.identity.status());
  const bool incomplete = view.identity.ok() && !view.identity->complete;
  if ((absent || incomplete) && view.import_is_unfinished()) {
    return absl::NotFoundError(absl::StrCat(
        view.path, " holds an import, or a copy, that was cut short: no store opens there yet"));
  }
  if (absent) {
    return absl::NotFoundError(
        absl::StrCat(view.path, " holds no store: there is no file MOORING in it"));
  }
  MOORING_RETURN_IF_ERROR(view.identity.status());
  if (incomplete) {
    return absl::NotFoundError(absl::StrCat(
        view.path, " holds a store that was never finished: nothing was ever committed to it"));
  }
  if (view.record.ok() && view.record->restoring) {
    return absl::FailedPreconditionError(
        absl::StrCat(view.path,
                     " is half restored from its archive. Finish that first: mooring "
                     "restore --volume ",
                     view.path, " --archive URL"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<engine::Look>> OpenLook(VolumeView& view, const Output& output) {
  MOORING_RETURN_IF_ERROR(CheckReadable(view));
  const bool was_live = view.owner.has_value();
  auto look = engine::Look::Open(MakeLookOptions(view));
  if (!look.ok() && !was_live) {
    // An owner that came meanwhile changes what was being read.
    MOORING_RETURN_IF_ERROR(Refind(&view));
    if (view.owner) look = engine::Look::Open(MakeLookOptions(view));
  }
  MOORING_RETURN_IF_ERROR(look.status());
  if (view.owner) {
    output.Note(absl::StrCat("note: ", *view.owner,
                             " owns the volume and is alive; this is what it has written up to "
                             "now, and it is not disturbed"));
  }
  return look;
}

absl::StatusOr<std::unique_ptr<engine::Look>> OpenLook(const std::string& path,
                                                       const Output& output) {
  MOORING_ASSIGN_OR_RETURN(VolumeView view, ViewVolume(path));
  return OpenLook(view, output);
}

Options MakeOptions(const OwnFlags& flags, const Output& output, ProgressMeter* meter) {
  Options options;
  options.volume = flags.volume;
  options.create_if_missing = flags.create;
  options.allow_unsafe_volume = flags.unsafe;
  options.acquire_timeout = absl::Seconds(flags.wait_seconds);
  options.archive.url = flags.archive;
  options.archive.accept_loss = flags.accept_loss;
  options.archive.adopt_archive = flags.adopt;
  options.archive.reach_timeout = absl::Seconds(30);
  options.scrub_bytes_per_second = flags.scrub ? int64_t{1} << 30 : 0;
  if (meter != nullptr) {
    options.progress = [meter](const Progress& progress) {
      if (progress.total > 0) meter->Update(progress.done, progress.total);
    };
  }
  options.log = [&output](LogSeverity severity, std::string_view text) {
    if (severity != LogSeverity::kInfo) output.Note(text);
  };
  return options;
}

}  // namespace mooring::cli
