#include "bench/archive/load.h"

#include <string.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/workload.h"
#include "mooring/status_macros.h"
#include "mooring/write_batch.h"

namespace mooring::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr absl::Duration kCheckpointTimeout = absl::Minutes(10);
constexpr uint64_t kPutsPerCommit = 1000;
constexpr int kLoadThreads = 4;
constexpr int kSettlingOpenings = 20;

std::string OrderedKey(uint64_t index) { return absl::StrFormat("%016x", index); }

}  // namespace

absl::Status WaitForCheckpoint(Store* store) {
  const Clock::time_point begin = Clock::now();
  for (;;) {
    const ArchiveStatus status = store->archive_status();
    if (status.state == ArchiveStatus::State::kShipping && status.last_checkpoint != 0) {
      return absl::OkStatus();
    }
    if (absl::FromChrono(Clock::now() - begin) > kCheckpointTimeout) {
      return absl::DeadlineExceededError(
          absl::StrCat("no checkpoint in ", absl::FormatDuration(kCheckpointTimeout), ": ",
                       ToString(status), status.last_error.message()));
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
}

absl::StatusOr<std::unique_ptr<MooringPeer>> OpenArchived(const std::string& directory,
                                                          const std::string& url,
                                                          Durability durability) {
  ArchiveOptions archive;
  archive.url = url;
  auto peer = std::make_unique<MooringPeer>(archive, durability);
  PeerOptions options;
  options.directory = directory;
  MOORING_RETURN_IF_ERROR(peer->Open(options));
  if (!url.empty()) MOORING_RETURN_IF_ERROR(WaitForCheckpoint(&peer->store()));
  return peer;
}

absl::StatusOr<Checkpoint> ReopenArchived(const std::string& directory, const std::string& url,
                                          std::unique_ptr<MooringPeer>* peer) {
  if (*peer != nullptr) MOORING_RETURN_IF_ERROR((*peer)->Close());
  MOORING_ASSIGN_OR_RETURN(*peer, OpenArchived(directory, url, Durability::kVolume));
  const ArchiveStatus status = (*peer)->store().archive_status();
  return Checkpoint{static_cast<double>(status.checkpoint_bytes),
                    static_cast<double>(status.checkpoint_bytes_in_all)};
}

absl::StatusOr<double> SettleCheckpoints(const std::string& directory, const std::string& url,
                                         std::unique_ptr<MooringPeer>* peer) {
  double sent = 0;
  for (int opening = 0; opening < kSettlingOpenings; ++opening) {
    absl::SleepFor(absl::Seconds(1));
    MOORING_ASSIGN_OR_RETURN(const Checkpoint checkpoint, ReopenArchived(directory, url, peer));
    sent += checkpoint.sent;
    if (checkpoint.sent < checkpoint.in_all / 1000) break;
  }
  return sent;
}

absl::StatusOr<std::unique_ptr<MooringPeer>> OpenServing(const Ground& ground, bool with_archive,
                                                         Durability durability) {
  std::string url;
  if (with_archive) {
    MOORING_ASSIGN_OR_RETURN(url, ground.place.Fresh());
  }
  MOORING_ASSIGN_OR_RETURN(const std::string directory, ground.scratch.FreshDirectory("store"));
  std::unique_ptr<MooringPeer> peer;
  for (int opening = 0; opening < 2; ++opening) {
    if (peer != nullptr) MOORING_RETURN_IF_ERROR(peer->Close());
    MOORING_ASSIGN_OR_RETURN(peer, OpenArchived(directory, url, durability));
    absl::SleepFor(absl::Seconds(ground.settings.settle));
  }
  return peer;
}

void FillIncompressibly(uint64_t seed, std::string* value) {
  for (size_t i = 0; i < value->size(); i += sizeof(seed)) {
    seed = Scatter(seed);
    memcpy(value->data() + i, &seed, std::min(sizeof(seed), value->size() - i));
  }
}

Records::Records(int64_t mebibytes)
    : count_((static_cast<uint64_t>(mebibytes) << 20) / (kKeyBytes + kValueBytes)) {}

template <typename Index>
absl::Status Records::Write(MooringPeer* peer, uint64_t count, uint64_t salt, Index index) const {
  WriteBatch batch;
  std::string value(kValueBytes, 0);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t record = index(i);
    FillIncompressibly(Scatter(record) ^ salt, &value);
    batch.Put(peer->table(), OrderedKey(record), value);
    if ((i + 1) % kPutsPerCommit != 0 && i + 1 != count) continue;
    MOORING_RETURN_IF_ERROR(peer->store().Commit(batch).status());
    batch = WriteBatch();
  }
  return absl::OkStatus();
}

absl::Status Records::Load(MooringPeer* peer) const {
  uint64_t stride = count_ * 5 / 8 | 1;  // Any without a common divisor visits every record.
  while (std::gcd(stride, count_) != 1) stride += 2;
  return Write(peer, count_, 0, [&](uint64_t i) { return i * stride % count_; });
}

absl::Status Records::ChangeRange(MooringPeer* peer, uint64_t begin, uint64_t count) const {
  return Write(peer, count, begin + 1, [&](uint64_t i) { return (begin + i) % count_; });
}

absl::Status Records::ChangeAnywhere(MooringPeer* peer, uint64_t seed, uint64_t count) const {
  return Write(peer, count, seed + 1, [&](uint64_t i) { return Scatter(seed << 40 | i) % count_; });
}

struct SteadyLoad::Impl {
  Impl(MooringPeer* peer_in, int value_bytes) : peer(peer_in), values(value_bytes) {}

  // One commit at each of its moments; one that is late is made at once.
  void Run(int writer, Clock::duration interval) {
    Clock::time_point next = Clock::now() + interval;
    for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i, next += interval) {
      // Short sleeps, so that a load of one commit a second can be stopped, too.
      while (Clock::now() < next && !stop) {
        std::this_thread::sleep_for(
            std::min<Clock::duration>(next - Clock::now(), std::chrono::milliseconds(10)));
      }
      absl::Status& status = statuses[static_cast<size_t>(writer)];
      status = peer->Commit(writer, Key(writer, i).view(), values.Get(i));
      if (!status.ok()) return;
      ++commits;
    }
  }

  MooringPeer* const peer;
  const Values values;
  const Clock::time_point begin = Clock::now();
  std::atomic<bool> stop{false};
  std::atomic<int64_t> commits{0};
  std::vector<absl::Status> statuses;
  std::vector<std::thread> threads;
};

SteadyLoad::SteadyLoad(MooringPeer* peer, double commits_per_second, int value_bytes)
    : impl_(std::make_unique<Impl>(peer, value_bytes)) {
  const int threads = commits_per_second < 10 ? 1 : kLoadThreads;
  const auto interval = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(threads / commits_per_second));
  impl_->statuses.resize(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    impl_->threads.emplace_back([this, i, interval] { impl_->Run(i, interval); });
  }
}

SteadyLoad::~SteadyLoad() { Stop().IgnoreError(); }

absl::StatusOr<double> SteadyLoad::Stop() {
  impl_->stop = true;
  const std::chrono::duration<double> elapsed = Clock::now() - impl_->begin;
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  for (const absl::Status& status : impl_->statuses) MOORING_RETURN_IF_ERROR(status);
  return static_cast<double>(impl_->commits) / elapsed.count();
}

}  // namespace mooring::bench
