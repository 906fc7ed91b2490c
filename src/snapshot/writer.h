#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "mooring/snapshot_file.h"
#include "src/snapshot/format.h"

namespace mooring::snapshot {

// Writes a snapshot to a sink, front to back, in constant memory but for its index. The calls come
// in the order of the file: Begin(), then BeginPart(), Add() and EndPart() for each part, then
// Finish(). After an error nothing more may be called. Not thread-safe.
class Writer {
 public:
  Writer(SnapshotSink* sink, bool compress);
  ~Writer();

  [[nodiscard]] absl::Status Begin(const Head& head);
  [[nodiscard]] absl::Status BeginPart(Part part);
  // Where the caller puts the next bytes of the part, up to kChunkBytes.
  char* buffer() { return chunk_.data() + kRecordHeaderBytes; }
  // Takes the first `bytes` of buffer().
  [[nodiscard]] absl::Status Add(size_t bytes);
  // What Add() was given since BeginPart().
  const PartEnd& so_far() const { return end_; }
  [[nodiscard]] absl::Status EndPart();
  [[nodiscard]] absl::Status Finish();

  uint64_t written() const { return offset_; }
  size_t parts() const { return index_.size(); }

 private:
  struct Compressor;
  [[nodiscard]] absl::Status Emit(RecordHeader header, std::string* record);
  [[nodiscard]] absl::Status EmitPayload(RecordType type, std::string_view payload);
  size_t Compress(size_t bytes);

  SnapshotSink* const sink_;
  const bool compress_;
  std::unique_ptr<Compressor> compressor_;
  std::string chunk_;       // Room for a record's header, and a chunk as it is.
  std::string compressed_;  // The same, compressed.
  std::vector<IndexEntry> index_;
  PartEnd end_;
  bool compress_part_ = false;
  uint64_t offset_ = 0;
  uint32_t check_ = 0;
};

}  // namespace mooring::snapshot
