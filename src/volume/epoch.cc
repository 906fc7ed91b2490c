#include "src/volume/epoch.h"

#include <fcntl.h>

#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"

namespace mooring::volume {
namespace {

constexpr uint32_t kSlots = 2;
constexpr size_t kSlotBytes = 4096;
constexpr std::string_view kMagic = "MOOREPOC";
constexpr uint32_t kFormat = 1;

// Offsets inside a slot.
constexpr size_t kFormatAt = 8;
constexpr size_t kIndexAt = 12;
constexpr size_t kEpochAt = 16;
constexpr size_t kStoreIdAt = 24;
constexpr size_t kStoreIdBytes = 32;
constexpr size_t kChecksumAt = kSlotBytes - 4;

struct Slot {
  uint64_t epoch;
  std::string store_id;
};
// An absent slot is a damaged one.
using Slots = std::array<std::optional<Slot>, kSlots>;

void PutInteger(std::string& out, size_t at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out[at + i] = static_cast<char>(value >> (8 * i));
}

uint64_t GetInteger(std::string_view in, size_t at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= uint64_t{static_cast<uint8_t>(in[at + i])} << (8 * i);
  return value;
}

std::string EncodeSlot(uint32_t index, uint64_t epoch, std::string_view store_id) {
  std::string slot(kSlotBytes, '\0');
  slot.replace(0, kMagic.size(), kMagic);
  PutInteger(slot, kFormatAt, kFormat, 4);
  PutInteger(slot, kIndexAt, index, 4);
  PutInteger(slot, kEpochAt, epoch, 8);
  slot.replace(kStoreIdAt, kStoreIdBytes, store_id.substr(0, kStoreIdBytes));
  PutInteger(slot, kChecksumAt, Crc32c(std::string_view(slot).substr(0, kChecksumAt)), 4);
  return slot;
}

absl::StatusOr<std::optional<Slot>> DecodeSlot(std::string_view path, uint32_t index,
                                               std::string_view data) {
  if (data.substr(0, kMagic.size()) != kMagic ||
      GetInteger(data, kChecksumAt, 4) != Crc32c(data.substr(0, kChecksumAt)) ||
      GetInteger(data, kIndexAt, 4) != index) {
    return std::nullopt;
  }
  const uint64_t format = GetInteger(data, kFormatAt, 4);
  if (format > kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        ToAbsl(path), " is of Mooring epoch format ", format, "; this version reads up to format ",
        kFormat, ". Use the version of Mooring that wrote it, or a newer one."));
  }
  return Slot{GetInteger(data, kEpochAt, 8), std::string(data.substr(kStoreIdAt, kStoreIdBytes))};
}

absl::StatusOr<Slots> ReadSlots(std::string_view path) {
  MOORING_ASSIGN_OR_RETURN(const std::string data, ReadFile(path));
  if (data.size() != kSlots * kSlotBytes) {
    return absl::DataLossError(absl::StrCat(ToAbsl(path), " is damaged at offset ", data.size(),
                                            ": it ends there, but has ", kSlots * kSlotBytes,
                                            " bytes. Restore it from a copy of the volume."));
  }
  Slots slots;
  for (uint32_t i = 0; i < kSlots; ++i) {
    MOORING_ASSIGN_OR_RETURN(
        slots[i], DecodeSlot(path, i, std::string_view(data).substr(i * kSlotBytes, kSlotBytes)));
  }
  if (slots[0].has_value() || slots[1].has_value()) return slots;
  return absl::DataLossError(
      absl::StrCat(ToAbsl(path), " is damaged at offset 0 and at offset ", kSlotBytes,
                   ": both slots fail their checksums. Restore it from a copy of the volume; "
                   "starting again would repeat versions."));
}

// The slot that holds the last finished raise; at least one is whole.
uint32_t Newest(const Slots& slots) {
  if (!slots[0].has_value()) return 1;
  if (!slots[1].has_value()) return 0;
  return slots[1]->epoch > slots[0]->epoch ? 1 : 0;
}

absl::Status WriteSlot(PosixFile& file, uint32_t index, uint64_t epoch, std::string_view store_id) {
  MOORING_RETURN_IF_ERROR(file.WriteAt(index * kSlotBytes, EncodeSlot(index, epoch, store_id)));
  return file.SyncData();
}

absl::Status CheckOwner(std::string_view path, const Slot& slot, std::string_view store_id) {
  if (slot.store_id == store_id) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      ToAbsl(path), " belongs to store ", slot.store_id, ", but the volume to store ",
      ToAbsl(store_id), ": a file was replaced. Restore it from a copy of the volume."));
}

}  // namespace

absl::Status CreateEpoch(const std::string& path, std::string_view store_id) {
  return WriteFileDurably(path, EncodeSlot(0, 0, store_id) + EncodeSlot(1, 0, store_id));
}

absl::StatusOr<uint64_t> ReadEpoch(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const Slots slots, ReadSlots(path));
  return slots[Newest(slots)]->epoch;
}

absl::Status CheckEpoch(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const Slots slots, ReadSlots(path));
  for (uint32_t i = 0; i < kSlots; ++i) {
    if (slots[i].has_value()) continue;
    return absl::DataLossError(absl::StrCat(path, " is damaged at offset ", i * kSlotBytes,
                                            ": that slot fails its checksum. The other one, at "
                                            "epoch ",
                                            slots[1 - i]->epoch, ", is whole."));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> RaiseEpoch(const std::string& path, std::string_view store_id) {
  absl::StatusOr<PosixFile> file = PosixFile::Open(path, O_RDWR);
  if (absl::IsNotFound(file.status())) {
    return absl::DataLossError(
        absl::StrCat(path,
                     " is missing beside a store's identity. Restore it from a copy of the "
                     "volume; starting again would repeat versions."));
  }
  MOORING_RETURN_IF_ERROR(file.status());
  // A killed owner's slot may not be on the disk yet, and the other one is about to be overwritten.
  MOORING_RETURN_IF_ERROR(file->SyncData());
  MOORING_ASSIGN_OR_RETURN(const Slots slots, ReadSlots(path));
  const uint32_t newest = Newest(slots);
  const uint32_t other = 1 - newest;
  MOORING_RETURN_IF_ERROR(CheckOwner(path, *slots[newest], store_id));
  uint64_t epoch = slots[newest]->epoch + 1;

  MOORING_RETURN_IF_ERROR(WriteSlot(*file, other, epoch, store_id));
  if (slots[other].has_value()) return epoch;
  // V5: the damaged slot may have held this very number, so it is only repaired with it, and one
  // more raise follows.
  ++epoch;
  MOORING_RETURN_IF_ERROR(WriteSlot(*file, newest, epoch, store_id));
  return epoch;
}

absl::StatusOr<uint64_t> RaiseEpochAbove(const std::string& path, std::string_view store_id,
                                         uint64_t floor) {
  MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path, O_RDWR));
  MOORING_ASSIGN_OR_RETURN(const Slots slots, ReadSlots(path));
  const uint32_t newest = Newest(slots);
  MOORING_RETURN_IF_ERROR(CheckOwner(path, *slots[newest], store_id));
  uint64_t epoch = slots[newest]->epoch;
  if (epoch > floor) return epoch;
  // V5: both slots are written, so that they differ by one again.
  MOORING_RETURN_IF_ERROR(WriteSlot(file, 1 - newest, floor + 1, store_id));
  MOORING_RETURN_IF_ERROR(WriteSlot(file, newest, floor + 2, store_id));
  return floor + 2;
}

}  // namespace mooring::volume
