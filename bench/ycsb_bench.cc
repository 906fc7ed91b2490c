// How fast is a mix of reads and durable commits, against other stores?

#include <algorithm>
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
#include "bench/ycsb.h"
#include "mooring/options.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

struct Settings : CommonSettings {
  Settings() : CommonSettings(3) {}

  double seconds = 2;
  int records = 200'000;
  int value_bytes = 1000;
  std::vector<int> threads = {16};
  std::vector<std::string> peers = {"rocksdb", "leveldb",    "lmdb",
                                    "sqlite",  "wiredtiger", "mooring"};
};

// By the workload's name, the number of threads and the peer; as many as there were rounds.
using Results = std::map<std::pair<char, int>, std::map<std::string, Rates>>;

// One peer's life in a round: loaded, closed and opened, and then all workloads one after the
// other.
absl::Status MeasurePeer(const Settings& settings, const Scratch& scratch, int threads,
                         const std::string& name, Results* results) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Peer> peer, MakePeer(name));
  PeerOptions options;
  MOORING_ASSIGN_OR_RETURN(options.directory, scratch.FreshDirectory("peer"));
  options.writers = threads;
  options.cache_bytes = kCacheBytes;
  MOORING_RETURN_IF_ERROR(peer->Open(options));
  const Values values(static_cast<size_t>(settings.value_bytes));
  YcsbRun run(peer.get(), static_cast<uint64_t>(settings.records), values);
  MOORING_RETURN_IF_ERROR(run.Load());
  MOORING_RETURN_IF_ERROR(peer->Close());
  MOORING_RETURN_IF_ERROR(peer->Open(options));
  for (const YcsbWorkload& workload : YcsbWorkloads()) {
    AwaitIdle();
    MOORING_ASSIGN_OR_RETURN(const CallRate rate,
                             run.Measure(workload, threads, absl::Seconds(settings.seconds / 4),
                                         absl::Seconds(settings.seconds)));
    (*results)[{workload.name, threads}][name].push_back(rate);
  }
  return peer->Close();
}

absl::StatusOr<Results> RunRounds(const Settings& settings, const Scratch& scratch,
                                  const std::vector<std::string>& peers) {
  Results results;
  for (int round = 0; round < settings.rounds; ++round) {
    for (const int threads : settings.threads) {
      // Each round begins with another peer, so that none is always measured in another's wake.
      for (size_t i = 0; i < peers.size(); ++i) {
        const std::string& name = peers[(i + static_cast<size_t>(round)) % peers.size()];
        MOORING_RETURN_IF_ERROR(MeasurePeer(settings, scratch, threads, name, &results));
      }
    }
    fprintf(stderr, "round %d of %d done\n", round + 1, settings.rounds);
  }
  return results;
}

std::string ToTable(const std::vector<std::string>& peers, const Results& results) {
  TextTable table;
  table.AddRow(
      {"workload", "threads", "peer", "operations/s", "p50 us", "p99 us", "mooring is x of it"});
  for (const auto& [cell, by_peer] : results) {
    const auto mooring = by_peer.find("mooring");
    for (const std::string& name : peers) {
      const Rates& rates = by_peer.at(name);
      table.AddRow(
          {std::string(1, cell.first), absl::StrCat(cell.second), name,
           FormatNumber(Median(Column(rates, &CallRate::per_second))),
           FormatNumber(Median(Column(rates, &CallRate::p50_us))),
           FormatNumber(Median(Column(rates, &CallRate::p99_us))),
           mooring == by_peer.end() ? "-" : FormatNumber(MedianRatio(mooring->second, rates))});
    }
  }
  return table.ToString();
}

JsonObject ToJson(const Settings& settings, const std::string& file_system,
                  const Results& results) {
  std::vector<JsonObject> rows;
  for (const auto& [cell, by_peer] : results) {
    for (const auto& [name, rates] : by_peer) {
      JsonObject ratios;
      for (const auto& [base, base_rates] : by_peer) {
        ratios.Set(base, MedianRatio(rates, base_rates));
      }
      JsonObject row;
      row.Set("workload", std::string(1, cell.first))
          .Set("threads", cell.second)
          .Set("peer", name)
          .Set("operations_per_second", Median(Column(rates, &CallRate::per_second)))
          .Set("p50_us", Median(Column(rates, &CallRate::p50_us)))
          .Set("p99_us", Median(Column(rates, &CallRate::p99_us)))
          .Set("ratio_to", ratios)
          .Set("operations_per_second_by_round", Column(rates, &CallRate::per_second));
      rows.push_back(row);
    }
  }
  JsonObject report;
  report.Set("benchmark", "ycsb_bench")
      .Set("file_system", file_system)
      .Set("rounds", settings.rounds)
      .Set("seconds", settings.seconds)
      .Set("records", settings.records)
      .Set("value_bytes", settings.value_bytes)
      .Set("results", rows);
  return report;
}

}  // namespace

absl::Status Run(int argc, char** argv) {
  Settings settings;
  Flags flags(
      "How fast is a mix of reads and durable commits (YCSB A to F), against other stores?");
  settings.AddTo(&flags);
  flags.Add("seconds", "seconds for each workload, after a quarter of it unmeasured (2)",
            &settings.seconds);
  flags.Add("records", "records in the store (200000)", &settings.records);
  flags.Add("value-bytes", "bytes of each value (1000)", &settings.value_bytes);
  flags.Add("threads", "client threads (16)", &settings.threads);
  flags.Add("peers", "rocksdb,leveldb,lmdb,sqlite,wiredtiger,mooring", &settings.peers);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  if (settings.quick) {
    settings.rounds = 1;
    settings.seconds = 0.02;
    settings.records = 2000;
    settings.threads = {4};
  }
  MOORING_ASSIGN_OR_RETURN(const ChosenPeers peers, ChoosePeers(settings.peers));
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  MOORING_ASSIGN_OR_RETURN(const Results results, RunRounds(settings, scratch, peers.names));
  printf(
      "%s, %d records of %d B, medians of %d rounds of %s s; a ratio is the median of the "
      "rounds' ratios\n\n%s%s",
      scratch.FileSystemName().c_str(), settings.records, settings.value_bytes, settings.rounds,
      FormatNumber(settings.seconds).c_str(), ToTable(peers.names, results).c_str(),
      peers.skipped.c_str());
  return WriteJson(ToJson(settings, scratch.FileSystemName(), results), settings.json);
}

}  // namespace mooring::bench
