#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/snapshot_file.h"
#include "src/snapshot/format.h"

namespace mooring::snapshot {

// Reads a snapshot from a source, front to back, in constant memory but for its index, and proves
// every byte before it is given. Not thread-safe.
//
// INVALID_ARGUMENT     no snapshot.
// FAILED_PRECONDITION  a newer format, another engine, or a kind of part that is not known.
// DATA_LOSS            damaged, or it ends early; the message has the part and offset.
// others               the source's.
class Reader {
 public:
  // `name` is what errors call it.
  Reader(SnapshotSource* source, std::string name);
  ~Reader();

  // First, and once.
  absl::StatusOr<Head> ReadHead();
  // The next part; nothing once the index stands and the source has ended. All of the part before
  // must have been read.
  absl::StatusOr<std::optional<Part>> NextPart();
  // Some bytes of the part; none at its end, where its size and checksum are proved. Valid until
  // the next call.
  absl::StatusOr<std::string_view> ReadData();

  uint64_t offset() const { return offset_; }  // Bytes read.
  size_t parts() const { return index_.size(); }

 private:
  struct Decompressor;
  struct Record {
    RecordHeader header;
    uint64_t offset = 0;
    std::string_view payload;  // Until the next record.
  };

  [[nodiscard]] absl::Status Fill(char* out, size_t bytes);
  absl::StatusOr<Record> ReadRecord();
  absl::StatusOr<std::string_view> Unpack(const Record& record);
  [[nodiscard]] absl::Status EndPart(const Record& record);
  [[nodiscard]] absl::Status CheckEnd();
  absl::Status Damaged(uint64_t offset, std::string_view what) const;

  SnapshotSource* const source_;
  const std::string name_;
  std::unique_ptr<Decompressor> decompressor_;
  std::string payload_;
  std::string raw_;
  std::vector<IndexEntry> index_;
  std::set<std::string> names_;
  bool in_part_ = false;
  PartEnd end_;  // Of the part under way, so far.
  uint64_t offset_ = 0;
  uint32_t check_ = 0;
};

}  // namespace mooring::snapshot
