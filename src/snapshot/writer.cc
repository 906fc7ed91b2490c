#include "src/snapshot/writer.h"

#include <zstd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"

namespace mooring::snapshot {
namespace {

// An export shall not be slower than its device; the last tenth of size is not worth that.
constexpr int kCompressionLevel = 1;

}  // namespace

struct Writer::Compressor {
  Compressor() : context(ZSTD_createCCtx()) {}
  ~Compressor() { ZSTD_freeCCtx(context); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  ZSTD_CCtx* const context;
};

Writer::Writer(SnapshotSink* sink, bool compress)
    : sink_(sink), compress_(compress), chunk_(kRecordHeaderBytes + kChunkBytes, '\0') {
  if (!compress_) return;
  compressor_ = std::make_unique<Compressor>();
  compressed_.resize(kRecordHeaderBytes + ZSTD_compressBound(kChunkBytes));
}

Writer::~Writer() = default;

// `record` holds the payload behind room for the header.
absl::Status Writer::Emit(RecordHeader header, std::string* record) {
  EncodeRecordHeader(header, record->data());
  const std::string_view bytes(record->data(), kRecordHeaderBytes + header.length);
  check_ = ExtendCrc32c(check_, bytes.substr(0, 12));
  check_ = ExtendCrc32c(check_, bytes.substr(kRecordHeaderBytes));
  header.check = check_;
  EncodeRecordHeader(header, record->data());
  MOORING_RETURN_IF_ERROR(sink_->Write(bytes));
  offset_ += bytes.size();
  return absl::OkStatus();
}

absl::Status Writer::EmitPayload(RecordType type, std::string_view payload) {
  if (payload.size() > kMaxPayloadBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the ", TypeName(type), " record of the snapshot would have ", payload.size(),
                     " bytes, and ", kMaxPayloadBytes, " are the most"));
  }
  std::string record(kRecordHeaderBytes, '\0');
  record.append(payload);
  RecordHeader header;
  header.type = type;
  header.length = static_cast<uint32_t>(payload.size());
  return Emit(header, &record);
}

absl::Status Writer::Begin(const Head& head) {
  const std::string preamble = EncodePreamble();
  MOORING_RETURN_IF_ERROR(sink_->Write(preamble));
  offset_ = preamble.size();
  check_ = Crc32c(preamble);
  return EmitPayload(RecordType::kHead, EncodeHead(head));
}

absl::Status Writer::BeginPart(Part part) {
  IndexEntry entry;
  entry.part = std::move(part);
  entry.offset = offset_;
  index_.push_back(std::move(entry));
  end_ = PartEnd();
  compress_part_ = compress_;
  return EmitPayload(RecordType::kPart, EncodePart(index_.back().part));
}

// The compressed size; 0 where it is not worth it. The first chunk speaks for the part (N4).
size_t Writer::Compress(size_t bytes) {
  if (!compress_part_) return 0;
  const size_t size = ZSTD_compressCCtx(
      compressor_->context, compressed_.data() + kRecordHeaderBytes,
      compressed_.size() - kRecordHeaderBytes, buffer(), bytes, kCompressionLevel);
  const bool worth_it = ZSTD_isError(size) == 0 && size <= bytes - bytes / 8 && size < bytes;
  if (end_.bytes == 0) compress_part_ = worth_it;
  return worth_it ? size : 0;
}

absl::Status Writer::Add(size_t bytes) {
  RecordHeader header;
  header.type = RecordType::kData;
  header.raw = static_cast<uint32_t>(bytes);
  const size_t compressed = Compress(bytes);
  header.length = static_cast<uint32_t>(compressed > 0 ? compressed : bytes);
  end_.crc32c = ExtendCrc32c(end_.crc32c, std::string_view(buffer(), bytes));
  end_.bytes += bytes;
  return Emit(header, compressed > 0 ? &compressed_ : &chunk_);
}

absl::Status Writer::EndPart() {
  index_.back().part.bytes = end_.bytes;
  index_.back().crc32c = end_.crc32c;
  return EmitPayload(RecordType::kDone, EncodePartEnd(end_));
}

absl::Status Writer::Finish() { return EmitPayload(RecordType::kIndex, EncodeIndex(index_)); }

}  // namespace mooring::snapshot
