#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "mooring/snapshot_file.h"

namespace mooring::testing {

// A snapshot in memory.
class StringSink : public SnapshotSink {
 public:
  absl::Status Write(std::string_view data) override {
    if (bytes.size() + data.size() > room) {
      return absl::ResourceExhaustedError("the sink is full");
    }
    bytes.append(data);
    return absl::OkStatus();
  }

  std::string bytes;
  size_t room = std::string::npos;
};

// Gives a snapshot in pieces of at most `piece` bytes, as a pipe may.
class StringSource : public SnapshotSource {
 public:
  explicit StringSource(std::string_view bytes, size_t piece = std::string::npos)
      : bytes_(bytes), piece_(piece) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (at_ >= fail_at && !bytes_.empty()) return absl::UnavailableError("the source failed");
    size = std::min({size, piece_, bytes_.size(), fail_at - at_});
    if (size > 0) std::memcpy(buffer, bytes_.data(), size);
    bytes_.remove_prefix(size);
    at_ += size;
    return size;
  }

  size_t fail_at = std::string::npos;

 private:
  std::string_view bytes_;
  const size_t piece_;
  size_t at_ = 0;
};

}  // namespace mooring::testing
