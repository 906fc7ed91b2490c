#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// The bytes of log files and of the inventory of logs. FORMAT.md has the diagrams and the
// invariants W1 to W9. All numbers are little-endian.
namespace mooring::wal {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kBlockBytes = 4096;
inline constexpr uint64_t kHeaderBytes = kBlockBytes;
inline constexpr uint64_t kFrameHeaderBytes = 80;
inline constexpr uint64_t kFrameAlignment = 8;
inline constexpr uint64_t kMaxPayloadBytes = 8 << 20;  // of one frame
inline constexpr uint32_t kFrameMagic = 0x4d52464d;    // "MFRM"

using StoreId = std::array<uint8_t, 16>;

// From 32 hexadecimal digits, or INVALID_ARGUMENT.
absl::StatusOr<StoreId> ParseStoreId(std::string_view hex);
std::string StoreIdToString(const StoreId& id);

// A place in a log, in logical bytes: those that RocksDB wrote. `generation` is that of the file's
// present use.
struct Position {
  uint64_t log = 0;
  uint64_t generation = 0;
  uint64_t offset = 0;

  friend bool operator==(const Position& a, const Position& b) {
    return a.log == b.log && a.generation == b.generation && a.offset == b.offset;
  }
  friend bool operator!=(const Position& a, const Position& b) { return !(a == b); }
  // By place, which means something only within one incarnation.
  friend bool operator<(const Position& a, const Position& b) {
    return a.log < b.log || (a.log == b.log && a.offset < b.offset);
  }
};

// The first block of a log file.
struct LogHeader {
  uint64_t log = 0;
  uint64_t generation = 0;
  uint64_t capacity = 0;  // bytes the file had, all written, when the log was made
  uint64_t incarnation = 0;
  bool first = false;  // the first log of its incarnation; it has no predecessor
  Position predecessor;
  StoreId store_id{};

  friend bool operator==(const LogHeader& a, const LogHeader& b) {
    return a.log == b.log && a.generation == b.generation && a.capacity == b.capacity &&
           a.incarnation == b.incarnation && a.first == b.first && a.predecessor == b.predecessor &&
           a.store_id == b.store_id;
  }
};

// What stands before a frame's payload.
struct FrameHeader {
  uint64_t generation = 0;
  uint64_t log = 0;
  uint64_t logical_offset = 0;
  uint64_t physical_offset = 0;
  uint32_t payload_bytes = 0;
  uint32_t payload_crc = 0;
  uint32_t header_bytes = kFrameHeaderBytes;
  Position durable;  // known to be on the disk when this frame was written

  friend bool operator==(const FrameHeader& a, const FrameHeader& b) {
    return a.generation == b.generation && a.log == b.log && a.logical_offset == b.logical_offset &&
           a.physical_offset == b.physical_offset && a.payload_bytes == b.payload_bytes &&
           a.payload_crc == b.payload_crc && a.header_bytes == b.header_bytes &&
           a.durable == b.durable;
  }
};

// One log that must exist, as the inventory knows it.
struct InventoryEntry {
  uint64_t log = 0;
  uint64_t generation = 0;
  uint64_t capacity = 0;
  uint64_t incarnation = 0;
  uint64_t durable_bytes = 0;  // logical; at least so many are on the disk
  bool complete = false;       // closed and synced: exactly `durable_bytes`
  uint64_t reach = 0;          // W9: physical, whole kReachUnit; no frame ends beyond. 0: unknown

  friend bool operator==(const InventoryEntry& a, const InventoryEntry& b) {
    return a.log == b.log && a.generation == b.generation && a.capacity == b.capacity &&
           a.incarnation == b.incarnation && a.durable_bytes == b.durable_bytes &&
           a.complete == b.complete && a.reach == b.reach;
  }
};

// One slot of the inventory.
struct Inventory {
  uint64_t sequence = 0;  // of the write; the slot with the larger one counts
  uint64_t incarnation = 0;
  StoreId store_id{};
  std::vector<InventoryEntry> logs;
  bool current = true;  // not in the file: false where the other slot is lost, and may be newer

  // Its entry, or null.
  const InventoryEntry* Find(uint64_t log) const;
};

inline constexpr uint64_t kReachUnit = 64 << 10;
inline constexpr uint64_t kInventorySlotBytes = 64 << 10;
inline constexpr uint64_t kInventoryBytes = 2 * kInventorySlotBytes;
inline constexpr size_t kInventoryMaxLogs = 1300;

// Why bytes are not what they should be.
enum class Decoded {
  kOk,
  kDamaged,  // or never written
  kNewer,    // written by a newer version of the format
};

// Writes kHeaderBytes.
void EncodeLogHeader(const LogHeader& header, char* out);
Decoded DecodeLogHeader(std::string_view block, LogHeader* header);

// Writes kFrameHeaderBytes; payload_bytes and payload_crc must be set.
void EncodeFrameHeader(const FrameHeader& header, char* out);
// Proves the header, not the payload.
Decoded DecodeFrameHeader(std::string_view bytes, FrameHeader* header);

// The slot, zero-padded to whole blocks. RESOURCE_EXHAUSTED beyond kInventoryMaxLogs.
absl::StatusOr<std::string> EncodeInventory(const Inventory& inventory);
Decoded DecodeInventory(std::string_view slot, Inventory* inventory);

inline uint64_t RoundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

// The bytes a frame takes in the file.
inline uint64_t FrameBytes(uint64_t header_bytes, uint64_t payload_bytes) {
  return RoundUp(header_bytes + payload_bytes, kFrameAlignment);
}

}  // namespace mooring::wal
