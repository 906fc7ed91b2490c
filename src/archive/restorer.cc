#include "src/archive/restorer.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "mooring/status_macros.h"
#include "src/archive/file_fetch.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/engine/log_cut.h"
#include "src/volume/space_reserve.h"

namespace mooring::archive {
namespace {

constexpr char kMark[] = "SET-ASIDE";
// Beside what is fetched: for the engine to open.
constexpr int64_t kMarginBytes = int64_t{8} << 20;

std::string In(const std::string& directory, const std::string& name) {
  return absl::StrCat(directory, "/", name);
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? ErrnoError("remove", path, error.value()) : absl::OkStatus();
}

absl::Status SyncFile(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_RDONLY));
  return file.Sync();
}

// The name that CURRENT holds.
std::string ManifestPath(const CheckpointEntry& checkpoint) {
  return checkpoint.current.substr(0, checkpoint.current.find('\n'));
}

int64_t LogBytes(const RestorePlan& plan) {
  int64_t bytes = 0;
  for (const LogPiece& piece : plan.logs) {
    bytes += static_cast<int64_t>(piece.info().end - piece.info().begin);
  }
  return bytes;
}

// The piece's bytes, up to where the plan ends.
absl::StatusOr<std::string> BytesOf(const LogPiece& piece) {
  const Segment& info = piece.info();
  const std::string bytes =
      piece.entry->As<LogEntry>()->bytes.substr(piece.offset, info.end - info.begin);
  if (piece.last_sequence >= info.last_sequence) return bytes;
  return engine::CutLog(SlotKey(piece.entry->slot), info.begin, bytes, piece.last_sequence);
}

// Appends local pieces behind the archive's, leaving out what that holds already.
absl::Status AppendBeyond(const RestorePlan& plan, const std::vector<engine::LogPiece>& beyond,
                          engine::RestoredDirectory& directory) {
  uint64_t log = 0, generation = 0, end = 0;
  if (!plan.logs.empty()) {
    const Segment& last = plan.logs.back().info();
    log = last.log, generation = last.generation, end = last.end;
  }
  for (const engine::LogPiece& piece : beyond) {
    const bool same = piece.log == log && piece.generation == generation && log != 0;
    if (same ? piece.begin > end : piece.log <= log || piece.begin != 0) {
      return absl::InvalidArgumentError(absl::StrCat("local log ", piece.log, " from byte ",
                                                     piece.begin, " on does not continue log ", log,
                                                     ", which ends at ", end));
    }
    const uint64_t known = same ? end - piece.begin : 0;
    if (known < piece.bytes.size()) {
      MOORING_RETURN_IF_ERROR(
          directory.AppendToLog(piece.log, std::string_view(piece.bytes).substr(known)));
    }
    log = piece.log, generation = piece.generation;
    end = same ? std::max(end, piece.end) : piece.end;
  }
  return absl::OkStatus();
}

}  // namespace

Restorer::Restorer(objectstore::ObjectStore* store, RestoreOptions options)
    : store_(store),
      options_(std::move(options)),
      data_(options_.data_directory),
      restore_(data_ + ".restore"),
      aside_(data_ + ".aside") {}

absl::Status Restorer::After(std::string_view step) const {
  return options_.after_step ? options_.after_step(step) : absl::OkStatus();
}

// Leaves in <data>.restore what the plan names. Without a restore to resume, what is set aside is
// an earlier one's and may go.
absl::Status Restorer::PrepareDirectories(const RestorePlan& plan) {
  if (!options_.resumed) {
    MOORING_RETURN_IF_ERROR(RemoveFile(In(aside_, kMark)));
    MOORING_ASSIGN_OR_RETURN(const bool there, FileExists(aside_));
    if (there) MOORING_RETURN_IF_ERROR(SyncDirectory(aside_));
  }
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(restore_));
  std::set<std::string> wanted;
  for (const ArchivedFile& file : plan.checkpoint->As<CheckpointEntry>()->files) {
    wanted.insert(file.path);
  }
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(restore_));
  const absl::MutexLock lock(&mutex_);
  for (const std::string& name : names) {
    if (wanted.count(name) != 0) continue;
    verified_.erase(name);
    MOORING_RETURN_IF_ERROR(RemoveTree(In(restore_, name)));
  }
  return absl::OkStatus();
}

absl::Status Restorer::ForEachFile(
    const std::vector<ArchivedFile>& files,
    const std::function<absl::Status(const ArchivedFile& file)>& work) const {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::vector<absl::Status> results(files.size());
  const auto run = [&] {
    for (size_t i = next++; i < files.size() && !failed; i = next++) {
      results[i] = work(files[i]);
      if (!results[i].ok()) failed = true;
    }
  };
  std::vector<std::thread> threads;
  const size_t count = std::min<size_t>(files.size(), std::max(options_.parallel_files, 1));
  for (size_t i = 1; i < count; ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) MOORING_RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

void Restorer::IsVerified(const ArchivedFile& file) {
  const absl::MutexLock lock(&mutex_);
  verified_[file.path] = file;
}

// Whether the file is in <data>.restore, or could be linked there.
absl::StatusOr<bool> Restorer::TakeLocal(const ArchivedFile& file, bool may_link) {
  {
    const absl::MutexLock lock(&mutex_);
    const auto known = verified_.find(file.path);
    if (known != verified_.end() && known->second == file) return true;
  }
  const std::string path = In(restore_, file.path);
  MOORING_ASSIGN_OR_RETURN(const bool there, FileMatches(path, file));
  if (there) {
    IsVerified(file);
    return true;
  }
  MOORING_RETURN_IF_ERROR(RemoveFile(path));
  if (!may_link) return false;
  for (const std::string& directory : {data_, aside_}) {
    const std::string local = In(directory, file.path);
    // What cannot be read is fetched: the volume may be damaged.
    const absl::StatusOr<bool> matches = FileMatches(local, file);
    if (!matches.ok() || !*matches) continue;
    // An engine that is still open may remove it meanwhile: then it is fetched, too.
    const absl::Status synced = SyncFile(local);
    if (absl::IsNotFound(synced)) continue;
    MOORING_RETURN_IF_ERROR(synced);
    if (::link(local.c_str(), path.c_str()) != 0) {
      if (errno == ENOENT) continue;
      return ErrnoError("link", path, errno);
    }
    IsVerified(file);
    return true;
  }
  return false;
}

absl::Status Restorer::CheckSpace(int64_t bytes) const {
  const uint64_t needed = static_cast<uint64_t>(bytes + kMarginBytes);
  MOORING_ASSIGN_OR_RETURN(volume::VolumeSpace space, volume::ReadVolumeSpace(restore_));
  MOORING_ASSIGN_OR_RETURN(const bool data, FileExists(data_));
  if (space.free_bytes < needed && data && !options_.resumed) {
    MOORING_RETURN_IF_ERROR(RemoveTree(aside_));
    MOORING_ASSIGN_OR_RETURN(space, volume::ReadVolumeSpace(restore_));
  }
  if (space.free_bytes >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("to restore from the archive, ", needed, " bytes are needed on the volume of ",
                   data_, ", and ", space.free_bytes, " of ", space.total_bytes,
                   " are free. Give it a larger volume."));
}

absl::Status Restorer::FetchFile(const ArchivedFile& file) {
  const std::string path = In(restore_, file.path);
  const std::string temporary = path + ".fetch";
  MOORING_RETURN_IF_ERROR(archive::FetchFile(*store_, file, temporary));
  MOORING_RETURN_IF_ERROR(RenameFile(temporary, path));
  IsVerified(file);
  return absl::OkStatus();
}

absl::Status Restorer::Fetch(const RestorePlan& plan) {
  MOORING_RETURN_IF_ERROR(PrepareDirectories(plan));
  const auto& checkpoint = *plan.checkpoint->As<CheckpointEntry>();
  absl::Mutex mutex;
  std::vector<ArchivedFile> missing;
  int64_t total = 0;
  MOORING_RETURN_IF_ERROR(ForEachFile(checkpoint.files, [&](const ArchivedFile& file) {
    // The engine writes its own MANIFEST on, so that it shares no bytes with another directory.
    const bool may_link = file.path != ManifestPath(checkpoint);
    const absl::StatusOr<bool> local = TakeLocal(file, may_link);
    if (!local.ok() || *local) return local.status();
    const absl::MutexLock lock(&mutex);
    missing.push_back(file);
    total += static_cast<int64_t>(file.size);
    return absl::OkStatus();
  }));
  MOORING_RETURN_IF_ERROR(CheckSpace(total + LogBytes(plan)));
  MOORING_RETURN_IF_ERROR(After("space"));
  int64_t done = 0;
  MOORING_RETURN_IF_ERROR(ForEachFile(missing, [&](const ArchivedFile& file) {
    MOORING_RETURN_IF_ERROR(FetchFile(file));
    const absl::MutexLock lock(&mutex);
    done += static_cast<int64_t>(file.size);
    report_.bytes_fetched += static_cast<int64_t>(file.size);
    ++report_.files_fetched;
    if (options_.progress) options_.progress(done, total);
    return After("file");
  }));
  report_.files_reused = static_cast<int64_t>(checkpoint.files.size()) -
                         std::min<int64_t>(report_.files_fetched, checkpoint.files.size());
  MOORING_RETURN_IF_ERROR(SyncDirectory(restore_));
  return After("files");
}

absl::Status Restorer::Build(const RestorePlan& plan,
                             const std::vector<engine::LogPiece>& beyond) const {
  const auto& checkpoint = *plan.checkpoint->As<CheckpointEntry>();
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<engine::RestoredDirectory> directory,
                           options_.begin(restore_, options_.store_id));
  MOORING_RETURN_IF_ERROR(After("begin"));
  for (const LogPiece& piece : plan.logs) {
    MOORING_ASSIGN_OR_RETURN(const std::string bytes, BytesOf(piece));
    MOORING_RETURN_IF_ERROR(directory->AppendToLog(piece.info().log, bytes));
  }
  MOORING_RETURN_IF_ERROR(AppendBeyond(plan, beyond, *directory));
  MOORING_RETURN_IF_ERROR(After("logs"));
  const std::string name = ManifestPath(checkpoint);
  std::string manifest = checkpoint.manifest;
  if (manifest.empty()) {
    MOORING_ASSIGN_OR_RETURN(manifest, ReadFile(In(restore_, name)));
  }
  MOORING_RETURN_IF_ERROR(directory->Finish(name, manifest, checkpoint.current));
  MOORING_RETURN_IF_ERROR(SyncDirectory(restore_));
  return After("built");
}

absl::Status Restorer::Swap() {
  const std::string parent = DirectoryOf(data_);
  MOORING_ASSIGN_OR_RETURN(const bool data, FileExists(data_));
  MOORING_ASSIGN_OR_RETURN(const bool marked, FileExists(In(aside_, kMark)));
  if (data && marked) {
    // An earlier call had come to its end: what stands there is what it built.
    MOORING_RETURN_IF_ERROR(RemoveTree(data_));
  } else if (data) {
    MOORING_RETURN_IF_ERROR(RemoveTree(aside_));
    MOORING_RETURN_IF_ERROR(After("removed"));
    MOORING_RETURN_IF_ERROR(WriteFileDurably(In(data_, kMark), "Replaced by a restore.\n"));
    MOORING_RETURN_IF_ERROR(After("marked"));
    MOORING_RETURN_IF_ERROR(RenameFile(data_, aside_));
    MOORING_RETURN_IF_ERROR(SyncDirectory(parent));
  }
  MOORING_RETURN_IF_ERROR(After("aside"));
  MOORING_RETURN_IF_ERROR(RenameFile(restore_, data_));
  MOORING_RETURN_IF_ERROR(SyncDirectory(parent));
  MOORING_ASSIGN_OR_RETURN(const bool aside, FileExists(aside_));
  report_.set_aside = aside ? aside_ : "";
  return After("in place");
}

// What the engine still has costs room only once it is done with it: then it must not stay here.
void Restorer::TrimAside() const {
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(aside_);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    std::error_code error;
    const bool same = std::filesystem::equivalent(In(aside_, name), In(data_, name), error);
    if (!error && same) RemoveFile(In(aside_, name)).IgnoreError();  // It may stay.
  }
}

std::string Restorer::ReplacedDirectory(const std::string& data_directory) {
  const std::string aside = data_directory + ".aside";
  return FileExists(In(aside, kMark)).value_or(false) ? aside : data_directory;
}

absl::StatusOr<RestoreReport> Restorer::PutInPlace(const RestorePlan& plan,
                                                   const std::vector<engine::LogPiece>& beyond) {
  if (!options_.begin) return absl::InvalidArgumentError("nothing can make a directory");
  MOORING_RETURN_IF_ERROR(Fetch(plan));
  MOORING_RETURN_IF_ERROR(Build(plan, beyond));
  MOORING_RETURN_IF_ERROR(Swap());
  if (options_.trim_aside) TrimAside();
  return report_;
}

}  // namespace mooring::archive
