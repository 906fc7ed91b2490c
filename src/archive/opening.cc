#include "src/archive/opening.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"

namespace mooring::archive {
namespace {

using Volume = VolumeView::Kind;
using Archive = ArchiveView::Kind;

absl::Status CheckSameStore(const VolumeView& volume, const ArchiveView& archive) {
  if (volume.store_id.empty() || archive.store_id.empty() || volume.store_id == archive.store_id) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the volume holds store ", volume.store_id, ", the archive store ",
                   archive.store_id, ". Mount the right volume, or correct the archive's url."));
}

absl::Status CheckSameArchive(const VolumeView& volume, const ArchiveView& archive,
                              const OpeningOptions& options) {
  if (options.adopt_archive || volume.archive_id.empty()) return absl::OkStatus();
  if (archive.archive_id != volume.archive_id && !archive.archive_id.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the volume was archived to archive ", volume.archive_id, ", but at this url is archive ",
        archive.archive_id, ". Correct the url, or set adopt_archive to go on with this one."));
  }
  if (volume.archive_had_state && archive.kind != Archive::kState) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the volume was archived to archive ", volume.archive_id,
        ", but at this url nothing of it is left. Correct the url, bring the archive back, or set "
        "adopt_archive to begin a new one."));
  }
  return absl::OkStatus();
}

absl::StatusOr<OpeningAction> DecideEmpty(const ArchiveView& archive,
                                          const OpeningOptions& options) {
  if (archive.kind == Archive::kState) return OpeningAction::kRestore;
  if (archive.kind == Archive::kClaimsOnly && !options.create_without_state) {
    return absl::DataLossError(absl::StrCat(
        "the volume is empty, and archive ", archive.archive_id,
        " was claimed but never got a checkpoint: its owner is still making the first one, or what "
        "the store held is lost with its volume. Wait, or mount that volume, or set the option "
        "that "
        "creates a new store."));
  }
  return OpeningAction::kCreate;
}

OpeningAction DecideGood(const VolumeView& volume, const ArchiveView& archive) {
  if (archive.kind == Archive::kNone) return OpeningAction::kServe;
  if (archive.kind != Archive::kState) return OpeningAction::kUploadFirstCheckpoint;
  // Before the fork's first checkpoint the states alone do not tell who was left behind (A11).
  if (!IsOfTheFork(volume, archive.forked_by)) return OpeningAction::kSetAsideAndRestore;
  switch (Compare(volume.state, archive.state)) {
    case Relation::kEqual:
    case Relation::kContains:
      return OpeningAction::kKeep;
    case Relation::kStrictPrefix:
      return OpeningAction::kRollForward;
    case Relation::kDiverged:
      break;
  }
  return OpeningAction::kSetAsideAndRestore;
}

}  // namespace

std::string_view ToString(OpeningAction action) {
  switch (action) {
    case OpeningAction::kCreate:
      return "create";
    case OpeningAction::kServe:
      return "serve";
    case OpeningAction::kUploadFirstCheckpoint:
      return "upload a first checkpoint";
    case OpeningAction::kKeep:
      return "keep";
    case OpeningAction::kRollForward:
      return "roll forward";
    case OpeningAction::kRestore:
      return "restore";
    case OpeningAction::kSetAsideAndRestore:
      return "set aside and restore";
    case OpeningAction::kHeal:
      return "heal";
    case OpeningAction::kResumeRestore:
      return "resume a restore";
    case OpeningAction::kRewind:
      return "rewind";
  }
  return "unknown";
}

bool IsOfTheFork(const VolumeView& volume, const std::vector<std::string>& forked_by) {
  const auto& opens = volume.recorded.entries();
  return forked_by.empty() || std::any_of(opens.begin(), opens.end(), [&](const auto& open) {
           return std::count(forked_by.begin(), forked_by.end(), open.incarnation) > 0;
         });
}

absl::StatusOr<OpeningAction> DecideOpening(const VolumeView& volume, const ArchiveView& archive,
                                            const OpeningOptions& options) {
  if (archive.kind != Archive::kNone) {
    MOORING_RETURN_IF_ERROR(CheckSameStore(volume, archive));
    MOORING_RETURN_IF_ERROR(CheckSameArchive(volume, archive, options));
  }
  switch (volume.kind) {
    case Volume::kEmpty:
      return DecideEmpty(archive, options);
    case Volume::kGood:
      return DecideGood(volume, archive);
    case Volume::kDamaged:
      if (archive.kind == Archive::kState) return OpeningAction::kHeal;
      return absl::DataLossError(
          "the volume is damaged, and no archive holds its state. Restore the volume from a copy.");
    case Volume::kRestoring:
      if (archive.kind == Archive::kState) return OpeningAction::kResumeRestore;
      return absl::DataLossError(
          "a restore onto this volume was cut short, and the archive it came from is not there. "
          "Configure that archive again.");
  }
  return absl::InternalError("a volume of no kind");
}

}  // namespace mooring::archive
