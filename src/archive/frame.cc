#include "src/archive/frame.h"

#include "absl/strings/str_cat.h"
#include "src/archive/entry.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"

namespace mooring::archive {
namespace {

constexpr size_t kVersionOffset = 8;
constexpr size_t kChecksumOffset = 12;
constexpr size_t kHeaderBytesOffset = 16;
constexpr size_t kReservedOffset = 20;
constexpr size_t kPayloadBytesOffset = 24;
constexpr size_t kPrefixBytes = 32;

void Put(std::string* out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t Get(std::string_view data, size_t offset, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(data[offset + i])) << (8 * i);
  }
  return value;
}

// Of all bytes but the checksum's own.
uint32_t Checksum(std::string_view object) {
  const uint32_t crc = Crc32c(object.substr(0, kChecksumOffset));
  return ExtendCrc32c(crc, object.substr(kHeaderBytesOffset));
}

}  // namespace

absl::Status DamagedObject(std::string_view name, std::string_view what) {
  return absl::DataLossError(
      absl::StrCat("archive object ", ToAbsl(name), " is damaged: ", ToAbsl(what),
                   ". Restore it from a copy of the archive, or go back to an older checkpoint."));
}

std::string EncodeFrame(std::string_view magic, std::string_view header, std::string_view payload,
                        uint32_t version) {
  std::string object;
  object.reserve(kPrefixBytes + header.size() + payload.size());
  object.append(magic);
  Put(&object, version, 4);
  Put(&object, 0, 4);
  Put(&object, header.size(), 4);
  Put(&object, 0, 4);
  Put(&object, payload.size(), 8);
  object.append(header);
  object.append(payload);
  std::string checksum;
  Put(&checksum, Checksum(object), 4);
  object.replace(kChecksumOffset, 4, checksum);
  return object;
}

absl::StatusOr<Frame> DecodeFrame(std::string_view name, std::string_view magic,
                                  std::string_view object) {
  if (object.size() < kPrefixBytes) {
    return DamagedObject(
        name, absl::StrCat("it has ", object.size(), " bytes, fewer than ", kPrefixBytes));
  }
  if (object.substr(0, magic.size()) != magic) {
    return DamagedObject(name, "it does not begin as such an object does");
  }
  if (Get(object, kChecksumOffset, 4) != Checksum(object)) {
    return DamagedObject(name, absl::StrCat("the checksum at offset ", kChecksumOffset,
                                            " is not that of its ", object.size(), " bytes"));
  }
  // The checksum has its place in every version, so this is no damage.
  const uint64_t version = Get(object, kVersionOffset, 4);
  if (version > kArchiveFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("archive object ", ToAbsl(name), " is of Mooring archive format ", version,
                     "; this version reads up to format ", kArchiveFormat,
                     ". Use the version of Mooring that wrote it, or a newer one."));
  }
  const uint64_t header_bytes = Get(object, kHeaderBytesOffset, 4);
  const uint64_t payload_bytes = Get(object, kPayloadBytesOffset, 8);
  const uint64_t rest = object.size() - kPrefixBytes;
  if (version == 0 || Get(object, kReservedOffset, 4) != 0 || header_bytes > rest ||
      payload_bytes != rest - header_bytes) {
    return DamagedObject(
        name, absl::StrCat("version ", version, ", ", header_bytes, " bytes of header and ",
                           payload_bytes, " of payload do not fit its ", object.size(), " bytes"));
  }
  return Frame{object.substr(kPrefixBytes, header_bytes),
               object.substr(kPrefixBytes + header_bytes)};
}

}  // namespace mooring::archive
