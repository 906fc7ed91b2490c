#include "mooring/rewind.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/archive/moment.h"
#include "src/archive/pin.h"
#include "src/archive/remote.h"
#include "src/archive/restorer.h"
#include "src/archive/volume_record.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/engine/open.h"
#include "src/engine/restored_directory.h"
#include "src/store/memory_budget.h"
#include "src/store/store_core.h"
#include "src/store/transfer.h"
#include "src/volume/volume.h"

namespace mooring {
namespace {

// How often a journal that changes meanwhile is read.
constexpr int kReadings = 5;

std::string In(const std::string& directory, std::string_view name) {
  return absl::StrCat(directory, "/", ToAbsl(name));
}

absl::Status NotEmpty(const std::string& path, std::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, " ", ToAbsl(what),
                   ". Nothing was changed. Give the copy an empty directory of its own."));
}

absl::StatusOr<std::unique_ptr<volume::Volume>> AcquireForCopy(const std::string& directory,
                                                               const RestoreCopyOptions& options) {
  const auto identity = volume::ReadIdentity(In(directory, "MOORING"));
  if (identity.ok() && identity->complete) {
    return NotEmpty(directory, absl::StrCat("holds store ", identity->store_id, " already"));
  }
  volume::AcquireOptions acquire;
  acquire.path = directory;
  if (options.allow_unsafe_volume) acquire.mounts = volume::MountPolicy::kAny;
  acquire.timeout = absl::ZeroDuration();
  acquire.before_create = [](const std::string& path) {
    return MakeDirectoryDurably(In(path, volume::kImportDirectory));
  };
  return volume::Volume::Acquire(acquire);
}

// One copy. What is not finished stands in the directory of imports, so that nothing opens there.
class Copy {
 public:
  Copy(archive::Remote* remote, const RewindTarget& target, const RestoreCopyOptions& options,
       volume::Volume* volume)
      : remote_(*remote),
        target_(target),
        options_(options),
        volume_(*volume),
        marker_(In(volume->path(), volume::kImportDirectory)),
        building_(In(marker_, "data")) {}

  absl::StatusOr<RestoreCopyReport> Run() {
    MOORING_RETURN_IF_ERROR(Begin());
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<archive::PinHolder> pin,
                             archive::PinHolder::Take(&remote_.store(), DescribePin()));
    archive::RestoreOptions restore;
    restore.data_directory = building_;
    restore.store_id = volume_.store_id();
    restore.begin = engine::RestoredDirectory::Begin;
    restore.progress = options_.progress;
    archive::Restorer restorer(&remote_.store(), restore);
    MOORING_RETURN_IF_ERROR(Fetch(&restorer, pin.get()));
    MOORING_ASSIGN_OR_RETURN(const archive::RestoreReport restored,
                             restorer.PutInPlace(moment_.plan));
    MOORING_RETURN_IF_ERROR(Prove());
    MOORING_RETURN_IF_ERROR(Finish());
    RestoreCopyReport report;
    report.store_id = volume_.store_id();
    report.copied_from = remote_.identity()->store_id;
    report.version = moment_.version;
    report.committed =
        moment_.time_us == 0 ? absl::InfinitePast() : absl::FromUnixMicros(moment_.time_us);
    report.bytes_fetched = restored.bytes_fetched;
    report.left_behind = moment_.left_behind;
    return report;
  }

 private:
  static std::string DescribePin() { return absl::StrCat("a copy by pid ", ::getpid()); }

  absl::Status Begin() {
    if (!volume_.created()) return NotEmpty(volume_.path(), "holds a store already");
    MOORING_ASSIGN_OR_RETURN(const bool marked, FileExists(marker_));
    MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> inside,
                             ListDirectory(volume_.data_directory()));
    if (!marked && !inside.empty()) {
      return NotEmpty(volume_.path(),
                      absl::StrCat("holds data: ", volume_.data_directory(), "/", inside.front()));
    }
    MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(marker_));
    return internal::RemoveTree(building_);
  }

  // Where a checkpoint's file is missing or damaged, an older checkpoint may do; where a collector
  // was faster than the pin, the journal has changed.
  absl::Status Fetch(archive::Restorer* restorer, archive::PinHolder* pin) {
    archive::MomentOptions options;
    options.may_be_left_behind = true;
    absl::Status failed;
    for (int i = 0; i < kReadings; ++i) {
      MOORING_ASSIGN_OR_RETURN(const std::vector<archive::JournalItem> journal, remote_.ReadAll());
      absl::StatusOr<archive::Moment> moment = archive::FindMoment(journal, target_, options);
      if (!moment.ok() && !failed.ok()) return failed;
      if (absl::IsDataLoss(moment.status()) && i + 1 < kReadings) continue;
      MOORING_RETURN_IF_ERROR(moment.status());
      MOORING_RETURN_IF_ERROR(pin->Narrow(moment->plan));
      moment_ = *std::move(moment);
      failed = restorer->Fetch(moment_.plan);
      if (!absl::IsDataLoss(failed)) return failed;
      options.unusable[moment_.plan.checkpoint->slot] = failed;
    }
    return failed;
  }

  // What the engine finds there is what was asked for.
  absl::Status Prove() const {
    engine::EngineOptions engine_options;
    engine_options.directory = building_;
    engine_options.store_id = volume_.store_id();
    const Options defaults;
    MOORING_ASSIGN_OR_RETURN(const engine::MemoryPlan memory, internal::DivideMemory(defaults));
    engine_options.cache_bytes = memory.cache_bytes;
    engine_options.write_buffer_bytes = memory.write_buffer_bytes;
    engine_options.wal_file_bytes = defaults.wal_file_bytes;
    engine_options.max_wal_bytes = defaults.max_wal_bytes;
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Engine> engine,
                             engine::Open(engine_options));
    const uint64_t reached = engine->LastSequence();
    MOORING_RETURN_IF_ERROR(engine->Close());
    if (reached == moment_.version.sequence) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("version ", moment_.version.ToString(),
                                            " was copied, but what came of it ends at sequence ",
                                            reached, ": the archive is damaged."));
  }

  absl::Status Finish() {
    archive::VolumeRecord record;
    record.history = moment_.plan.state.history;
    uint64_t epoch = 0;
    for (const archive::HistoryEntry& entry : record.history.entries()) {
      epoch = std::max(epoch, entry.epoch);
    }
    MOORING_RETURN_IF_ERROR(volume_.RaiseEpochAbove(epoch));
    MOORING_RETURN_IF_ERROR(
        archive::WriteVolumeRecord(In(volume_.path(), "HISTORY"), volume_.store_id(), record));
    MOORING_RETURN_IF_ERROR(internal::RemoveTree(volume_.data_directory()));
    MOORING_RETURN_IF_ERROR(RenameFile(building_, volume_.data_directory()));
    MOORING_RETURN_IF_ERROR(SyncDirectory(volume_.path()));
    MOORING_RETURN_IF_ERROR(volume_.MarkComplete());
    internal::RemoveTree(marker_).IgnoreError();  // Else the next opening does it.
    return absl::OkStatus();
  }

  archive::Remote& remote_;
  const RewindTarget& target_;
  const RestoreCopyOptions& options_;
  volume::Volume& volume_;
  const std::string marker_;
  const std::string building_;
  archive::Moment moment_;
};

}  // namespace

std::string RewindTarget::ToString() const {
  if (version_) return absl::StrCat("version ", version_->ToString());
  if (time_) return absl::StrCat("time ", absl::FormatTime(*time_, absl::UTCTimeZone()));
  return "latest";
}

absl::StatusOr<std::unique_ptr<Store>> Store::Rewind(const Options& options,
                                                     const RewindTarget& target) {
  if (options.archive.url.empty()) return internal::StoreCore::NoArchive("Store::Rewind()");
  if (!target.version() && !target.time()) {
    return absl::InvalidArgumentError("a rewind needs a version or a time to go back to");
  }
  Options once = options;
  once.create_if_missing = false;
  once.archive.serve_unreached = false;
  {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Store> present, Open(once));
    const CloseReport closed = present->Close(absl::InfiniteDuration());
    MOORING_RETURN_IF_ERROR(Annotate(closed.status, "archiving what a rewind leaves behind"));
  }
  MOORING_ASSIGN_OR_RETURN(std::shared_ptr<internal::StoreCore> core,
                           internal::StoreCore::Open(once, target));
  return std::unique_ptr<Store>(new Store(std::move(core)));
}

absl::StatusOr<RestoreCopyReport> RestoreCopy(const ArchiveOptions& archive,
                                              const RewindTarget& target,
                                              const std::string& directory,
                                              const RestoreCopyOptions& options) {
  if (archive.url.empty()) return internal::StoreCore::NoArchive("RestoreCopy()");
  archive::Remote::ConnectOptions connect;
  connect.timeout = archive.reach_timeout;
  MOORING_ASSIGN_OR_RETURN(const std::shared_ptr<archive::Remote> remote,
                           archive::Remote::Connect(archive.url, connect));
  if (!remote->identity()) {
    return absl::NotFoundError(absl::StrCat("at ", archive.url, " there is no archive"));
  }
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<volume::Volume> volume,
                           AcquireForCopy(directory, options));
  return Copy(remote.get(), target, options, volume.get()).Run();
}

}  // namespace mooring
