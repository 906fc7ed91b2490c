#include "mooring/snapshot_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/archive/volume_record.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"
#include "src/snapshot/exporter.h"
#include "src/snapshot/file.h"
#include "src/snapshot/importer.h"
#include "src/snapshot/reader.h"
#include "src/store/store_core.h"
#include "src/store/transfer.h"
#include "src/volume/identity.h"
#include "src/volume/space_reserve.h"
#include "src/volume/volume.h"

namespace mooring {
namespace {

// Beside the snapshot's own bytes: for the engine to open.
constexpr uint64_t kMarginBytes = uint64_t{8} << 20;
constexpr char kUnnamed[] = "the snapshot";

std::string In(const std::string& directory, std::string_view name) {
  return absl::StrCat(directory, "/", ToAbsl(name));
}

absl::Status NotEmpty(const std::string& path, std::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, " ", ToAbsl(what),
                   ". Nothing was changed. Give the import an empty directory on the volume."));
}

// Before anything is touched: a whole store is told by its name.
absl::Status CheckHoldsNoStore(const std::string& path) {
  const auto identity = volume::ReadIdentity(In(path, "MOORING"));
  if (absl::IsDataLoss(identity.status()) || absl::IsFailedPrecondition(identity.status())) {
    return identity.status();
  }
  // What else is wrong, acquiring the volume tells.
  if (!identity.ok() || !identity->complete) return absl::OkStatus();
  return NotEmpty(path, absl::StrCat("holds store ", identity->store_id, " already"));
}

absl::Status CheckSpace(const std::string& path, uint64_t bytes) {
  MOORING_ASSIGN_OR_RETURN(const volume::VolumeSpace space, volume::ReadVolumeSpace(path));
  if (space.free_bytes >= bytes && space.free_bytes - bytes >= kMarginBytes) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "importing ", bytes, " bytes needs ", kMarginBytes, " more besides, and ", path, " has ",
      space.free_bytes, " of ", space.total_bytes, " free. Give it a larger volume."));
}

// One import on a volume that this process owns; V8 has the order.
class VolumeImport {
 public:
  explicit VolumeImport(volume::Volume* volume)
      : volume_(*volume),
        marker_(In(volume->path(), volume::kImportDirectory)),
        building_(In(marker_, "data")) {}

  // The directory is this import's own from here on.
  absl::Status Begin() {
    MOORING_ASSIGN_OR_RETURN(const bool marked, FileExists(marker_));
    const std::string data = volume_.data_directory();
    if (!volume_.created()) return NotEmpty(volume_.path(), "holds a store already");
    MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> inside, ListDirectory(data));
    if (!marked && !inside.empty()) {
      return NotEmpty(volume_.path(),
                      absl::StrCat("holds data that is no import's: ", data, "/", inside.front()));
    }
    MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(marker_));
    MOORING_RETURN_IF_ERROR(internal::RemoveTree(building_));
    for (const std::string& name : inside) {
      MOORING_RETURN_IF_ERROR(internal::RemoveTree(In(data, name)));
    }
    return MakeDirectoryDurably(building_);
  }

  absl::StatusOr<SnapshotInfo> Build(snapshot::Reader& reader, const snapshot::Head& head,
                                     const SnapshotProgressCallback& progress) {
    return snapshot::Import(reader, head, building_, volume_.store_id(), progress);
  }

  absl::Status Finish(const snapshot::Head& head) {
    std::vector<archive::HistoryEntry> past;
    for (const snapshot::PastWriter& writer : head.past) {
      past.push_back({writer.incarnation, writer.epoch, writer.first_sequence});
    }
    archive::VolumeRecord record;
    MOORING_ASSIGN_OR_RETURN(record.history, archive::History::FromEntries(std::move(past)));
    // Versions go on from where they were.
    MOORING_RETURN_IF_ERROR(volume_.RaiseEpochAbove(head.epoch));
    MOORING_RETURN_IF_ERROR(
        archive::WriteVolumeRecord(In(volume_.path(), "HISTORY"), volume_.store_id(), record));
    MOORING_RETURN_IF_ERROR(RenameFile(building_, volume_.data_directory()));
    MOORING_RETURN_IF_ERROR(SyncDirectory(volume_.path()));
    MOORING_RETURN_IF_ERROR(volume_.MarkComplete());
    // Where this fails, the next opening does it.
    internal::RemoveTree(marker_).IgnoreError();
    return absl::OkStatus();
  }

  // Gives its room back; the mark stays.
  void GiveUp() { internal::RemoveTree(building_).IgnoreError(); }

 private:
  volume::Volume& volume_;
  const std::string marker_;
  const std::string building_;
};

absl::StatusOr<std::unique_ptr<volume::Volume>> AcquireForImport(const snapshot::Head& head,
                                                                 const ImportOptions& options) {
  MOORING_RETURN_IF_ERROR(CheckHoldsNoStore(options.volume));
  // What an import that was cut short left there makes room first.
  const bool begun = FileExists(In(options.volume, volume::kImportDirectory)).value_or(false);
  const absl::Status room = CheckSpace(options.volume, head.bytes);
  if (!begun && absl::IsResourceExhausted(room)) return room;
  volume::AcquireOptions acquire;
  acquire.path = options.volume;
  if (options.allow_unsafe_volume) acquire.mounts = volume::MountPolicy::kAny;
  if (options.keep_store_id) acquire.expected_store_id = head.store_id;
  acquire.timeout = absl::ZeroDuration();
  acquire.before_create = [](const std::string& path) {
    return MakeDirectoryDurably(In(path, volume::kImportDirectory));
  };
  return volume::Volume::Acquire(acquire);
}

absl::StatusOr<ImportReport> Import(snapshot::Reader& reader, const ImportOptions& options) {
  MOORING_ASSIGN_OR_RETURN(const snapshot::Head head, reader.ReadHead());
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<volume::Volume> volume,
                           AcquireForImport(head, options));
  VolumeImport import(volume.get());
  MOORING_RETURN_IF_ERROR(import.Begin());
  ImportReport report;
  report.store_id = volume->store_id();
  absl::Status status = CheckSpace(volume->path(), head.bytes);
  if (status.ok()) {
    absl::StatusOr<SnapshotInfo> built = import.Build(reader, head, options.progress);
    status = built.status();
    if (built.ok()) report.snapshot = *std::move(built);
  }
  if (status.ok()) status = import.Finish(head);
  if (status.ok()) return report;
  import.GiveUp();
  return Annotate(status, absl::StrCat("importing into ", options.volume));
}

// A source that is a file.
class FileSource : public SnapshotSource {
 public:
  explicit FileSource(PosixFile file)
      : file_(std::move(file)), source_(MakeSnapshotSource(file_.fd())) {
    ::posix_fadvise(file_.fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    return source_->Read(buffer, size);
  }

 private:
  const PosixFile file_;
  const std::unique_ptr<SnapshotSource> source_;
};

absl::StatusOr<std::unique_ptr<SnapshotSource>> OpenSource(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_RDONLY));
  return std::make_unique<FileSource>(std::move(file));
}

absl::StatusOr<SnapshotInfo> Verify(snapshot::Reader& reader, const VerifyOptions& options) {
  MOORING_ASSIGN_OR_RETURN(const snapshot::Head head, reader.ReadHead());
  return snapshot::Verify(reader, head, options.progress);
}

}  // namespace

absl::StatusOr<ImportReport> ImportSnapshot(const std::string& path, const ImportOptions& options) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<SnapshotSource> source, OpenSource(path));
  snapshot::Reader reader(source.get(), path);
  return Import(reader, options);
}

absl::StatusOr<ImportReport> ImportSnapshot(SnapshotSource& source, const ImportOptions& options) {
  snapshot::Reader reader(&source, kUnnamed);
  return Import(reader, options);
}

absl::StatusOr<SnapshotInfo> VerifySnapshot(const std::string& path, const VerifyOptions& options) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<SnapshotSource> source, OpenSource(path));
  snapshot::Reader reader(source.get(), path);
  return Verify(reader, options);
}

absl::StatusOr<SnapshotInfo> VerifySnapshot(SnapshotSource& source, const VerifyOptions& options) {
  snapshot::Reader reader(&source, kUnnamed);
  return Verify(reader, options);
}

absl::StatusOr<SnapshotInfo> Store::ExportSnapshot(SnapshotSink& sink,
                                                   const ExportOptions& options) {
  return core_->Export(sink, options, nullptr);
}

absl::StatusOr<SnapshotInfo> Store::ExportSnapshot(const std::string& path,
                                                   const ExportOptions& options) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<snapshot::PublishedFile> file,
                           snapshot::PublishedFile::Create(path));
  MOORING_ASSIGN_OR_RETURN(SnapshotInfo info, core_->Export(*file, options, [&](bool busy) {
    file->WaitForDevice(busy);
  }));
  MOORING_RETURN_IF_ERROR(file->Publish());
  return info;
}

namespace internal {
namespace {

// Lets an export rest after each chunk during which somebody committed, for so many times as long
// as the chunk took: what it takes of processor and device, commits lack.
class GivingWay {
 public:
  explicit GivingWay(bool wanted) : wanted_(wanted) {}

  // Whether somebody committed since the last call.
  bool Next(uint64_t sequence) {
    if (!wanted_) return false;
    const bool busy = sequence != std::exchange(sequence_, sequence);
    const absl::Duration rest = kRest * (SteadyNow() - begin_);
    if (busy) absl::SleepFor(std::min(rest, kLongestRest));
    begin_ = SteadyNow();
    return busy;
  }

 private:
  static constexpr int kRest = 2;
  static constexpr absl::Duration kLongestRest = absl::Milliseconds(100);

  const bool wanted_;
  uint64_t sequence_ = 0;
  absl::Duration begin_ = SteadyNow();
};

}  // namespace

absl::StatusOr<SnapshotInfo> StoreCore::Export(SnapshotSink& sink, const ExportOptions& options,
                                               const std::function<void(bool)>& told_busy) {
  const ReaderToken token(&gate_);
  if (!token.entered()) return ClosedError();
  if (const Health now = health(); now.state == Health::State::kFull) {
    return Annotate(now.reason, "an export has to write what is in memory to files first");
  }
  const std::string exports = In(volume_->path(), volume::kExportDirectory);
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(exports));
  snapshot::ExportJob job;
  job.source = engine_->log_source();
  job.staging = In(exports, RandomId());
  job.exclusively = [this](const std::function<absl::Status()>& work) {
    return queue_->RunExclusively(work);
  };
  job.tables = [this] {
    std::vector<std::string> names;
    for (const engine::TablePtr& table : engine_->Tables()) names.push_back(table->name());
    return names;
  };
  job.describe = [this](uint64_t sequence) -> absl::StatusOr<snapshot::Head> {
    MOORING_ASSIGN_OR_RETURN(const archive::VolumeRecord record,
                             archive::ReadVolumeRecord(In(volume_->path(), "HISTORY"), id_));
    snapshot::Head head;
    head.store_id = id_;
    head.epoch = epoch_;
    const archive::History past = record.history.Until(sequence);
    for (const archive::HistoryEntry& entry : past.entries()) {
      head.past.push_back({entry.incarnation, entry.epoch, entry.first_sequence});
    }
    return head;
  };
  GivingWay give_way(options.give_way);
  job.may_go_on = [&] {
    const bool busy = give_way.Next(engine_->LastSequence());
    if (told_busy) told_busy(busy);
    if (health().state != Health::State::kClosed) return absl::OkStatus();
    return absl::CancelledError("the store is being closed");
  };
  absl::StatusOr<SnapshotInfo> info = snapshot::Export(job, options, &sink);
  if (info.ok()) return info;
  return Annotate(info.status(), "exporting a snapshot");
}

}  // namespace internal
}  // namespace mooring
