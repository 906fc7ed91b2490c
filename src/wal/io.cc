#include "src/wal/io.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/wal/format.h"

namespace mooring::wal {
namespace {

using rocksdb::FileOptions;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr uint64_t kReadBytes = 1 << 20;

}  // namespace

absl::Status ToStatus(const IOStatus& status, std::string_view what, std::string_view path) {
  if (status.ok()) return absl::OkStatus();
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  if (status.IsNotFound() || status.IsPathNotFound()) code = absl::StatusCode::kNotFound;
  if (status.IsNoSpace()) code = absl::StatusCode::kResourceExhausted;
  return absl::Status(code, absl::StrCat(ToAbsl(what), " ", ToAbsl(path), ": ", status.ToString()));
}

IOStatus PlainError(const absl::Status& status) {
  return IOStatus::IOError("log", std::string(status.message()));
}

std::string NormalizePath(std::string_view path) {
  std::string normal;
  for (const char c : path) {
    if (c != '/' || normal.empty() || normal.back() != '/') normal.push_back(c);
  }
  if (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

uint64_t LogNumberOfName(std::string_view name) {
  constexpr std::string_view kSuffix = ".log";
  if (name.size() <= kSuffix.size() || name.size() > 19 + kSuffix.size()) return 0;
  if (name.substr(name.size() - kSuffix.size()) != kSuffix) return 0;
  uint64_t number = 0;
  for (const char c : name.substr(0, name.size() - kSuffix.size())) {
    if (c < '0' || c > '9') return 0;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

std::string LogName(uint64_t log) { return absl::StrFormat("%06u.log", log); }

absl::StatusOr<std::vector<std::string>> ListNames(rocksdb::FileSystem* fs,
                                                   const std::string& directory) {
  std::vector<std::string> names;
  MOORING_RETURN_IF_ERROR(
      ToStatus(fs->GetChildren(directory, IOOptions(), &names, nullptr), "list", directory));
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status WriteZeros(rocksdb::FileSystem* fs, const std::string& path, uint64_t size) {
  FileOptions options;
  options.use_mmap_writes = false;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  MOORING_RETURN_IF_ERROR(
      ToStatus(fs->NewWritableFile(path, options, &file, nullptr), "create", path));
  const std::string zeros(std::min(size, kReadBytes), '\0');
  IOStatus status;
  for (uint64_t left = size; left > 0 && status.ok();) {
    const uint64_t part = std::min<uint64_t>(left, zeros.size());
    status = file->Append(Slice(zeros.data(), part), IOOptions(), nullptr);
    left -= part;
  }
  if (status.ok()) status = file->Fsync(IOOptions(), nullptr);
  const IOStatus closed = file->Close(IOOptions(), nullptr);
  return ToStatus(status.ok() ? closed : status, "fill with zeros", path);
}

absl::StatusOr<std::unique_ptr<rocksdb::FSRandomRWFile>> OpenForWriting(rocksdb::FileSystem* fs,
                                                                        const std::string& path) {
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  MOORING_RETURN_IF_ERROR(
      ToStatus(fs->NewRandomRWFile(path, FileOptions(), &file, nullptr), "open", path));
  return file;
}

absl::Status SyncDirectory(rocksdb::FileSystem* fs, const std::string& directory) {
  std::unique_ptr<rocksdb::FSDirectory> handle;
  MOORING_RETURN_IF_ERROR(ToStatus(fs->NewDirectory(directory, IOOptions(), &handle, nullptr),
                                   "open directory", directory));
  return ToStatus(handle->Fsync(IOOptions(), nullptr), "sync directory", directory);
}

absl::Status SyncFile(rocksdb::FileSystem* fs, const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(auto file, OpenForWriting(fs, path));
  const IOStatus synced = file->Sync(IOOptions(), nullptr);
  const IOStatus closed = file->Close(IOOptions(), nullptr);
  return ToStatus(synced.ok() ? closed : synced, "sync", path);
}

void DropFromCache(rocksdb::FileSystem* fs, const std::string& path) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  if (!fs->NewSequentialFile(path, FileOptions(), &file, nullptr).ok()) return;
  file->InvalidateCache(0, 0).PermitUncheckedError();
}

WindowReader::WindowReader(rocksdb::FileSystem* fs, std::string path, uint64_t file_bytes)
    : fs_(fs), path_(std::move(path)), file_bytes_(file_bytes) {}

WindowReader::~WindowReader() { std::free(window_); }

absl::StatusOr<std::unique_ptr<WindowReader>> WindowReader::Open(rocksdb::FileSystem* fs,
                                                                 const std::string& path,
                                                                 Source source, uint64_t read_bytes,
                                                                 uint64_t expected_end) {
  uint64_t file_bytes = 0;
  MOORING_RETURN_IF_ERROR(
      ToStatus(fs->GetFileSize(path, IOOptions(), &file_bytes, nullptr), "size of", path));
  std::unique_ptr<WindowReader> reader(new WindowReader(fs, path, file_bytes));
  reader->read_bytes_ = read_bytes;
  reader->expected_end_ = expected_end;
  if (source == Source::kDevice) {
    FileOptions options;
    options.use_direct_reads = true;
    reader->direct_ = fs->NewRandomAccessFile(path, options, &reader->file_, nullptr).ok();
    if (!reader->direct_) DropFromCache(fs, path);
  }
  if (!reader->direct_) MOORING_RETURN_IF_ERROR(reader->OpenBuffered());
  return reader;
}

absl::Status WindowReader::OpenBuffered() {
  direct_ = false;
  file_.reset();
  return ToStatus(fs_->NewRandomAccessFile(path_, FileOptions(), &file_, nullptr), "open", path_);
}

absl::StatusOr<std::string_view> WindowReader::Read(uint64_t offset, uint64_t size) {
  if (offset >= file_bytes_) return std::string_view();
  const uint64_t end = std::min(file_bytes_, offset + size);
  if (offset < window_from_ || end > window_to_) {
    const uint64_t from = offset / kBlockBytes * kBlockBytes;
    uint64_t ahead = std::min(file_bytes_, from + read_bytes_);
    if (from < expected_end_) ahead = std::min(ahead, expected_end_);
    MOORING_RETURN_IF_ERROR(Fill(from, std::max(end, ahead)));
  }
  return std::string_view(window_ + (offset - window_from_), end - offset);
}

absl::Status WindowReader::Fill(uint64_t from, uint64_t to) {
  Reserve(RoundUp(to, kBlockBytes) - from);
  uint64_t keep = 0;  // bytes already in the window, moved to its front
  if (from >= window_from_ && from < window_to_) {
    keep = (window_to_ - from) / kBlockBytes * kBlockBytes;
    std::memmove(window_, window_ + (from - window_from_), keep);
  }
  window_from_ = from;
  window_to_ = from + keep;
  const uint64_t want = RoundUp(to, kBlockBytes) - window_to_;
  uint64_t got = 0;
  MOORING_RETURN_IF_ERROR(ReadInto(window_to_, want, window_ + keep, &got));
  window_to_ = std::min(file_bytes_, window_to_ + got);
  if (window_to_ >= to) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("read ", path_, ": the file ends at byte ", window_to_,
                                             " and should have ", file_bytes_));
}

absl::Status WindowReader::ReadInto(uint64_t offset, uint64_t size, char* out, uint64_t* got) {
  Slice result;
  IOStatus status = file_->Read(offset, size, IOOptions(), &result, out, nullptr);
  if (!status.ok() && direct_) {
    // Some file systems take the flag and then refuse the reads.
    DropFromCache(fs_, path_);
    MOORING_RETURN_IF_ERROR(OpenBuffered());
    status = file_->Read(offset, size, IOOptions(), &result, out, nullptr);
  }
  if (!status.ok()) {
    return Annotate(ToStatus(status, "read", path_),
                    absl::StrCat(size, " bytes from byte ", offset));
  }
  if (result.data() != out) std::memcpy(out, result.data(), result.size());
  *got = result.size();
  return absl::OkStatus();
}

void WindowReader::Reserve(uint64_t size) {
  if (size <= window_capacity_) return;
  size = RoundUp(size, kReadBytes);
  char* larger = static_cast<char*>(std::aligned_alloc(kBlockBytes, size));
  if (larger == nullptr) throw std::bad_alloc();
  if (window_ != nullptr) std::memcpy(larger, window_, window_to_ - window_from_);
  std::free(window_);
  window_ = larger;
  window_capacity_ = size;
}

}  // namespace mooring::wal
