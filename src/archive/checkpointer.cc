#include "src/archive/checkpointer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"

namespace mooring::archive {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
constexpr int64_t kSlowestBytesPerSecond = int64_t{256} << 10;

std::string IdentityOf(const ArchivedFile& file) {
  return absl::StrCat(file.path, "/", file.size, "/", file.crc32c);
}

absl::Status Stopped() { return absl::CancelledError("the checkpoint was given up"); }

// Rot must not replace what the archive has, so a file is proved before it is sent.
absl::Status VerifyFile(const ArchivedFile& file, const std::string& local) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> input(std::fopen(local.c_str(), "rbe"),
                                                              &std::fclose);
  if (input == nullptr) return ErrnoError("cannot open", local, errno);
  std::string buffer(size_t{1} << 20, '\0');
  uint64_t size = 0;
  uint32_t crc32c = 0;
  while (const size_t bytes = std::fread(buffer.data(), 1, buffer.size(), input.get())) {
    crc32c = ExtendCrc32c(crc32c, std::string_view(buffer).substr(0, bytes));
    size += bytes;
  }
  if (std::ferror(input.get()) != 0) return ErrnoError("cannot read", local, errno);
  if (size == file.size && crc32c == file.crc32c) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      file.path, " is damaged on the volume: ", size, " bytes with CRC-32C ", crc32c, ", but ",
      file.size, " with ", file.crc32c,
      " were written. It was not archived, and no checkpoint is made with it. Close the "
      "store, move the data directory away and open again: the archive has the rest."));
}

}  // namespace

Checkpointer::Checkpointer(objectstore::ObjectStore* store, engine::LogSource* source,
                           const std::vector<ArchivedFile>& known, CheckpointerOptions options)
    : store_(store), source_(source), options_(std::move(options)) {
  for (const ArchivedFile& file : known) names_.emplace(IdentityOf(file), file.name);
}

absl::StatusOr<CheckpointDraft> Checkpointer::Make() {
  if (stopped_) return Stopped();
  absl::StatusOr<engine::CapturedState> state =
      source_->Capture(options_.directory, options_.exclusively);
  absl::StatusOr<CheckpointDraft> draft =
      state.ok() ? Fill(*std::move(state)) : absl::StatusOr<CheckpointDraft>(state.status());
  EmptyDirectory();
  return draft;
}

absl::StatusOr<CheckpointDraft> Checkpointer::Fill(engine::CapturedState state) {
  CheckpointDraft draft;
  CheckpointEntry& entry = draft.entry;
  std::vector<Upload> uploads;
  const auto add = [&](ArchivedFile file, const std::string& local) {
    if (!IsKnown(&file)) uploads.push_back({file, local});
    draft.bytes_in_all += static_cast<int64_t>(file.size);
    entry.files.push_back(std::move(file));
  };
  for (const engine::CapturedFile& file : state.files) {
    add(Named(file.path, file.size, file.crc32c), file.local);
  }
  if (state.manifest.size() > options_.largest_inline_manifest) {
    const std::string local = options_.directory + "/upload-" + state.manifest_path;
    if (!std::ofstream(local, std::ios::binary).write(state.manifest.data(), state.manifest.size()))
      return ErrnoError("cannot write", local, errno);
    add(Named(state.manifest_path, state.manifest.size(), Crc32c(state.manifest)), local);
  } else {
    draft.bytes_in_all += static_cast<int64_t>(state.manifest.size());
    entry.manifest = std::move(state.manifest);
  }
  MOORING_RETURN_IF_ERROR(UploadAll(uploads));
  for (const Upload& upload : uploads) {
    ++draft.uploaded_files;
    draft.uploaded_bytes += static_cast<int64_t>(upload.file.size);
  }
  entry.current = std::move(state.current);
  entry.min_log = state.min_log;
  entry.max_sequence = state.max_sequence;
  entry.max_time_us = state.max_time_us;
  draft.table_changes = state.table_changes;
  return draft;
}

ArchivedFile Checkpointer::Named(const std::string& path, uint64_t size, uint32_t crc32c) const {
  std::string number;
  for (const char c : path) {
    if (absl::ascii_isdigit(static_cast<unsigned char>(c))) number.push_back(c);
  }
  ArchivedFile file{absl::StrCat(options_.epoch, "-", number, "-", options_.incarnation, "-", size),
                    path, size, crc32c};
  const absl::MutexLock lock(&names_mutex_);
  if (const auto lost = lost_.find(IdentityOf(file)); lost != lost_.end()) {
    file.name = lost->second;
    return file;
  }
  const std::string name = file.name;
  for (int i = 2; forgotten_.contains(file.name); ++i) file.name = absl::StrCat(name, "-", i);
  return file;
}

void Checkpointer::Forget(const std::vector<std::string>& names) {
  const absl::flat_hash_set<std::string> gone(names.begin(), names.end());
  const absl::MutexLock lock(&names_mutex_);
  const auto is_gone = [&](const auto& known) { return gone.contains(known.second); };
  absl::erase_if(names_, is_gone);
  absl::erase_if(lost_, is_gone);
  for (const std::string& name : names) {
    if (absl::StrContains(name, options_.incarnation)) forgotten_.insert(name);
  }
}

void Checkpointer::UploadAgain(const std::vector<ArchivedFile>& files) {
  const absl::MutexLock lock(&names_mutex_);
  for (const ArchivedFile& file : files) {
    names_.erase(IdentityOf(file));
    lost_[IdentityOf(file)] = file.name;
  }
}

std::optional<ArchivedFile> Checkpointer::Find(const std::string& path, uint64_t size,
                                               uint32_t crc32c) const {
  ArchivedFile file{"", path, size, crc32c};
  const absl::MutexLock lock(&names_mutex_);
  const auto known = names_.find(IdentityOf(file));
  if (known == names_.end()) return std::nullopt;
  file.name = known->second;
  return file;
}

bool Checkpointer::IsKnown(ArchivedFile* file) const {
  const std::optional<ArchivedFile> known = Find(file->path, file->size, file->crc32c);
  if (known) *file = *known;
  return known.has_value();
}

absl::Status Checkpointer::UploadAll(const std::vector<Upload>& uploads) {
  absl::Mutex mutex;
  absl::Status first_error;
  std::atomic<size_t> next{0};
  std::atomic<bool> given_up{false};
  const auto work = [&] {
    while (!given_up) {
      const size_t index = next++;
      if (index >= uploads.size()) return;
      const absl::Status status = UploadOne(uploads[index], given_up);
      absl::MutexLock lock(&mutex);
      if (status.ok()) {
        // What is there stays known even where the checkpoint fails.
        const absl::MutexLock names_lock(&names_mutex_);
        names_[IdentityOf(uploads[index].file)] = uploads[index].file.name;
        lost_.erase(IdentityOf(uploads[index].file));
        continue;
      }
      given_up = true;
      if (first_error.ok() || absl::IsCancelled(first_error)) first_error = status;
    }
  };
  std::vector<std::thread> helpers;
  const size_t threads =
      std::min(uploads.size(), static_cast<size_t>(std::max(1, options_.parallel_uploads)));
  for (size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  return first_error;
}

absl::Status Checkpointer::UploadOne(const Upload& upload, const std::atomic<bool>& given_up) {
  const absl::Status verified = VerifyFile(upload.file, upload.local);
  if (absl::IsDataLoss(verified) && options_.damaged) options_.damaged(verified);
  MOORING_RETURN_IF_ERROR(verified);
  objectstore::RequestOptions request;
  request.timeout =
      absl::Seconds(60 + static_cast<int64_t>(upload.file.size) / kSlowestBytesPerSecond);
  absl::Duration pause = kFirstPause;
  while (!stopped_ && !given_up) {
    const absl::Status status = store_->PutFile(FileKey(upload.file.name), upload.local, request);
    if (status.ok() || absl::IsCancelled(status) || absl::IsInvalidArgument(status)) return status;
    if (options_.retrying) options_.retrying(status);
    for (absl::Duration left = pause; left > absl::ZeroDuration() && !stopped_ && !given_up;
         left -= kFirstPause) {
      absl::SleepFor(std::min(left, kFirstPause));
    }
    pause = std::min(2 * pause, kLongestPause);
  }
  return Stopped();
}

void Checkpointer::EmptyDirectory() const {
  // What stays is removed by the next capture.
  std::error_code error;
  for (std::filesystem::directory_iterator file(options_.directory, error), end;
       !error && file != end; file.increment(error)) {
    std::error_code ignored;
    std::filesystem::remove(file->path(), ignored);
  }
}

}  // namespace mooring::archive
