#include "src/wal/log_tail.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/wal/io.h"

namespace mooring::wal {
namespace {

constexpr uint64_t kWindowBytes = 256 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<LogTail>> LogTail::Open(rocksdb::FileSystem* fs, std::string path,
                                                       uint64_t log, uint64_t generation) {
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  MOORING_RETURN_IF_ERROR(ToStatus(
      fs->NewRandomAccessFile(path, rocksdb::FileOptions(), &file, nullptr), "open log", path));
  return std::unique_ptr<LogTail>(new LogTail(std::move(path), std::move(file), log, generation));
}

LogTail::LogTail(std::string path, std::unique_ptr<rocksdb::FSRandomAccessFile> file, uint64_t log,
                 uint64_t generation)
    : path_(std::move(path)), file_(std::move(file)), log_(log), generation_(generation) {}

void LogTail::Rewind() {
  offset_ = 0;
  physical_ = kHeaderBytes;
}

// Bytes of the file; fewer where it ends.
absl::StatusOr<std::string_view> LogTail::Window(uint64_t offset, uint64_t size) {
  if (offset < window_from_ || offset + size > window_from_ + window_.size()) {
    // Not more than is due, for what nobody reads costs a commit that waits for its archive.
    window_.resize(std::max(size, std::min(RoundUp(due_, kBlockBytes), kWindowBytes)));
    rocksdb::Slice got;
    MOORING_RETURN_IF_ERROR(ToStatus(
        file_->Read(offset, window_.size(), rocksdb::IOOptions(), &got, window_.data(), nullptr),
        "read log", path_));
    if (got.data() != window_.data()) window_.assign(got.data(), got.size());
    window_.resize(got.size());
    window_from_ = offset;
  }
  const std::string_view window = window_;
  return window.substr(std::min<uint64_t>(offset - window_from_, window.size()), size);
}

absl::Status LogTail::Read(uint64_t limit, size_t max_bytes, std::string* out) {
  // What lies beyond the last frame may have been written since.
  window_.clear();
  while (offset_ < limit && out->size() < max_bytes) {
    due_ = limit - offset_ + kFrameHeaderBytes;
    FrameHeader frame;
    MOORING_ASSIGN_OR_RETURN(std::string_view bytes, Window(physical_, kFrameHeaderBytes));
    if (bytes.size() < kFrameHeaderBytes || DecodeFrameHeader(bytes, &frame) != Decoded::kOk ||
        frame.generation != generation_ || frame.log != log_ || frame.logical_offset != offset_ ||
        frame.physical_offset != physical_) {
      return CheckUse();
    }
    MOORING_ASSIGN_OR_RETURN(bytes, Window(physical_ + frame.header_bytes, frame.payload_bytes));
    if (bytes.size() < frame.payload_bytes || Crc32c(bytes) != frame.payload_crc) return CheckUse();
    out->append(bytes);
    offset_ += frame.payload_bytes;
    physical_ += FrameBytes(frame.header_bytes, frame.payload_bytes);
  }
  return absl::OkStatus();
}

// Why a frame is not what it should be.
absl::Status LogTail::CheckUse() {
  LogHeader header;
  window_.clear();
  MOORING_ASSIGN_OR_RETURN(const std::string_view block, Window(0, kHeaderBytes));
  if (block.size() == kHeaderBytes && DecodeLogHeader(block, &header) == Decoded::kOk &&
      (header.log != log_ || header.generation != generation_)) {
    return absl::NotFoundError(absl::StrCat(path_, " is log ", header.log, " by now"));
  }
  return absl::DataLossError(absl::StrCat(path_, ": damaged at offset ", physical_,
                                          ": log bytes from ", offset_, " cannot be read back"));
}

}  // namespace mooring::wal
