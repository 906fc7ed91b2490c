// What do opening, a first read and closing take as a store grows, against other stores?

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/child.h"
#include "bench/flags.h"
#include "bench/peers/peer.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench/scratch.h"
#include "bench/workload.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

struct Settings : CommonSettings {
  Settings() : CommonSettings(5) {}

  std::vector<int> sizes_mib = {10, 100};
  int value_bytes = 1000;
  std::vector<std::string> peers = {"rocksdb", "leveldb", "mooring"};
};

constexpr uint64_t kLoadedInOne = 1000;
constexpr uint64_t kCommitsBeforeCrash = 1000;

// What is measured, in the order in which the children report it.
constexpr const char* kWhat[] = {"open ms", "first read ms", "close ms", "open after a crash ms"};
constexpr size_t kWhats = std::size(kWhat);

// By the size in MiB and the peer; of each kWhat, as many as there were rounds.
using Times = std::map<std::pair<int, std::string>, std::vector<double>[kWhats]>;

class Growing {
 public:
  Growing(const Settings& settings, const std::string& name, int mib, std::string directory)
      : name_(name),
        records_((static_cast<uint64_t>(mib) << 20) / static_cast<uint64_t>(settings.value_bytes)),
        values_(static_cast<size_t>(settings.value_bytes)) {
    options_.directory = std::move(directory);
    options_.cache_bytes = kCacheBytes;
  }

  absl::StatusOr<Numbers> Load() const {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Peer> peer, Open());
    for (uint64_t first = 0; first < records_; first += kLoadedInOne) {
      std::vector<Key> keys;
      std::vector<Pair> pairs;
      const uint64_t end = std::min(records_, first + kLoadedInOne);
      for (uint64_t i = first; i < end; ++i) keys.emplace_back(0, i);
      for (uint64_t i = first; i < end; ++i) {
        pairs.push_back({keys[i - first].view(), values_.Get(i)});
      }
      MOORING_RETURN_IF_ERROR(peer->CommitAll(0, pairs));
    }
    MOORING_RETURN_IF_ERROR(peer->Close());
    return Numbers();
  }

  // Nothing of what was left to be compacted is left to a measurement.
  absl::StatusOr<Numbers> Settle() const {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Peer> peer, Open());
    AwaitIdle();
    MOORING_RETURN_IF_ERROR(peer->Close());
    return Numbers();
  }

  absl::StatusOr<Numbers> OpenReadClose(uint64_t round) const {
    Numbers times;
    Begin();
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Peer> peer, Open());
    times.push_back(Lap());
    std::string value;
    MOORING_ASSIGN_OR_RETURN(const bool there,
                             peer->Read(0, Key(0, Scatter(round) % records_).view(), &value));
    times.push_back(Lap());
    if (!there) return absl::DataLossError("a record is missing");
    Begin();
    MOORING_RETURN_IF_ERROR(peer->Close());
    times.push_back(Lap());
    return times;
  }

  absl::StatusOr<Numbers> CommitUntilCrash() const {
    MOORING_ASSIGN_OR_RETURN(std::unique_ptr<Peer> peer, Open());
    for (uint64_t i = 0; i < kCommitsBeforeCrash; ++i) {
      MOORING_RETURN_IF_ERROR(peer->Commit(0, Key(0, i % records_).view(), values_.Get(i)));
    }
    peer.release();  // What follows is a crash: nothing may be closed.
    return Numbers();
  }

  absl::StatusOr<Numbers> OpenOnly() const {
    Begin();
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Peer> peer, Open());
    const double open_ms = Lap();
    MOORING_RETURN_IF_ERROR(peer->Close());
    return Numbers{open_ms};
  }

 private:
  using Clock = std::chrono::steady_clock;

  absl::StatusOr<std::unique_ptr<Peer>> Open() const {
    MOORING_ASSIGN_OR_RETURN(std::unique_ptr<Peer> peer, MakePeer(name_));
    MOORING_RETURN_IF_ERROR(peer->Open(options_));
    return peer;
  }
  void Begin() const { begin_ = Clock::now(); }
  double Lap() const {
    const Clock::time_point now = Clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(begin_, now)).count();
  }

  const std::string name_;
  const uint64_t records_;
  const Values values_;
  PeerOptions options_;
  mutable Clock::time_point begin_;
};

absl::Status MeasureRound(const Growing& growing, const Scratch& scratch, uint64_t round,
                          std::vector<double> (*times)[kWhats]) {
  MOORING_ASSIGN_OR_RETURN(Numbers numbers,
                           InChild([&] { return growing.OpenReadClose(round); }, /*crash=*/false));
  MOORING_RETURN_IF_ERROR(
      InChild([&] { return growing.CommitUntilCrash(); }, /*crash=*/true).status());
  scratch.Settle();
  MOORING_ASSIGN_OR_RETURN(const Numbers crashed,
                           InChild([&] { return growing.OpenOnly(); }, /*crash=*/false));
  numbers.insert(numbers.end(), crashed.begin(), crashed.end());
  MOORING_RETURN_IF_ERROR(InChild([&] { return growing.Settle(); }, /*crash=*/false).status());
  if (numbers.size() != kWhats) return absl::InternalError("a child reported too little");
  for (size_t i = 0; i < kWhats; ++i) (*times)[i].push_back(numbers[i]);
  return absl::OkStatus();
}

absl::Status MeasureSize(const Settings& settings, const Scratch& scratch,
                         const std::vector<std::string>& peers, int mib, Times* times) {
  std::vector<Growing> growing;
  for (const std::string& name : peers) {
    MOORING_ASSIGN_OR_RETURN(const std::string directory, scratch.FreshDirectory(name));
    growing.emplace_back(settings, name, mib, directory);
    const Growing& peer = growing.back();
    MOORING_RETURN_IF_ERROR(InChild([&] { return peer.Load(); }, /*crash=*/false).status());
    MOORING_RETURN_IF_ERROR(InChild([&] { return peer.Settle(); }, /*crash=*/false).status());
    scratch.Settle();
    fprintf(stderr, "%s holds %d MiB\n", name.c_str(), mib);
  }
  for (int round = 0; round < settings.rounds; ++round) {
    for (size_t i = 0; i < peers.size(); ++i) {
      const size_t next = (i + static_cast<size_t>(round)) % peers.size();
      MOORING_RETURN_IF_ERROR(MeasureRound(growing[next], scratch, static_cast<uint64_t>(round),
                                           &(*times)[{mib, peers[next]}]));
    }
  }
  return absl::OkStatus();
}

std::string ToTable(const Times& times) {
  TextTable table;
  std::vector<std::string> heading = {"MiB", "peer"};
  for (const char* what : kWhat) {
    heading.push_back(what);
    heading.push_back("x rocksdb");
  }
  table.AddRow(heading);
  for (const auto& [cell, by_what] : times) {
    std::vector<std::string> row = {absl::StrCat(cell.first), cell.second};
    const auto base = times.find({cell.first, "rocksdb"});
    for (size_t i = 0; i < kWhats; ++i) {
      row.push_back(FormatNumber(Median(by_what[i])));
      row.push_back(base == times.end() ? "-"
                                        : FormatNumber(MedianRatio(by_what[i], base->second[i])));
    }
    table.AddRow(row);
  }
  return table.ToString();
}

JsonObject ToJson(const Settings& settings, const std::string& file_system, const Times& times) {
  std::vector<JsonObject> rows;
  for (const auto& [cell, by_what] : times) {
    const auto base = times.find({cell.first, "rocksdb"});
    for (size_t i = 0; i < kWhats; ++i) {
      rows.emplace_back();
      rows.back()
          .Set("mib", cell.first)
          .Set("peer", cell.second)
          .Set("what", kWhat[i])
          .Set("ms", Median(by_what[i]))
          .Set("ratio_to_rocksdb",
               base == times.end() ? 0 : MedianRatio(by_what[i], base->second[i]))
          .Set("ms_by_round", by_what[i]);
    }
  }
  JsonObject report;
  report.Set("benchmark", "growth_bench")
      .Set("file_system", file_system)
      .Set("rounds", settings.rounds)
      .Set("value_bytes", settings.value_bytes)
      .Set("results", rows);
  return report;
}

}  // namespace

absl::Status Run(int argc, char** argv) {
  Settings settings;
  Flags flags("What do opening, a first read and closing take as a store grows?");
  settings.AddTo(&flags);
  flags.Add("sizes", "MiB of data, one store of each peer for each (10,100)", &settings.sizes_mib);
  flags.Add("value-bytes", "bytes of each value (1000)", &settings.value_bytes);
  flags.Add("peers", "of rocksdb,leveldb,lmdb,sqlite,wiredtiger,mooring (rocksdb,leveldb,mooring)",
            &settings.peers);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  if (settings.quick) {
    settings.rounds = 1;
    settings.sizes_mib = {1};
  }
  MOORING_ASSIGN_OR_RETURN(const ChosenPeers peers, ChoosePeers(settings.peers));
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  Times times;
  for (const int mib : settings.sizes_mib) {
    MOORING_RETURN_IF_ERROR(MeasureSize(settings, scratch, peers.names, mib, &times));
  }
  printf(
      "%s, values of %d B, medians of %d rounds; a ratio is the median of the rounds' "
      "ratios\n\n%s%s",
      scratch.FileSystemName().c_str(), settings.value_bytes, settings.rounds,
      ToTable(times).c_str(), peers.skipped.c_str());
  return WriteJson(ToJson(settings, scratch.FileSystemName(), times), settings.json);
}

}  // namespace mooring::bench
