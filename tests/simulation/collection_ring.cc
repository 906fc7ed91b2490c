#include "tests/simulation/collection_ring.h"

#include <algorithm>
#include <random>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "src/archive/collector.h"

namespace mooring::testing {
namespace {

constexpr int kPaddingWords = 40;
// No test takes longer.
constexpr absl::Duration kLongest = absl::Hours(2);

}  // namespace

RingCommit RingCommit::Next(int64_t its_owner) const {
  RingCommit next{number + 1, its_owner, hash};
  for (const uint64_t part :
       {static_cast<uint64_t>(next.number), static_cast<uint64_t>(its_owner)}) {
    next.hash = (next.hash ^ part) * 0x100000001b3u + 0x9e3779b97f4a7c15u;
    next.hash ^= next.hash >> 29;
  }
  return next;
}

std::string RingCommit::Key() const { return absl::StrCat("r", number % kRingCommits); }

std::string RingCommit::Value() const {
  std::string value = absl::StrCat(number, " ", owner, " ", hash);
  std::mt19937_64 random(hash);
  for (int i = 0; i < kPaddingWords; ++i) absl::StrAppend(&value, " ", absl::Hex(random()));
  return value;
}

absl::StatusOr<std::map<int64_t, RingCommit>> ReadRing(const Table& table) {
  std::map<int64_t, RingCommit> ring;
  Iterator it = table.Scan();
  for (; it.Valid(); it.Next()) {
    const std::string value(it.value());
    const std::vector<std::string> parts = absl::StrSplit(value, absl::MaxSplits(' ', 3));
    RingCommit commit;
    if (parts.size() != 4 || !absl::SimpleAtoi(parts[0], &commit.number) ||
        !absl::SimpleAtoi(parts[1], &commit.owner) || !absl::SimpleAtoi(parts[2], &commit.hash) ||
        commit.Value() != value || commit.Key() != std::string(it.key())) {
      return absl::DataLossError(absl::StrCat(std::string(it.key()), " holds ", value));
    }
    ring[commit.number] = commit;
  }
  if (!it.status().ok()) return it.status();
  if (ring.empty()) return ring;
  const int64_t last = ring.rbegin()->first;
  if (static_cast<int64_t>(ring.size()) != std::min(last, kRingCommits)) {
    return absl::DataLossError(absl::StrCat(ring.size(), " commits up to ", last));
  }
  const RingCommit* before = nullptr;
  for (const auto& [number, commit] : ring) {
    const bool follows = before == nullptr || before->Next(commit.owner).hash == commit.hash;
    if (!follows || (before != nullptr && before->owner > commit.owner)) {
      return absl::DataLossError(absl::StrCat("commit ", number, " of owner ", commit.owner,
                                              " does not follow owner ", before->owner, "'s"));
    }
    before = &commit;
  }
  return ring;
}

int64_t FastClock::Now() const {
  const int64_t real = absl::ToUnixMicros(absl::Now());
  return begin_us + kFaster * (real - begin_us - absl::ToInt64Microseconds(kLongest));
}

void CollectFast(FastClock clock, bool pins_are_kept) {
  archive::CollectionOptions& options = archive::DefaultCollection();
  options.period = absl::Milliseconds(100);
  options.scrub_period = absl::Seconds(1);
  options.checkpoint_interval = absl::Seconds(1);
  options.now_us = [clock] { return clock.Now(); };
  options.pins_are_kept = pins_are_kept;
}

Options RingOptions(const std::string& volume, const std::string& archive) {
  Options options;
  options.volume = volume;
  options.allow_unsafe_volume = true;  // The disk of a test may be a container's own.
  options.cache_bytes = options.write_buffer_bytes = options.wal_file_bytes = int64_t{1} << 20;
  options.max_wal_bytes = int64_t{2} << 20;
  options.acquire_timeout = absl::Seconds(60);
  options.archive.url = archive;
  options.archive.ship_interval = absl::Milliseconds(20);
  options.archive.fence_check_interval = absl::Milliseconds(500);
  options.archive.takeover_wait = absl::Milliseconds(50);
  options.archive.retention = kRetention;
  return options;
}

}  // namespace mooring::testing
