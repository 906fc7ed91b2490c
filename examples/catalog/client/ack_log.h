#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace catalog {

// One acknowledgement: for which value, as which version, how durable, and when it came.
struct Ack {
  uint64_t hash = 0;
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  bool archived = false;  // Asked for at archive durability; else at volume durability.
  int64_t time_ms = 0;    // Since 1970.
};

// The acknowledgement in the service's answer to a write, {"version":"3.17"}. Empty: it is none.
std::optional<Ack> ParseVersion(const std::string& answer);

// What the service has acknowledged, on the client's side: a line
// "<hash of the value> <version> <volume or archive> <time> <key>" for each, handed to the kernel
// before the next request of that thread is sent. It is the oracle that recovered state is held
// against.
class AckLog {
 public:
  using Entries = std::unordered_map<std::string, Ack>;

  // All entries of the log; none where there is no file yet. A torn last line is no entry.
  static absl::StatusOr<Entries> Read(const std::string& path);

  // Takes the entries of `keys` off the log, which nobody may be appending to.
  static absl::Status Remove(const std::string& path, const std::unordered_set<std::string>& keys);

  // Opens the log for appending; first cuts a torn last line off.
  explicit AckLog(const std::string& path);
  ~AckLog();
  AckLog(const AckLog&) = delete;
  AckLog& operator=(const AckLog&) = delete;

  absl::Status status() const { return status_; }
  // Thread-safe. False: the entry may not be in the log; see errno.
  bool Append(std::string_view key, const Ack& ack);

 private:
  int fd_ = -1;
  absl::Status status_;
  std::mutex mutex_;
};

}  // namespace catalog
