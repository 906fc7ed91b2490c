#include "src/wal/log_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"
#include "src/wal/io.h"

namespace mooring::wal {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

LogFile::LogFile(std::shared_ptr<LogSet> logs, std::shared_ptr<Log> log, std::string path,
                 std::unique_ptr<rocksdb::FSRandomRWFile> file, uint64_t allocated)
    : logs_(std::move(logs)),
      log_(std::move(log)),
      path_(std::move(path)),
      file_(std::move(file)),
      allocated_(allocated),
      reach_(log_->reach) {}

LogFile::~LogFile() {
  if (file_ != nullptr) Close(IOOptions(), nullptr).PermitUncheckedError();
}

IOStatus LogFile::Append(const Slice& data, const IOOptions&, IODebugContext*) {
  std::string_view left(data.data(), data.size());
  while (!left.empty()) {
    const std::string_view part = left.substr(0, kMaxPayloadBytes);
    if (IOStatus s = AppendFrame(part); !s.ok()) return s;
    left.remove_prefix(part.size());
  }
  return IOStatus::OK();
}

IOStatus LogFile::Append(const Slice& data, const IOOptions& options,
                         const rocksdb::DataVerificationInfo&, IODebugContext* debug) {
  return Append(data, options, debug);
}

IOStatus LogFile::AppendFrame(std::string_view payload) {
  if (logs_->poisoned()) return logs_->PoisonedError();
  FrameHeader header;
  header.generation = log_->generation;
  header.log = log_->number;
  header.logical_offset = log_->length.load(std::memory_order_relaxed);
  header.physical_offset = physical_;
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  header.payload_crc = Crc32c(payload);
  if (!logs_->test().no_claims) header.durable = logs_->durable();

  const uint64_t end = physical_ + FrameBytes(kFrameHeaderBytes, payload.size());
  if (const absl::Status s = ReachTo(end); !s.ok()) return PlainError(s);
  // W1: a write that enters a new block fills it, so that the kernel need not read the old one.
  const bool enters_block = end > RoundUp(physical_, kBlockBytes);
  const uint64_t write_bytes = (enters_block ? RoundUp(end, kBlockBytes) : end) - physical_;
  char* buffer = Buffer(write_bytes);
  EncodeFrameHeader(header, buffer);
  std::memcpy(buffer + kFrameHeaderBytes, payload.data(), payload.size());
  const uint64_t used = kFrameHeaderBytes + payload.size();
  std::memset(buffer + used, 0, write_bytes - used);

  const IOStatus written =
      file_->Write(physical_, Slice(buffer, write_bytes), IOOptions(), nullptr);
  if (!written.ok()) return logs_->Poison(ToStatus(written, "write to log", path_));
  if (physical_ + write_bytes > allocated_) Grow(physical_ + write_bytes);
  physical_ = end;
  log_->length.store(header.logical_offset + payload.size(), std::memory_order_release);
  return IOStatus::OK();
}

absl::Status LogFile::ReachTo(uint64_t end) {
  if (end <= reach_ || logs_->test().write_beyond_reach) return absl::OkStatus();
  absl::StatusOr<uint64_t> reach = logs_->Extend(log_.get(), end);
  if (reach.ok()) reach_ = *reach;
  return reach.status();
}

// Zeros ahead of the frames, so that few of the syncs that follow change the file's size. What does
// not fit is done without.
void LogFile::Grow(uint64_t from) {
  allocated_ = from;
  const std::string zeros(kBlockBytes, '\0');
  // Block by block, for the kernel caches a large write in large pieces, and then each small write
  // to such a piece goes over all of its blocks.
  for (const uint64_t end = from + logs_->pool()->growth_bytes(); allocated_ < end;) {
    if (!file_->Write(allocated_, Slice(zeros), IOOptions(), nullptr).ok()) return;
    allocated_ += zeros.size();
  }
}

char* LogFile::Buffer(uint64_t size) {
  if (size > buffer_bytes_) {
    buffer_bytes_ = RoundUp(size, 64 << 10);
    buffer_.reset(new char[buffer_bytes_]);
  }
  return buffer_.get();
}

IOStatus LogFile::Sync(const IOOptions&, IODebugContext*) {
  if (logs_->poisoned()) return logs_->PoisonedError();
  // Appends go on meanwhile: only what was written before the call is known to be synced after it.
  const uint64_t length = log_->length.load(std::memory_order_acquire);
  if (length == log_->synced.load(std::memory_order_acquire)) return IOStatus::OK();
  if (logs_->test().claim_before_sync) logs_->Publish(log_.get(), length);
  if (!logs_->test().acknowledge_before_sync) {
    const IOStatus synced = file_->Sync(IOOptions(), nullptr);
    if (!synced.ok()) return logs_->Poison(ToStatus(synced, "sync log", path_));
  }
  uint64_t before = log_->synced.load(std::memory_order_relaxed);
  while (before < length && !log_->synced.compare_exchange_weak(before, length)) {
  }
  logs_->Publish(log_.get(), length);
  return IOStatus::OK();
}

IOStatus LogFile::Fsync(const IOOptions& options, IODebugContext* debug) {
  return Sync(options, debug);
}

IOStatus LogFile::Close(const IOOptions& options, IODebugContext* debug) {
  if (file_ == nullptr) return IOStatus::OK();
  IOStatus synced;
  if (!logs_->poisoned()) synced = Sync(options, debug);
  const IOStatus closed = file_->Close(IOOptions(), nullptr);
  file_.reset();
  const absl::Status recorded = logs_->Close(log_);
  if (!synced.ok()) return synced;
  if (!closed.ok()) return logs_->Poison(ToStatus(closed, "close log", path_));
  return recorded.ok() ? IOStatus::OK() : PlainError(recorded);
}

uint64_t LogFile::GetFileSize(const IOOptions&, IODebugContext*) { return log_->length.load(); }
IOStatus LogFile::Flush(const IOOptions&, IODebugContext*) { return IOStatus::OK(); }
IOStatus LogFile::Truncate(uint64_t, const IOOptions&, IODebugContext*) { return IOStatus::OK(); }
IOStatus LogFile::RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) {
  return IOStatus::OK();
}
IOStatus LogFile::Allocate(uint64_t, uint64_t, const IOOptions&, IODebugContext*) {
  return IOStatus::OK();
}

IOStatus UnwritableLogFile::Append(const Slice&, const IOOptions&, IODebugContext*) {
  return IOStatus::IOError("log", "a recovered log takes no more writes");
}
IOStatus UnwritableLogFile::Truncate(uint64_t size, const IOOptions&, IODebugContext*) {
  if (size == length_) return IOStatus::OK();
  return IOStatus::IOError(
      "log", absl::StrCat("a recovered log of ", length_, " bytes cannot be cut to ", size));
}
IOStatus UnwritableLogFile::Close(const IOOptions&, IODebugContext*) { return IOStatus::OK(); }
IOStatus UnwritableLogFile::Flush(const IOOptions&, IODebugContext*) { return IOStatus::OK(); }
IOStatus UnwritableLogFile::Sync(const IOOptions&, IODebugContext*) { return IOStatus::OK(); }

IOStatus LogContent::Read(size_t size, const IOOptions&, Slice* result, char* scratch,
                          IODebugContext*) {
  const size_t got = std::min(size, data_->size() - at_);
  std::memcpy(scratch, data_->data() + at_, got);
  at_ += got;
  *result = Slice(scratch, got);
  if (on_read_) on_read_(got);
  return IOStatus::OK();
}

IOStatus LogContent::Skip(uint64_t size) {
  at_ += static_cast<size_t>(std::min<uint64_t>(size, data_->size() - at_));
  return IOStatus::OK();
}

}  // namespace mooring::wal
