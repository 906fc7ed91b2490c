#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace catalog {

// What the service has acknowledged, on the client's side: a line "<key> <hash of the value>" for
// each, handed to the kernel before the next request of that thread is sent. It is the oracle that
// recovered state is held against.
class AckLog {
 public:
  using Entries = std::unordered_map<std::string, uint64_t>;

  // All entries of the log; none where there is no file yet. A torn last line is no entry.
  static absl::StatusOr<Entries> Read(const std::string& path);

  // Opens the log for appending; first cuts a torn last line off.
  explicit AckLog(const std::string& path);
  ~AckLog();
  AckLog(const AckLog&) = delete;
  AckLog& operator=(const AckLog&) = delete;

  absl::Status status() const { return status_; }
  // Thread-safe. False: the entry may not be in the log; see errno.
  bool Append(std::string_view key, uint64_t hash);

 private:
  int fd_ = -1;
  absl::Status status_;
  std::mutex mutex_;
};

}  // namespace catalog
