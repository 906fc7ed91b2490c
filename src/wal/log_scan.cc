#include "src/wal/log_scan.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"

namespace mooring::wal {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;

absl::Status NewerFormat(const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat(path,
                   " was written by a newer version of this library (its log format is newer "
                   "than version ",
                   kFormatVersion, "): open the store with that version"));
}

class Scanner {
 public:
  Scanner(std::unique_ptr<WindowReader> reader, const ScanOptions& options, LogScan* scan)
      : reader_(std::move(reader)), options_(options), scan_(*scan) {}

  absl::Status Run() {
    MOORING_RETURN_IF_ERROR(ReadHeader());
    if (!scan_.header_valid) return absl::OkStatus();
    if (options_.keep_data) scan_.data.reserve(LikelyLength());
    MOORING_RETURN_IF_ERROR(FollowChain());
    if (scan_.length >= options_.limit || scan_.length == options_.complete_at) {
      return absl::OkStatus();
    }
    return SearchPastEnd();
  }

 private:
  uint64_t LikelyLength() const {
    return std::min({scan_.file_bytes, options_.limit, options_.complete_at});
  }

  absl::StatusOr<std::string_view> Read(uint64_t offset, uint64_t size) {
    MOORING_ASSIGN_OR_RETURN(std::string_view bytes, reader_->Read(offset, size));
    const uint64_t end = offset + bytes.size();
    if (end > scan_.bytes_read) {
      if (options_.on_read) options_.on_read(end - scan_.bytes_read);
      scan_.bytes_read = end;
    }
    return bytes;
  }

  absl::Status ReadHeader() {
    MOORING_ASSIGN_OR_RETURN(std::string_view block, Read(0, kHeaderBytes));
    const Decoded decoded = DecodeLogHeader(block, &scan_.header);
    if (decoded == Decoded::kNewer) return NewerFormat(scan_.path);
    if (decoded == Decoded::kDamaged) return absl::OkStatus();
    if (options_.check_store_id && scan_.header.store_id != options_.store_id) {
      return absl::FailedPreconditionError(absl::StrCat(
          scan_.path, " belongs to store ", StoreIdToString(scan_.header.store_id), ", not to ",
          StoreIdToString(options_.store_id), ": is the right volume mounted?"));
    }
    scan_.header_valid = scan_.header.log == scan_.log;
    return absl::OkStatus();
  }

  // The header of the frame that is at `offset`, or kDamaged.
  Decoded Parse(std::string_view bytes, uint64_t offset, FrameHeader* frame) const {
    const Decoded decoded = DecodeFrameHeader(bytes, frame);
    if (decoded == Decoded::kDamaged) return decoded;
    const bool ours = frame->generation == scan_.header.generation && frame->log == scan_.log &&
                      frame->physical_offset == offset;
    return ours ? decoded : Decoded::kDamaged;
  }

  void Note(const FrameHeader& frame, bool in_prefix) {
    if (scan_.claim < frame.durable) scan_.claim = frame.durable;
    if (options_.on_frame) options_.on_frame(frame, in_prefix);
  }

  // Takes the frame at the end of the prefix into it, or sets `*more` to false.
  absl::Status TakeFrame(bool* more) {
    const uint64_t at = scan_.physical_end;
    *more = false;
    MOORING_ASSIGN_OR_RETURN(std::string_view bytes, Read(at, kFrameHeaderBytes));
    FrameHeader frame;
    const Decoded decoded = Parse(bytes, at, &frame);
    if (decoded == Decoded::kNewer) return NewerFormat(scan_.path);
    if (decoded != Decoded::kOk || frame.logical_offset != scan_.length) return absl::OkStatus();
    const uint64_t size = frame.header_bytes + frame.payload_bytes;
    MOORING_ASSIGN_OR_RETURN(bytes, Read(at, size));
    if (bytes.size() < size) return absl::OkStatus();
    const std::string_view payload = bytes.substr(frame.header_bytes);
    if (Crc32c(payload) != frame.payload_crc) return absl::OkStatus();
    if (options_.keep_data) scan_.data.append(payload);
    scan_.length += frame.payload_bytes;
    scan_.physical_end += FrameBytes(frame.header_bytes, frame.payload_bytes);
    Note(frame, true);
    *more = true;
    return absl::OkStatus();
  }

  absl::Status FollowChain() {
    for (bool more = true; more && scan_.length < options_.limit;) {
      MOORING_RETURN_IF_ERROR(TakeFrame(&more));
    }
    return absl::OkStatus();
  }

  // A prefix that goes beyond the reach shows it to be an older one.
  uint64_t SearchEnd() const {
    const bool known = options_.reach > 0 && scan_.physical_end <= options_.reach;
    return known ? std::min(options_.reach, scan_.file_bytes) : scan_.file_bytes;
  }

  // Frames are found by their headers, which have a checksum of their own.
  absl::Status SearchPastEnd() {
    uint64_t at = scan_.physical_end;
    const uint64_t end = SearchEnd();
    while (at + kFrameHeaderBytes <= end) {
      MOORING_ASSIGN_OR_RETURN(std::string_view bytes, Read(at, std::min(kReadBytes, end - at)));
      uint64_t next = at + bytes.size() - kFrameHeaderBytes + kFrameAlignment;
      for (uint64_t i = 0; i + kFrameHeaderBytes <= bytes.size(); i += kFrameAlignment) {
        uint32_t magic;
        std::memcpy(&magic, bytes.data() + i, sizeof(magic));
        if (magic != frame_magic_) continue;
        FrameHeader frame;
        const Decoded decoded = Parse(bytes.substr(i), at + i, &frame);
        if (decoded == Decoded::kNewer) return NewerFormat(scan_.path);
        if (decoded == Decoded::kDamaged) continue;
        MOORING_ASSIGN_OR_RETURN(next, TakePastEnd(frame));
        break;
      }
      at = next;
    }
    return absl::OkStatus();
  }

  // Where the search goes on.
  absl::StatusOr<uint64_t> TakePastEnd(const FrameHeader& frame) {
    if (options_.accept_zeroed_block && frame.logical_offset >= scan_.length) {
      scan_.data.resize(frame.logical_offset, '\0');
      scan_.length = frame.logical_offset;
      scan_.physical_end = frame.physical_offset;
      MOORING_RETURN_IF_ERROR(FollowChain());
      return std::max(scan_.physical_end, frame.physical_offset + kFrameAlignment);
    }
    Note(frame, false);
    if (scan_.frames_past_end++ == 0) scan_.first_past_end = frame.physical_offset;
    scan_.proven_end =
        std::max(scan_.proven_end, frame.logical_offset + uint64_t{frame.payload_bytes});
    return frame.physical_offset + FrameBytes(frame.header_bytes, frame.payload_bytes);
  }

  static uint32_t MagicInMemory() {
    const unsigned char bytes[4] = {kFrameMagic & 0xff, kFrameMagic >> 8 & 0xff,
                                    kFrameMagic >> 16 & 0xff, kFrameMagic >> 24 & 0xff};
    uint32_t magic;
    std::memcpy(&magic, bytes, sizeof(magic));
    return magic;
  }

  const uint32_t frame_magic_ = MagicInMemory();
  const std::unique_ptr<WindowReader> reader_;
  const ScanOptions& options_;
  LogScan& scan_;
};

}  // namespace

absl::StatusOr<LogScan> ScanLog(rocksdb::FileSystem* fs, const std::string& path, uint64_t log,
                                const ScanOptions& options) {
  LogScan scan;
  scan.path = path;
  scan.log = log;
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<WindowReader> reader,
                           WindowReader::Open(fs, path, options.source, kReadBytes, options.reach));
  scan.file_bytes = reader->file_bytes();
  MOORING_RETURN_IF_ERROR(Scanner(std::move(reader), options, &scan).Run());
  return scan;
}

}  // namespace mooring::wal
