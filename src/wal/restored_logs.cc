#include "src/wal/restored_logs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/random_id.h"
#include "src/wal/inventory_file.h"
#include "src/wal/io.h"

namespace mooring::wal {
namespace {

constexpr uint64_t kPayloadBytes = 1 << 20;

}  // namespace

RestoredLogs::RestoredLogs(rocksdb::FileSystem* fs, std::string directory, const StoreId& store_id)
    : fs_(fs), directory_(std::move(directory)) {
  inventory_.sequence = 1;
  inventory_.incarnation = 1;
  inventory_.store_id = store_id;
}

absl::Status RestoredLogs::Append(uint64_t log, std::string_view bytes) {
  if (log < position_.log || log == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("log ", log, " cannot be restored after log ", position_.log));
  }
  if (log > position_.log) {
    MOORING_RETURN_IF_ERROR(End());
    MOORING_RETURN_IF_ERROR(Begin(log));
  }
  while (!bytes.empty()) {
    const std::string_view payload = bytes.substr(0, kPayloadBytes);
    MOORING_RETURN_IF_ERROR(WriteFrame(payload));
    bytes.remove_prefix(payload.size());
  }
  return absl::OkStatus();
}

absl::Status RestoredLogs::Begin(uint64_t log) {
  const std::string path = absl::StrCat(directory_, "/", LogName(log));
  predecessor_ = position_;
  position_ = {log, RandomUint64(), 0};
  physical_ = kHeaderBytes;
  MOORING_RETURN_IF_ERROR(WriteZeros(fs_, path, kHeaderBytes));
  MOORING_ASSIGN_OR_RETURN(file_, OpenForWriting(fs_, path));
  return absl::OkStatus();
}

absl::Status RestoredLogs::WriteFrame(std::string_view payload) {
  FrameHeader header;
  header.generation = position_.generation;
  header.log = position_.log;
  header.logical_offset = position_.offset;
  header.physical_offset = physical_;
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  header.payload_crc = Crc32c(payload);
  std::string frame(FrameBytes(kFrameHeaderBytes, payload.size()), '\0');
  EncodeFrameHeader(header, frame.data());
  payload.copy(frame.data() + kFrameHeaderBytes, payload.size());
  MOORING_RETURN_IF_ERROR(ToStatus(file_->Write(physical_, frame, rocksdb::IOOptions(), nullptr),
                                   "write to log",
                                   absl::StrCat(directory_, "/", LogName(position_.log))));
  physical_ += frame.size();
  position_.offset += payload.size();
  return absl::OkStatus();
}

// The header comes last: until then the file is an empty log.
absl::Status RestoredLogs::End() {
  if (file_ == nullptr) return absl::OkStatus();
  const std::string path = absl::StrCat(directory_, "/", LogName(position_.log));
  LogHeader header;
  header.log = position_.log;
  header.generation = position_.generation;
  header.capacity = RoundUp(physical_, kBlockBytes);
  header.incarnation = inventory_.incarnation;
  header.first = predecessor_.log == 0;
  header.predecessor = predecessor_;
  header.store_id = inventory_.store_id;
  const std::string rest(header.capacity - physical_, '\0');
  const rocksdb::IOOptions options;
  MOORING_RETURN_IF_ERROR(
      ToStatus(file_->Write(physical_, rest, options, nullptr), "write to log", path));
  std::string block(kHeaderBytes, '\0');
  EncodeLogHeader(header, block.data());
  MOORING_RETURN_IF_ERROR(
      ToStatus(file_->Write(0, block, options, nullptr), "write the header of log", path));
  MOORING_RETURN_IF_ERROR(ToStatus(file_->Fsync(options, nullptr), "sync log", path));
  MOORING_RETURN_IF_ERROR(ToStatus(file_->Close(options, nullptr), "close log", path));
  file_.reset();
  inventory_.logs.push_back({header.log, header.generation, header.capacity, header.incarnation,
                             position_.offset, /*complete=*/true});
  return absl::OkStatus();
}

absl::Status RestoredLogs::Finish() {
  MOORING_RETURN_IF_ERROR(End());
  return InventoryFile::Create(fs_, directory_, inventory_);
}

}  // namespace mooring::wal
