#include "src/wal/format.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"

namespace mooring::wal {
namespace {

constexpr std::string_view kLogMagic = "MOORLOG\n";
constexpr std::string_view kInventoryMagic = "MOORINV\n";
constexpr uint64_t kFlagFirst = 1;
constexpr uint64_t kFlagComplete = 1;

// Where the fields that every version of a block has stand.
constexpr size_t kVersionAt = 8;
constexpr size_t kCrcAt = 12;
constexpr size_t kBodyAt = 16;

constexpr size_t kInventoryLogsAt = 64;
constexpr size_t kInventoryEntryBytes = 48;
static_assert(kInventoryLogsAt + kInventoryMaxLogs * kInventoryEntryBytes <= kInventorySlotBytes);

template <typename T>
void Store(T value, char* out) {
  for (size_t i = 0; i < sizeof(T); ++i) out[i] = static_cast<char>(value >> (8 * i));
}

template <typename T>
T Load(const char* in) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(static_cast<T>(static_cast<uint8_t>(in[i])) << (8 * i));
  }
  return value;
}

// Fields one after the other.
class Writer {
 public:
  explicit Writer(char* out) : at_(out) {}
  Writer& U16(uint16_t value) { return Put(value); }
  Writer& U32(uint32_t value) { return Put(value); }
  Writer& U64(uint64_t value) { return Put(value); }
  Writer& Id(const StoreId& id) {
    std::memcpy(at_, id.data(), id.size());
    at_ += id.size();
    return *this;
  }
  Writer& At(const Position& position) {
    return U64(position.log).U64(position.generation).U64(position.offset);
  }

 private:
  template <typename T>
  Writer& Put(T value) {
    Store(value, at_);
    at_ += sizeof(T);
    return *this;
  }
  char* at_;
};

class Reader {
 public:
  explicit Reader(const char* in) : at_(in) {}
  uint16_t U16() { return Get<uint16_t>(); }
  uint32_t U32() { return Get<uint32_t>(); }
  uint64_t U64() { return Get<uint64_t>(); }
  StoreId Id() {
    StoreId id;
    std::memcpy(id.data(), at_, id.size());
    at_ += id.size();
    return id;
  }
  Position At() {
    Position position;
    position.log = U64();
    position.generation = U64();
    position.offset = U64();
    return position;
  }

 private:
  template <typename T>
  T Get() {
    const T value = Load<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  const char* at_;
};

// Of everything in `block` but the checksum itself.
uint32_t BlockCrc(std::string_view block) {
  return ExtendCrc32c(Crc32c(block.substr(0, kCrcAt)), block.substr(kBodyAt));
}

void Seal(std::string_view magic, char* out, size_t size) {
  std::memcpy(out, magic.data(), magic.size());
  Store(kFormatVersion, out + kVersionAt);
  Store(BlockCrc({out, size}), out + kCrcAt);
}

Decoded CheckSeal(std::string_view magic, std::string_view block) {
  if (block.substr(0, magic.size()) != magic) return Decoded::kDamaged;
  if (Load<uint32_t>(block.data() + kCrcAt) != BlockCrc(block)) return Decoded::kDamaged;
  const uint32_t version = Load<uint32_t>(block.data() + kVersionAt);
  if (version > kFormatVersion) return Decoded::kNewer;
  return version == 0 ? Decoded::kDamaged : Decoded::kOk;
}

}  // namespace

absl::StatusOr<StoreId> ParseStoreId(std::string_view hex) {
  StoreId id{};
  bool good = hex.size() == 2 * id.size();
  for (size_t i = 0; good && i < hex.size(); ++i) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    const size_t digit = kDigits.find(hex[i]);
    good = digit != std::string_view::npos;
    if (good) id[i / 2] = static_cast<uint8_t>(id[i / 2] << 4 | digit);
  }
  if (good) return id;
  return absl::InvalidArgumentError(
      absl::StrCat("a store id is 32 lower-case hexadecimal digits, not \"", ToAbsl(hex), "\""));
}

std::string StoreIdToString(const StoreId& id) {
  std::string hex;
  for (const uint8_t byte : id) absl::StrAppend(&hex, absl::Hex(byte, absl::kZeroPad2));
  return hex;
}

void EncodeLogHeader(const LogHeader& header, char* out) {
  std::memset(out, 0, kHeaderBytes);
  Writer(out + kBodyAt)
      .U64(header.log)
      .U64(header.generation)
      .U64(header.capacity)
      .U64(header.incarnation)
      .U64(header.first ? kFlagFirst : 0)
      .At(header.predecessor)
      .Id(header.store_id);
  Seal(kLogMagic, out, kHeaderBytes);
}

Decoded DecodeLogHeader(std::string_view block, LogHeader* header) {
  if (block.size() != kHeaderBytes) return Decoded::kDamaged;
  if (Decoded d = CheckSeal(kLogMagic, block); d != Decoded::kOk) return d;
  Reader reader(block.data() + kBodyAt);
  header->log = reader.U64();
  header->generation = reader.U64();
  header->capacity = reader.U64();
  header->incarnation = reader.U64();
  const uint64_t flags = reader.U64();
  header->first = (flags & kFlagFirst) != 0;
  header->predecessor = reader.At();
  header->store_id = reader.Id();
  return (flags & ~kFlagFirst) == 0 ? Decoded::kOk : Decoded::kNewer;
}

void EncodeFrameHeader(const FrameHeader& header, char* out) {
  Writer(out)
      .U32(kFrameMagic)
      .U32(0)
      .U32(header.payload_crc)
      .U32(header.payload_bytes)
      .U16(kFrameHeaderBytes)
      .U16(0)  // flags
      .U32(0)  // reserved
      .U64(header.generation)
      .U64(header.log)
      .U64(header.logical_offset)
      .U64(header.physical_offset)
      .At(header.durable);
  Store(Crc32c({out + 8, kFrameHeaderBytes - 8}), out + 4);
}

Decoded DecodeFrameHeader(std::string_view bytes, FrameHeader* header) {
  if (bytes.size() < kFrameHeaderBytes) return Decoded::kDamaged;
  Reader reader(bytes.data());
  if (reader.U32() != kFrameMagic) return Decoded::kDamaged;
  if (reader.U32() != Crc32c(bytes.substr(8, kFrameHeaderBytes - 8))) return Decoded::kDamaged;
  header->payload_crc = reader.U32();
  header->payload_bytes = reader.U32();
  header->header_bytes = reader.U16();
  const uint16_t flags = reader.U16();
  const uint32_t reserved = reader.U32();
  header->generation = reader.U64();
  header->log = reader.U64();
  header->logical_offset = reader.U64();
  header->physical_offset = reader.U64();
  header->durable = reader.At();
  if (header->header_bytes != kFrameHeaderBytes || flags != 0 || reserved != 0) {
    return Decoded::kNewer;
  }
  return header->payload_bytes <= kMaxPayloadBytes ? Decoded::kOk : Decoded::kDamaged;
}

const InventoryEntry* Inventory::Find(uint64_t log) const {
  for (const InventoryEntry& entry : logs) {
    if (entry.log == log) return &entry;
  }
  return nullptr;
}

absl::StatusOr<std::string> EncodeInventory(const Inventory& inventory) {
  if (inventory.logs.size() > kInventoryMaxLogs) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the inventory of logs has room for ", kInventoryMaxLogs, " logs, not for ",
                     inventory.logs.size(), ": use larger log files"));
  }
  const size_t used = kInventoryLogsAt + inventory.logs.size() * kInventoryEntryBytes;
  std::string slot(RoundUp(used, kBlockBytes), '\0');
  Writer writer(slot.data() + kBodyAt);
  writer.U64(inventory.sequence).U64(inventory.incarnation).Id(inventory.store_id);
  writer.U32(static_cast<uint32_t>(inventory.logs.size())).U32(0).U64(0);
  for (const InventoryEntry& entry : inventory.logs) {
    writer.U64(entry.log).U64(entry.generation).U64(entry.capacity).U64(entry.incarnation);
    writer.U64(entry.durable_bytes).U32(entry.complete ? kFlagComplete : 0);
    writer.U32(static_cast<uint32_t>(entry.reach / kReachUnit));
  }
  Seal(kInventoryMagic, slot.data(), slot.size());
  return slot;
}

Decoded DecodeInventory(std::string_view slot, Inventory* inventory) {
  if (slot.size() < kBlockBytes) return Decoded::kDamaged;
  Reader reader(slot.data() + kBodyAt);
  inventory->sequence = reader.U64();
  inventory->incarnation = reader.U64();
  inventory->store_id = reader.Id();
  const uint32_t count = reader.U32();
  if (count > kInventoryMaxLogs) return Decoded::kDamaged;
  const size_t used = RoundUp(kInventoryLogsAt + count * kInventoryEntryBytes, kBlockBytes);
  if (slot.size() < used) return Decoded::kDamaged;
  if (Decoded d = CheckSeal(kInventoryMagic, slot.substr(0, used)); d != Decoded::kOk) return d;
  reader.U32();
  reader.U64();
  inventory->logs.resize(count);
  for (InventoryEntry& entry : inventory->logs) {
    entry.log = reader.U64();
    entry.generation = reader.U64();
    entry.capacity = reader.U64();
    entry.incarnation = reader.U64();
    entry.durable_bytes = reader.U64();
    entry.complete = (reader.U32() & kFlagComplete) != 0;
    entry.reach = reader.U32() * kReachUnit;
  }
  return Decoded::kOk;
}

}  // namespace mooring::wal
