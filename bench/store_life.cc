#include "bench/store_life.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/peers/peer.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"

namespace mooring::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kLoadedInOne = 1000;
constexpr int kColdReads = 500;
constexpr int kMostThreads = 16;
// After an opening, for what is left to prepare.
constexpr absl::Duration kPause = absl::Milliseconds(300);

using Stopwatch = std::chrono::steady_clock;
double SecondsSince(Stopwatch::time_point begin) {
  return std::chrono::duration<double>(Stopwatch::now() - begin).count();
}

// Bytes that the volume has given to what is in `directory`.
double DiskBytes(const std::string& directory) {
  double bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    struct stat info = {};
    if (entry.is_regular_file() && stat(entry.path().c_str(), &info) == 0) {
      bytes += static_cast<double>(info.st_blocks) * 512;
    }
  }
  return bytes;
}

void DropFromPageCache(const std::string& directory) {
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const absl::StatusOr<PosixFile> file = PosixFile::Open(entry.path().string(), O_RDONLY);
    if (file.ok()) posix_fadvise(file->fd(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

class StoreLife {
 public:
  StoreLife(Peer* peer, const LifeSettings& settings, const Scratch& scratch, std::string directory)
      : peer_(peer),
        settings_(settings),
        scratch_(scratch),
        values_(static_cast<size_t>(settings.value_bytes)) {
    options_.directory = std::move(directory);
    options_.writers = kMostThreads;
    options_.cache_bytes = kCacheBytes;
  }

  // Three numbers for each workload, and the disk's ratio.
  absl::StatusOr<Numbers> Run() {
    MOORING_RETURN_IF_ERROR(OpenSettled(options_, kPause, peer_));
    MOORING_RETURN_IF_ERROR(Load());
    MOORING_RETURN_IF_ERROR(Reopen());
    AwaitIdle();
    scratch_.Settle();
    MOORING_RETURN_IF_ERROR(peer_->Close());
    const double disk_ratio =
        DiskBytes(options_.directory) /
        (static_cast<double>(settings_.records) * (settings_.value_bytes + 16));
    MOORING_RETURN_IF_ERROR(peer_->Open(options_));
    AwaitIdle();
    scratch_.Settle();
    DropFromPageCache(options_.directory);
    MOORING_RETURN_IF_ERROR(ReadCold());
    MOORING_RETURN_IF_ERROR(ReadAll());
    for (const Workload& workload : Workloads()) {
      if (workload.name == "load" || workload.name == "get cold") continue;
      MOORING_RETURN_IF_ERROR(Measure(workload));
    }
    MOORING_RETURN_IF_ERROR(peer_->Close());
    numbers_.push_back(disk_ratio);
    return numbers_;
  }

 private:
  // What an opening replays goes into files, for those that do so.
  absl::Status Reopen() {
    MOORING_RETURN_IF_ERROR(peer_->Close());
    return peer_->Open(options_);
  }

  absl::Status CommitMany(int writer, uint64_t first, int count) {
    std::vector<Key> keys;
    std::vector<Pair> pairs;
    for (int i = 0; i < count; ++i) keys.emplace_back(writer, first + static_cast<uint64_t>(i));
    for (int i = 0; i < count; ++i) {
      pairs.push_back(
          {keys[static_cast<size_t>(i)].view(), values_.Get(first + static_cast<uint64_t>(i))});
    }
    return peer_->CommitAll(writer, pairs);
  }

  absl::Status Load() {
    const auto begin = Stopwatch::now();
    const double processor = ProcessorSeconds();
    for (int i = 0; i < settings_.records; i += kLoadedInOne) {
      MOORING_RETURN_IF_ERROR(
          CommitMany(0, static_cast<uint64_t>(i), std::min(kLoadedInOne, settings_.records - i)));
    }
    Keep(SecondsSince(begin), processor, settings_.records / static_cast<double>(kLoadedInOne));
    return absl::OkStatus();
  }

  absl::Status ReadCold() {
    const auto begin = Stopwatch::now();
    const double processor = ProcessorSeconds();
    std::string value;
    for (uint64_t i = 0; i < kColdReads; ++i) {
      MOORING_RETURN_IF_ERROR(peer_->Read(0, AnyKey(0, i).view(), &value).status());
    }
    Keep(SecondsSince(begin), processor, kColdReads);
    return absl::OkStatus();
  }

  absl::Status ReadAll() { return peer_->Scan(0, "0", settings_.records).status(); }

  void Keep(double seconds, double processor_before, double calls) {
    numbers_.push_back(calls / seconds);
    numbers_.push_back(seconds / calls * 1e6);
    numbers_.push_back((ProcessorSeconds() - processor_before) / calls * 1e6);
  }

  absl::Status Measure(const Workload& workload) {
    std::atomic<uint64_t> calls{0};
    const double processor = ProcessorSeconds();
    const Call call = [&](int thread, uint64_t index) {
      calls.fetch_add(1, std::memory_order_relaxed);
      return Operate(workload, thread, index);
    };
    MOORING_ASSIGN_OR_RETURN(const CallRate rate, MeasureCalls(workload.threads, call,
                                                               absl::Seconds(settings_.seconds / 4),
                                                               absl::Seconds(settings_.seconds)));
    numbers_.push_back(rate.per_second);
    numbers_.push_back(rate.p50_us);
    numbers_.push_back((ProcessorSeconds() - processor) / static_cast<double>(calls) * 1e6);
    return absl::OkStatus();
  }

  absl::Status Operate(const Workload& workload, int thread, uint64_t index) {
    const Key key = AnyKey(thread, index);
    if (workload.name == "commit of 100") {
      // New keys, of a writer of their own.
      return CommitMany(thread, (uint64_t{1} << 32) + index * 100, workload.records);
    }
    if (workload.name == "scan") {
      return peer_->Scan(thread, key.view(), workload.records).status();
    }
    if (workload.name == "scan back") {
      return peer_->ScanBack(thread, key.view(), workload.records).status();
    }
    if (workload.name == "multiget") return MultiGet(thread, index, workload.records);
    std::string value;
    const absl::StatusOr<bool> there = peer_->Read(thread, key.view(), &value);
    MOORING_RETURN_IF_ERROR(there.status());
    return *there ? absl::OkStatus() : absl::DataLossError("a record is missing");
  }

  absl::Status MultiGet(int thread, uint64_t index, int count) {
    std::vector<Key> keys;
    std::vector<std::string_view> views;
    for (int i = 0; i < count; ++i) {
      keys.push_back(
          AnyKey(thread, index * static_cast<uint64_t>(count) + static_cast<uint64_t>(i)));
    }
    for (const Key& key : keys) views.push_back(key.view());
    MOORING_ASSIGN_OR_RETURN(const uint64_t found, peer_->MultiGet(thread, views));
    if (found == keys.size()) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(keys.size() - found, " records are missing"));
  }

  // Of the records that were loaded.
  Key AnyKey(int thread, uint64_t index) const {
    const uint64_t any = Scatter(index ^ static_cast<uint64_t>(thread) << 48);
    return Key(0, any % static_cast<uint64_t>(settings_.records));
  }

  Peer* const peer_;
  const LifeSettings& settings_;
  const Scratch& scratch_;
  const Values values_;
  PeerOptions options_;
  Numbers numbers_;
};

}  // namespace

const std::vector<Workload>& Workloads() {
  static const auto* const kWorkloads = new std::vector<Workload>{
      {"load", 1, kLoadedInOne}, {"get cold", 1, 1},         {"get", 2, 1},
      {"multiget", 1, 100},      {"scan", 1, 1000},          {"scan back", 1, 1000},
      {"commit of 100", 1, 100}, {"commit of 100", 16, 100},
  };
  return *kWorkloads;
}

absl::StatusOr<Life> Live(const std::string& name, const LifeSettings& settings,
                          const Scratch& scratch) {
  MOORING_ASSIGN_OR_RETURN(const std::string directory, scratch.FreshDirectory("peer"));
  const auto work = [&]() -> absl::StatusOr<Numbers> {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Peer> peer, MakePeer(name));
    return StoreLife(peer.get(), settings, scratch, directory).Run();
  };
  Life life;
  double most_bytes = 0;
  MOORING_ASSIGN_OR_RETURN(const Numbers numbers, InChild(work, /*crash=*/false, &most_bytes));
  if (numbers.size() != 3 * Workloads().size() + 1) {
    return absl::InternalError(absl::StrCat(name, " reported ", numbers.size(), " numbers"));
  }
  for (size_t i = 0; i + 3 < numbers.size(); i += 3) {
    life.workloads.push_back({{numbers[i], numbers[i + 1], 0}, numbers[i + 2]});
  }
  life.disk_ratio = numbers.back();
  life.most_mib = most_bytes / (1 << 20);
  return life;
}

}  // namespace mooring::bench
