#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/snapshot_file.h"
#include "src/base/posix_file.h"

namespace mooring::snapshot {

// A file written front to back that has begun to reach the device before it is synced, so that the
// sync finds little left. Not thread-safe.
class StreamedFile {
 public:
  explicit StreamedFile(PosixFile file) : file_(std::move(file)) {}

  [[nodiscard]] absl::Status Append(std::string_view data);
  // Each Append() waits for the device from now on, or no longer: so that whoever measures how long
  // it takes knows what it costs others.
  void WaitForDevice(bool wait) { wait_ = wait; }
  [[nodiscard]] absl::Status Sync() { return file_.Sync(); }
  const PosixFile& file() const { return file_; }

 private:
  PosixFile file_;
  uint64_t size_ = 0;
  uint64_t sent_ = 0;
  bool wait_ = false;
};

// A sink that is a file `<path>.partial` until it is published, whole and synced, under its name.
class PublishedFile : public SnapshotSink {
 public:
  // ALREADY_EXISTS where there is something at `path`; FAILED_PRECONDITION where another process is
  // writing to it. What a killed one left is overwritten.
  static absl::StatusOr<std::unique_ptr<PublishedFile>> Create(const std::string& path);
  ~PublishedFile() override;  // Removes what was not published.

  [[nodiscard]] absl::Status Write(std::string_view data) override { return file_.Append(data); }
  [[nodiscard]] absl::Status Publish();
  void WaitForDevice(bool wait) { file_.WaitForDevice(wait); }

 private:
  PublishedFile(std::string path, PosixFile file);

  const std::string path_;
  const std::string partial_;
  StreamedFile file_;
  bool published_ = false;
};

}  // namespace mooring::snapshot
