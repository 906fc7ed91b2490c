#include "src/snapshot/reader.h"

#include <zstd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"

namespace mooring::snapshot {

struct Reader::Decompressor {
  Decompressor() : context(ZSTD_createDCtx()) {}
  ~Decompressor() { ZSTD_freeDCtx(context); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  ZSTD_DCtx* const context;
};

Reader::Reader(SnapshotSource* source, std::string name)
    : source_(source), name_(std::move(name)), decompressor_(std::make_unique<Decompressor>()) {}

Reader::~Reader() = default;

absl::Status Reader::Damaged(uint64_t offset, std::string_view what) const {
  std::string part;
  if (in_part_) {
    part =
        absl::StrCat(", in part ", index_.back().part.name, " after ", end_.bytes, " bytes of it");
  }
  return absl::DataLossError(absl::StrCat(name_, " is damaged at offset ", offset, part, ": ",
                                          ToAbsl(what), ". Use another copy of it."));
}

absl::Status Reader::Fill(char* out, size_t bytes) {
  const uint64_t begin = offset_;
  while (bytes > 0) {
    const absl::StatusOr<size_t> read = source_->Read(out, bytes);
    if (!read.ok()) {
      return Annotate(read.status(), absl::StrCat("reading ", name_, " at offset ", offset_));
    }
    if (*read > bytes) return absl::InternalError("a source gave more than it was asked for");
    if (*read == 0) return Damaged(begin, absl::StrCat("it ends early, after ", offset_, " bytes"));
    offset_ += *read;
    out += *read;
    bytes -= *read;
  }
  return absl::OkStatus();
}

absl::StatusOr<Reader::Record> Reader::ReadRecord() {
  Record record;
  record.offset = offset_;
  std::string header(kRecordHeaderBytes, '\0');
  MOORING_RETURN_IF_ERROR(Fill(header.data(), header.size()));
  record.header = DecodeRecordHeader(header);
  if (!IsPlausible(record.header)) {
    return Damaged(record.offset, "what stands there is no header of a record");
  }
  // A length that is damage takes no memory that is not there to read.
  for (size_t at = 0; at < record.header.length;) {
    const size_t more = std::min<size_t>(kChunkBytes, record.header.length - at);
    if (payload_.size() < at + more) payload_.resize(at + more);
    MOORING_RETURN_IF_ERROR(Fill(payload_.data() + at, more));
    at += more;
  }
  record.payload = std::string_view(payload_).substr(0, record.header.length);
  check_ = ExtendCrc32c(check_, std::string_view(header).substr(0, 12));
  check_ = ExtendCrc32c(check_, record.payload);
  if (check_ == record.header.check) return record;
  return Damaged(record.offset,
                 absl::StrCat("the checksum of the ", TypeName(record.header.type), " record of ",
                              kRecordHeaderBytes + record.header.length, " bytes is wrong"));
}

absl::StatusOr<Head> Reader::ReadHead() {
  std::string preamble(kPreambleBytes, '\0');
  const absl::Status filled = Fill(preamble.data(), preamble.size());
  // What has not even so many bytes, and begins otherwise, is something else.
  const bool foreign = std::string_view(preamble).substr(0, std::min<uint64_t>(offset_, 8)) !=
                       kMagic.substr(0, std::min<uint64_t>(offset_, 8));
  if (filled.ok() || foreign) {
    const absl::Status checked = CheckPreamble(preamble);
    if (absl::IsDataLoss(checked)) return Damaged(0, ToStd(checked.message()));
    if (!checked.ok()) {
      return absl::Status(checked.code(), absl::StrCat(name_, " ", checked.message()));
    }
  }
  MOORING_RETURN_IF_ERROR(filled);
  check_ = Crc32c(preamble);
  MOORING_ASSIGN_OR_RETURN(const Record record, ReadRecord());
  if (record.header.type != RecordType::kHead) {
    return Damaged(record.offset, "its first record is no HEAD");
  }
  absl::StatusOr<Head> head = DecodeHead(record.payload);
  if (!head.ok()) return Damaged(record.offset, ToStd(head.status().message()));
  if (head->engine == kEngine) return head;
  return absl::FailedPreconditionError(
      absl::StrCat(name_, " holds files of engine '", head->engine, "', and this is '",
                   ToAbsl(kEngine), "'. Use the version of Mooring that wrote it."));
}

absl::StatusOr<std::optional<Part>> Reader::NextPart() {
  MOORING_ASSIGN_OR_RETURN(const Record record, ReadRecord());
  if (record.header.type == RecordType::kIndex) {
    const absl::Status checked = CheckIndex(record.payload, index_);
    if (!checked.ok()) return Damaged(record.offset, ToStd(checked.message()));
    MOORING_RETURN_IF_ERROR(CheckEnd());
    return std::optional<Part>();
  }
  if (record.header.type != RecordType::kPart) {
    return Damaged(record.offset, absl::StrCat("a PART was due, and a ",
                                               TypeName(record.header.type), " stands there"));
  }
  absl::StatusOr<Part> part = DecodePart(record.payload);
  if (!part.ok()) return Damaged(record.offset, ToStd(part.status().message()));
  const absl::Status checked = CheckPart(*part);
  if (absl::IsUnimplemented(checked)) {
    return absl::FailedPreconditionError(absl::StrCat(name_, ": ", checked.message()));
  }
  if (!checked.ok()) return Damaged(record.offset, ToStd(checked.message()));
  if (!names_.insert(part->name).second) {
    return Damaged(record.offset, absl::StrCat("part ", part->name, " comes twice"));
  }
  IndexEntry entry;
  entry.part = *part;
  entry.offset = record.offset;
  index_.push_back(std::move(entry));
  in_part_ = true;
  end_ = PartEnd();
  return std::optional<Part>(*std::move(part));
}

absl::StatusOr<std::string_view> Reader::Unpack(const Record& record) {
  if (record.header.length == record.header.raw) return record.payload;
  raw_.resize(record.header.raw);
  const size_t bytes = ZSTD_decompressDCtx(decompressor_->context, raw_.data(), raw_.size(),
                                           record.payload.data(), record.payload.size());
  if (ZSTD_isError(bytes) != 0 || bytes != raw_.size()) {
    return Damaged(record.offset, "it does not decompress");
  }
  return std::string_view(raw_);
}

absl::StatusOr<std::string_view> Reader::ReadData() {
  MOORING_ASSIGN_OR_RETURN(const Record record, ReadRecord());
  if (record.header.type == RecordType::kDone) {
    MOORING_RETURN_IF_ERROR(EndPart(record));
    return std::string_view();
  }
  if (record.header.type != RecordType::kData) {
    return Damaged(record.offset, absl::StrCat("more of the part was due, and a ",
                                               TypeName(record.header.type), " stands there"));
  }
  MOORING_ASSIGN_OR_RETURN(const std::string_view data, Unpack(record));
  const uint64_t size = index_.back().part.bytes;
  if (data.size() > size - end_.bytes) {
    return Damaged(record.offset, absl::StrCat("the part is longer than its ", size, " bytes"));
  }
  end_.crc32c = ExtendCrc32c(end_.crc32c, data);
  end_.bytes += data.size();
  return data;
}

absl::Status Reader::EndPart(const Record& record) {
  const absl::StatusOr<PartEnd> end = DecodePartEnd(record.payload);
  if (!end.ok()) return Damaged(record.offset, ToStd(end.status().message()));
  IndexEntry& entry = index_.back();
  const bool size_known = entry.part.bytes != kUnknownSize;
  if (end->bytes != end_.bytes || end->crc32c != end_.crc32c ||
      (size_known && entry.part.bytes != end_.bytes)) {
    return Damaged(record.offset,
                   absl::StrCat("the part has ", end_.bytes, " bytes with CRC-32C ", end_.crc32c,
                                ", and should have ", end->bytes, " with ", end->crc32c));
  }
  entry.part.bytes = end_.bytes;
  entry.crc32c = end_.crc32c;
  in_part_ = false;
  return absl::OkStatus();
}

absl::Status Reader::CheckEnd() {
  char more;
  const absl::StatusOr<size_t> read = source_->Read(&more, 1);
  if (!read.ok()) {
    return Annotate(read.status(), absl::StrCat("reading ", name_, " at offset ", offset_));
  }
  return *read == 0 ? absl::OkStatus() : Damaged(offset_, "something follows its end");
}

}  // namespace mooring::snapshot
