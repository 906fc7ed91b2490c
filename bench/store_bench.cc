// How fast are batches, reads of many keys, scans and loads, and what do they take of processors,
// memory and the volume, against other stores?

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/flags.h"
#include "bench/peers/peer.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench/scratch.h"
#include "bench/store_life.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

struct Settings : CommonSettings {
  Settings() : CommonSettings(3) {}

  LifeSettings life;
  std::vector<std::string> peers = {"rocksdb", "leveldb",    "lmdb",
                                    "sqlite",  "wiredtiger", "mooring"};
};

// By the peer's name; as many as there were rounds.
using Lives = std::map<std::string, std::vector<Life>>;

template <typename Take>
std::vector<double> Each(const std::vector<Life>& lives, Take take) {
  std::vector<double> numbers;
  for (const Life& life : lives) numbers.push_back(take(life));
  return numbers;
}

std::vector<double> PerSecond(const std::vector<Life>& lives, size_t workload) {
  return Each(lives, [&](const Life& life) { return life.workloads[workload].rate.per_second; });
}
std::vector<double> Processor(const std::vector<Life>& lives, size_t workload) {
  return Each(lives, [&](const Life& life) { return life.workloads[workload].processor_us; });
}
std::vector<double> P50(const std::vector<Life>& lives, size_t workload) {
  return Each(lives, [&](const Life& life) { return life.workloads[workload].rate.p50_us; });
}
double DiskRatio(const Life& life) { return life.disk_ratio; }
double MostMib(const Life& life) { return life.most_mib; }

absl::StatusOr<Lives> RunRounds(const Settings& settings, const Scratch& scratch,
                                const std::vector<std::string>& peers) {
  Lives lives;
  for (int round = 0; round < settings.rounds; ++round) {
    for (size_t i = 0; i < peers.size(); ++i) {
      const std::string& name = peers[(i + static_cast<size_t>(round)) % peers.size()];
      MOORING_ASSIGN_OR_RETURN(const Life life, Live(name, settings.life, scratch));
      lives[name].push_back(life);
    }
    fprintf(stderr, "round %d of %d done\n", round + 1, settings.rounds);
  }
  return lives;
}

std::string WorkloadTable(const Lives& lives) {
  TextTable table;
  table.AddRow({"workload", "threads", "peer", "calls/s", "p50 us", "processor us",
                "mooring is x of it", "its processor time x"});
  const auto mooring = lives.find("mooring");
  for (size_t i = 0; i < Workloads().size(); ++i) {
    const Workload& workload = Workloads()[i];
    for (const auto& [name, peer_lives] : lives) {
      std::string ratio = "-";
      std::string processor_ratio = "-";
      if (mooring != lives.end()) {
        ratio = FormatNumber(MedianRatio(PerSecond(mooring->second, i), PerSecond(peer_lives, i)));
        processor_ratio =
            FormatNumber(MedianRatio(Processor(mooring->second, i), Processor(peer_lives, i)));
      }
      table.AddRow({std::string(workload.name), absl::StrCat(workload.threads), name,
                    FormatNumber(Median(PerSecond(peer_lives, i))),
                    FormatNumber(Median(P50(peer_lives, i))),
                    FormatNumber(Median(Processor(peer_lives, i))), ratio, processor_ratio});
    }
  }
  return table.ToString();
}

std::string SpaceTable(const Lives& lives) {
  TextTable table;
  table.AddRow({"peer", "disk x data", "most memory MiB"});
  for (const auto& [name, peer_lives] : lives) {
    table.AddRow({name, FormatNumber(Median(Each(peer_lives, DiskRatio))),
                  FormatNumber(Median(Each(peer_lives, MostMib)))});
  }
  return table.ToString();
}

JsonObject ToJson(const Settings& settings, const std::string& file_system, const Lives& lives) {
  std::vector<JsonObject> rows;
  for (size_t i = 0; i < Workloads().size(); ++i) {
    for (const auto& [name, peer_lives] : lives) {
      JsonObject ratios;
      for (const auto& [base, base_lives] : lives) {
        ratios.Set(base, MedianRatio(PerSecond(peer_lives, i), PerSecond(base_lives, i)));
      }
      rows.emplace_back();
      rows.back()
          .Set("workload", Workloads()[i].name)
          .Set("threads", Workloads()[i].threads)
          .Set("records", Workloads()[i].records)
          .Set("peer", name)
          .Set("calls_per_second", Median(PerSecond(peer_lives, i)))
          .Set("p50_us", Median(P50(peer_lives, i)))
          .Set("processor_us", Median(Processor(peer_lives, i)))
          .Set("ratio_to", ratios)
          .Set("calls_per_second_by_round", PerSecond(peer_lives, i));
    }
  }
  std::vector<JsonObject> space;
  for (const auto& [name, peer_lives] : lives) {
    space.emplace_back();
    space.back()
        .Set("peer", name)
        .Set("disk_ratio", Median(Each(peer_lives, DiskRatio)))
        .Set("most_mib", Median(Each(peer_lives, MostMib)));
  }
  JsonObject report;
  report.Set("benchmark", "store_bench")
      .Set("file_system", file_system)
      .Set("rounds", settings.rounds)
      .Set("seconds", settings.life.seconds)
      .Set("records", settings.life.records)
      .Set("value_bytes", settings.life.value_bytes)
      .Set("results", rows)
      .Set("space", space);
  return report;
}

}  // namespace

absl::Status Run(int argc, char** argv) {
  Settings settings;
  Flags flags(
      "How fast are batches, reads of many keys, scans and loads, and what do they take of "
      "processors, memory and the volume, against other stores?");
  settings.AddTo(&flags);
  flags.Add("seconds", "seconds for each workload, after a quarter of it unmeasured (1)",
            &settings.life.seconds);
  flags.Add("records", "records in the store (200000)", &settings.life.records);
  flags.Add("value-bytes", "bytes of each value (1000)", &settings.life.value_bytes);
  flags.Add("peers", "rocksdb,leveldb,lmdb,sqlite,wiredtiger,mooring", &settings.peers);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  if (settings.quick) {
    settings.rounds = 1;
    settings.life.seconds = 0.02;
    settings.life.records = 2000;
  }
  MOORING_ASSIGN_OR_RETURN(const ChosenPeers peers, ChoosePeers(settings.peers));
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  MOORING_ASSIGN_OR_RETURN(const Lives lives, RunRounds(settings, scratch, peers.names));
  printf(
      "%s, %d records of %d B, medians of %d rounds of %s s; a ratio is the median of the rounds' "
      "ratios\n\n%s\n%s%s",
      scratch.FileSystemName().c_str(), settings.life.records, settings.life.value_bytes,
      settings.rounds, FormatNumber(settings.life.seconds).c_str(), WorkloadTable(lives).c_str(),
      SpaceTable(lives).c_str(), peers.skipped.c_str());
  return WriteJson(ToJson(settings, scratch.FileSystemName(), lives), settings.json);
}

}  // namespace mooring::bench
