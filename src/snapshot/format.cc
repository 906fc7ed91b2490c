#include "src/snapshot/format.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"

namespace mooring::snapshot {
namespace {

void Put(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

void PutString(std::string_view text, std::string* out) {
  Put(text.size(), 4, out);
  out->append(text);
}

uint64_t Get(std::string_view data, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(data[static_cast<size_t>(i)])) << (8 * i);
  }
  return value;
}

// Takes fields off the front of a payload. Once it has run short all it gives is empty.
class Fields {
 public:
  explicit Fields(std::string_view data) : data_(data) {}

  uint64_t Number(int bytes) { return Has(static_cast<size_t>(bytes)) ? Take(bytes) : 0; }
  std::string String() {
    const uint64_t size = Number(4);
    if (!Has(size)) return "";
    const std::string text(data_.substr(0, size));
    data_.remove_prefix(size);
    return text;
  }
  // A count of things that take `least` bytes each, so that a wrong one is found before memory is.
  uint64_t Count(size_t least) {
    const uint64_t count = Number(4);
    if (count > data_.size() / least) short_ = true;
    return short_ ? 0 : count;
  }
  absl::Status status() const {
    return short_ ? absl::InvalidArgumentError("it is too short for its fields") : absl::OkStatus();
  }

 private:
  bool Has(uint64_t bytes) {
    if (bytes > data_.size()) short_ = true;
    return !short_;
  }
  uint64_t Take(int bytes) {
    const uint64_t value = Get(data_, bytes);
    data_.remove_prefix(static_cast<size_t>(bytes));
    return value;
  }

  std::string_view data_;
  bool short_ = false;
};

bool IsDigits(std::string_view text) {
  return text.size() >= 6 && text.size() <= 20 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c));
         });
}

std::string EncodeIndexEntries(const std::vector<IndexEntry>& entries) {
  std::string out;
  Put(entries.size(), 4, &out);
  for (const IndexEntry& entry : entries) {
    out += EncodePart(entry.part);
    Put(entry.crc32c, 4, &out);
    Put(entry.offset, 8, &out);
  }
  return out;
}

}  // namespace

std::string EncodePreamble() {
  std::string out(kMagic);
  Put(kFormat, 4, &out);
  Put(Crc32c(out), 4, &out);
  return out;
}

absl::Status CheckPreamble(std::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return absl::InvalidArgumentError("is no snapshot: it does not begin as one does");
  }
  if (Get(bytes.substr(12), 4) != Crc32c(bytes.substr(0, 12))) {
    return absl::DataLossError("the checksum of its first 12 bytes is wrong");
  }
  const uint64_t format = Get(bytes.substr(8), 4);
  if (format == kFormat) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("is of snapshot format ", format, "; this version of Mooring reads format ",
                   kFormat, ". Use the version that wrote it, or a newer one."));
}

void EncodeRecordHeader(const RecordHeader& header, char* out) {
  std::string bytes;
  Put(static_cast<uint32_t>(header.type), 4, &bytes);
  Put(header.length, 4, &bytes);
  Put(header.raw, 4, &bytes);
  Put(header.check, 4, &bytes);
  std::copy(bytes.begin(), bytes.end(), out);
}

RecordHeader DecodeRecordHeader(std::string_view bytes) {
  RecordHeader header;
  header.type = static_cast<RecordType>(Get(bytes, 4));
  header.length = static_cast<uint32_t>(Get(bytes.substr(4), 4));
  header.raw = static_cast<uint32_t>(Get(bytes.substr(8), 4));
  header.check = static_cast<uint32_t>(Get(bytes.substr(12), 4));
  return header;
}

bool IsPlausible(const RecordHeader& header) {
  switch (header.type) {
    case RecordType::kData:
      return header.raw > 0 && header.raw <= kChunkBytes && header.length > 0 &&
             header.length <= header.raw;
    case RecordType::kHead:
    case RecordType::kPart:
    case RecordType::kDone:
    case RecordType::kIndex:
      return header.raw == 0 && header.length <= kMaxPayloadBytes;
  }
  return false;
}

std::string TypeName(RecordType type) {
  std::string name;
  Put(static_cast<uint32_t>(type), 4, &name);
  return name;
}

std::string EncodeHead(const Head& head) {
  std::string out;
  PutString(head.engine, &out);
  PutString(head.store_id, &out);
  Put(head.epoch, 8, &out);
  Put(head.sequence, 8, &out);
  Put(static_cast<uint64_t>(head.commit_time_us), 8, &out);
  Put(static_cast<uint64_t>(head.export_time_us), 8, &out);
  Put(head.bytes, 8, &out);
  Put(head.tables.size(), 4, &out);
  for (const std::string& table : head.tables) PutString(table, &out);
  Put(head.past.size(), 4, &out);
  for (const PastWriter& writer : head.past) {
    PutString(writer.incarnation, &out);
    Put(writer.epoch, 8, &out);
    Put(writer.first_sequence, 8, &out);
  }
  return out;
}

absl::StatusOr<Head> DecodeHead(std::string_view payload) {
  Fields fields(payload);
  Head head;
  head.engine = fields.String();
  head.store_id = fields.String();
  head.epoch = fields.Number(8);
  head.sequence = fields.Number(8);
  head.commit_time_us = static_cast<int64_t>(fields.Number(8));
  head.export_time_us = static_cast<int64_t>(fields.Number(8));
  head.bytes = fields.Number(8);
  head.tables.resize(fields.Count(4));
  for (std::string& table : head.tables) table = fields.String();
  head.past.resize(fields.Count(20));
  for (PastWriter& writer : head.past) {
    writer.incarnation = fields.String();
    writer.epoch = fields.Number(8);
    writer.first_sequence = fields.Number(8);
  }
  MOORING_RETURN_IF_ERROR(fields.status());
  return head;
}

std::string EncodePart(const Part& part) {
  std::string out;
  Put(static_cast<uint32_t>(part.kind), 4, &out);
  PutString(part.name, &out);
  Put(part.bytes, 8, &out);
  return out;
}

absl::StatusOr<Part> DecodePart(std::string_view payload) {
  Fields fields(payload);
  Part part;
  part.kind = static_cast<PartKind>(fields.Number(4));
  part.name = fields.String();
  part.bytes = fields.Number(8);
  MOORING_RETURN_IF_ERROR(fields.status());
  return part;
}

std::string EncodePartEnd(const PartEnd& end) {
  std::string out;
  Put(end.bytes, 8, &out);
  Put(end.crc32c, 4, &out);
  return out;
}

absl::StatusOr<PartEnd> DecodePartEnd(std::string_view payload) {
  Fields fields(payload);
  PartEnd end;
  end.bytes = fields.Number(8);
  end.crc32c = static_cast<uint32_t>(fields.Number(4));
  MOORING_RETURN_IF_ERROR(fields.status());
  return end;
}

std::string EncodeIndex(const std::vector<IndexEntry>& entries) {
  std::string out = EncodeIndexEntries(entries);
  Put(out.size() + 4, 4, &out);
  return out;
}

absl::Status CheckIndex(std::string_view payload, const std::vector<IndexEntry>& entries) {
  const std::string expected = EncodeIndexEntries(entries);
  if (payload.size() < expected.size() + 4 || payload.substr(0, expected.size()) != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is not that of the ", entries.size(), " parts before it"));
  }
  if (Get(payload.substr(payload.size() - 4), 4) == payload.size()) return absl::OkStatus();
  return absl::InvalidArgumentError("it does not end with its length");
}

absl::Status CheckPart(const Part& part) {
  std::string_view name = part.name;
  bool good = false;
  switch (part.kind) {
    case PartKind::kTableFile: {
      constexpr std::string_view kSuffix = ".sst";
      good = name.size() > kSuffix.size() && name.substr(name.size() - kSuffix.size()) == kSuffix &&
             IsDigits(name.substr(0, name.size() - kSuffix.size()));
      break;
    }
    case PartKind::kManifest: {
      constexpr std::string_view kPrefix = "MANIFEST-";
      good = name.substr(0, kPrefix.size()) == kPrefix && IsDigits(name.substr(kPrefix.size()));
      break;
    }
    case PartKind::kCurrent:
      good = name == "CURRENT";
      break;
    default:
      return absl::UnimplementedError(absl::StrCat("part '", part.name, "' is of kind ",
                                                   static_cast<uint32_t>(part.kind),
                                                   ", which this version of Mooring does not read. "
                                                   "Use the version that wrote it, or a newer "
                                                   "one."));
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("'", part.name, "' is no name of a part of kind ",
                                                 static_cast<uint32_t>(part.kind)));
}

}  // namespace mooring::snapshot
