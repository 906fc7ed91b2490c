#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The bytes of a snapshot file; FORMAT.md has the diagram and N1 to N7.
namespace mooring::snapshot {

inline constexpr std::string_view kMagic = "MOORSNAP";
inline constexpr uint32_t kFormat = 1;
inline constexpr std::string_view kEngine = "rocksdb";
inline constexpr size_t kPreambleBytes = 16;
inline constexpr size_t kRecordHeaderBytes = 16;
inline constexpr size_t kChunkBytes = size_t{1} << 20;
inline constexpr size_t kMaxPayloadBytes = size_t{64} << 20;  // But of DATA: kChunkBytes.
inline constexpr uint64_t kUnknownSize = std::numeric_limits<uint64_t>::max();

enum class RecordType : uint32_t {
  kHead = 0x44414548,  // "HEAD"
  kPart = 0x54524150,  // "PART"
  kData = 0x41544144,  // "DATA"
  kDone = 0x454e4f44,  // "DONE"
  kIndex = 0x58444e49  // "INDX"
};

struct RecordHeader {
  RecordType type = RecordType::kHead;
  uint32_t length = 0;
  uint32_t raw = 0;
  uint32_t check = 0;
};

enum class PartKind : uint32_t {
  kTableFile = 1,
  kManifest = 2,
  kCurrent = 3,
  kRows = 16,  // Reserved: rows by table and key, of no engine.
};

// One open of the store, and the first operation that it could write.
struct PastWriter {
  std::string incarnation;
  uint64_t epoch = 0;
  uint64_t first_sequence = 0;
};

struct Head {
  std::string engine;
  std::string store_id;
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  int64_t commit_time_us = 0;
  int64_t export_time_us = 0;
  uint64_t bytes = 0;
  std::vector<std::string> tables;
  std::vector<PastWriter> past;
};

struct Part {
  PartKind kind = PartKind::kTableFile;
  std::string name;
  uint64_t bytes = kUnknownSize;
};

struct PartEnd {
  uint64_t bytes = 0;
  uint32_t crc32c = 0;
};

struct IndexEntry {
  Part part;
  uint32_t crc32c = 0;
  uint64_t offset = 0;
};

std::string EncodePreamble();
// INVALID_ARGUMENT: no snapshot; DATA_LOSS: damaged; FAILED_PRECONDITION: a newer format, by
// number. Without the name and place.
[[nodiscard]] absl::Status CheckPreamble(std::string_view bytes);

// `header` without its check, into 12 bytes at `out`; and with it, into kRecordHeaderBytes.
void EncodeRecordHeader(const RecordHeader& header, char* out);
RecordHeader DecodeRecordHeader(std::string_view bytes);
// Whether a reader can take the record in: its type is known and its length within the bounds.
bool IsPlausible(const RecordHeader& header);
std::string TypeName(RecordType type);

// Each decoder answers INVALID_ARGUMENT, saying what is wrong.
std::string EncodeHead(const Head& head);
absl::StatusOr<Head> DecodeHead(std::string_view payload);
std::string EncodePart(const Part& part);
absl::StatusOr<Part> DecodePart(std::string_view payload);
std::string EncodePartEnd(const PartEnd& end);
absl::StatusOr<PartEnd> DecodePartEnd(std::string_view payload);
std::string EncodeIndex(const std::vector<IndexEntry>& entries);
// Whether a payload is the index of these parts (N7: more may follow).
[[nodiscard]] absl::Status CheckIndex(std::string_view payload,
                                      const std::vector<IndexEntry>& entries);

// N5. UNIMPLEMENTED for a kind that only a newer version reads.
[[nodiscard]] absl::Status CheckPart(const Part& part);

}  // namespace mooring::snapshot
