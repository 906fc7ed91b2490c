#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/archive/section.h"
#include "bench/peers/mooring.h"
#include "mooring/store.h"

namespace mooring::bench {

// Returns when the first checkpoint of this opening stands.
[[nodiscard]] absl::Status WaitForCheckpoint(Store* store);

// A store on `directory` with an archive at `url` (none where that is empty), its first checkpoint
// standing.
absl::StatusOr<std::unique_ptr<MooringPeer>> OpenArchived(const std::string& directory,
                                                          const std::string& url,
                                                          Durability durability);

// What the first checkpoint of an opening was.
struct Checkpoint {
  double sent = 0;
  double in_all = 0;
};

// Closes the store, where there is one, and opens it again, which makes a checkpoint of what was
// changed.
absl::StatusOr<Checkpoint> ReopenArchived(const std::string& directory, const std::string& url,
                                          std::unique_ptr<MooringPeer>* peer);

// Opens until a checkpoint finds next to nothing new: then what was to be compacted is. Answers the
// bytes that were sent for it.
absl::StatusOr<double> SettleCheckpoints(const std::string& directory, const std::string& url,
                                         std::unique_ptr<MooringPeer>* peer);

// A fresh store as a service has it: not its first opening, and left alone for a while after each.
absl::StatusOr<std::unique_ptr<MooringPeer>> OpenServing(const Ground& ground, bool with_archive,
                                                         Durability durability);

// Bytes that nothing makes smaller, however much of them is compressed together.
void FillIncompressibly(uint64_t seed, std::string* value);

// Records under ordered keys: so neighbours can be told from records anywhere.
class Records {
 public:
  static constexpr int kValueBytes = 1000;
  static constexpr int kKeyBytes = 16;

  explicit Records(int64_t mebibytes);
  uint64_t count() const { return count_; }
  uint64_t total_bytes() const { return count_ * (kKeyBytes + kValueBytes); }

  // All of them in random order.
  [[nodiscard]] absl::Status Load(MooringPeer* peer) const;
  // `count` new values: from record `begin` on, or anywhere.
  [[nodiscard]] absl::Status ChangeRange(MooringPeer* peer, uint64_t begin, uint64_t count) const;
  [[nodiscard]] absl::Status ChangeAnywhere(MooringPeer* peer, uint64_t seed, uint64_t count) const;

 private:
  template <typename Index>
  absl::Status Write(MooringPeer* peer, uint64_t count, uint64_t salt, Index index) const;

  const uint64_t count_;
};

// Threads that together make `commits_per_second` commits of one put at kVolume, until they are
// stopped.
class SteadyLoad {
 public:
  SteadyLoad(MooringPeer* peer, double commits_per_second, int value_bytes);
  ~SteadyLoad();

  // The commits a second that were made. The first error of a commit.
  absl::StatusOr<double> Stop();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mooring::bench
