// How fast are small commits, against what the device allows and against other stores?

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
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

  double seconds = 1;
  double settle = 0.5;
  std::vector<int> writers = {1, 4, 16, 64};
  std::vector<int> process_writers = {1, 4};
  std::vector<int> values = {100, 1024, 4096, 16384};
  std::vector<std::string> peers = PeerNames();
  std::vector<std::string> process_peers = {"rocksdb", "mooring"};
  std::vector<std::string> survives = {"power", "process"};
};

// One line of the table for each peer: everything that is compared under equal conditions.
struct Cell {
  Survives survives;
  int writers;
  int value_bytes;
};

struct CellResult {
  Cell cell;
  std::vector<std::string> peers;
  std::map<std::string, Rates> rates;  // By peer; as many for each as there were rounds.
};

std::string SurvivesName(Survives survives) {
  return survives == Survives::kPowerLoss ? "power" : "process";
}

std::vector<CellResult> PlanCells(const Settings& settings,
                                  const std::vector<std::string>& available) {
  std::vector<CellResult> cells;
  for (const Survives survives : {Survives::kPowerLoss, Survives::kProcessEnd}) {
    const auto& wanted = settings.survives;
    if (std::find(wanted.begin(), wanted.end(), SurvivesName(survives)) == wanted.end()) continue;
    const bool power = survives == Survives::kPowerLoss;
    std::vector<std::string> peers;
    for (const std::string& name : available) {
      const auto& process = settings.process_peers;
      if (power || std::find(process.begin(), process.end(), name) != process.end()) {
        peers.push_back(name);
      }
    }
    if (peers.empty()) continue;
    for (const int value_bytes : settings.values) {
      for (const int writers : power ? settings.writers : settings.process_writers) {
        cells.push_back({{survives, writers, value_bytes}, peers, {}});
      }
    }
  }
  return cells;
}

absl::StatusOr<CallRate> MeasurePeer(const Settings& settings, const Scratch& scratch,
                                     const Cell& cell, const std::string& name) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Peer> peer, MakePeer(name));
  PeerOptions options;
  MOORING_ASSIGN_OR_RETURN(options.directory, scratch.FreshDirectory("peer"));
  options.survives = cell.survives;
  // The limit is one thread's, whatever it is compared with.
  options.writers = name == "limit" ? 1 : cell.writers;
  MOORING_RETURN_IF_ERROR(OpenSettled(options, absl::Seconds(settings.settle), peer.get()));
  const Values values(static_cast<size_t>(cell.value_bytes));
  absl::StatusOr<CallRate> rate =
      MeasureCommits(peer.get(), options.writers, values, absl::Seconds(settings.seconds / 4),
                     absl::Seconds(settings.seconds));
  MOORING_RETURN_IF_ERROR(peer->Close());
  return rate;
}

absl::Status RunRounds(const Settings& settings, const Scratch& scratch,
                       std::vector<CellResult>* cells) {
  for (int round = 0; round < settings.rounds; ++round) {
    for (CellResult& result : *cells) {
      // Each round begins with another peer, so that none is always measured in another's wake.
      for (size_t i = 0; i < result.peers.size(); ++i) {
        const std::string& name =
            result.peers[(i + static_cast<size_t>(round)) % result.peers.size()];
        MOORING_ASSIGN_OR_RETURN(const CallRate rate,
                                 MeasurePeer(settings, scratch, result.cell, name));
        result.rates[name].push_back(rate);
      }
    }
    fprintf(stderr, "round %d of %d done\n", round + 1, settings.rounds);
  }
  return absl::OkStatus();
}

std::string ToTable(const std::vector<CellResult>& cells) {
  TextTable table;
  table.AddRow({"survives", "writers", "value", "peer", "commits/s", "p50 us", "p99 us",
                "mooring is x of it"});
  for (const CellResult& result : cells) {
    const auto mooring = result.rates.find("mooring");
    for (const std::string& name : result.peers) {
      const Rates& rates = result.rates.at(name);
      table.AddRow({SurvivesName(result.cell.survives), absl::StrCat(result.cell.writers),
                    absl::StrCat(result.cell.value_bytes), name,
                    FormatNumber(Median(Column(rates, &CallRate::per_second))),
                    FormatNumber(Median(Column(rates, &CallRate::p50_us))),
                    FormatNumber(Median(Column(rates, &CallRate::p99_us))),
                    mooring == result.rates.end()
                        ? "-"
                        : FormatNumber(MedianRatio(mooring->second, rates))});
    }
  }
  return table.ToString();
}

JsonObject ToJson(const Settings& settings, const std::string& file_system,
                  const std::vector<CellResult>& cells) {
  std::vector<JsonObject> rows;
  for (const CellResult& result : cells) {
    for (const auto& [name, rates] : result.rates) {
      JsonObject ratios;
      for (const auto& [base, base_rates] : result.rates) {
        ratios.Set(base, MedianRatio(rates, base_rates));
      }
      const std::vector<double> commits = Column(rates, &CallRate::per_second);
      JsonObject row;
      row.Set("survives", SurvivesName(result.cell.survives))
          .Set("writers", result.cell.writers)
          .Set("value_bytes", result.cell.value_bytes)
          .Set("peer", name)
          .Set("commits_per_second", Median(commits))
          .Set("p50_us", Median(Column(rates, &CallRate::p50_us)))
          .Set("p99_us", Median(Column(rates, &CallRate::p99_us)))
          .Set("ratio_to", ratios)
          .Set("commits_per_second_by_round", commits);
      rows.push_back(row);
    }
  }
  JsonObject report;
  report.Set("benchmark", "commit_bench")
      .Set("file_system", file_system)
      .Set("rounds", settings.rounds)
      .Set("seconds", settings.seconds)
      .Set("results", rows);
  return report;
}

absl::Status ReadSettings(int argc, char** argv, Settings* settings) {
  Flags flags("How fast are small commits, against the device's limit and other stores?");
  settings->AddTo(&flags);
  flags.Add("seconds", "seconds for each peer in each cell, after a quarter of it unmeasured (1)",
            &settings->seconds);
  flags.Add("settle", "seconds that a store is left alone after each of two openings (0.5)",
            &settings->settle);
  flags.Add("writers", "writer threads (1,4,16,64)", &settings->writers);
  flags.Add("values", "value sizes in bytes (100,1024,4096,16384)", &settings->values);
  flags.Add("peers", "limit,rocksdb,leveldb,lmdb,sqlite,wiredtiger,mooring", &settings->peers);
  flags.Add("survives", "power (a sync for each commit), process (no sync), or both",
            &settings->survives);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  if (settings->quick) {
    settings->rounds = 1;
    settings->seconds = 0.02;
    settings->settle = 0.001;
    settings->writers = {1, 4};
    settings->values = {100};
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Run(int argc, char** argv) {
  Settings settings;
  MOORING_RETURN_IF_ERROR(ReadSettings(argc, argv, &settings));
  MOORING_ASSIGN_OR_RETURN(const ChosenPeers peers, ChoosePeers(settings.peers));
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  std::vector<CellResult> cells = PlanCells(settings, peers.names);
  MOORING_RETURN_IF_ERROR(RunRounds(settings, scratch, &cells));
  printf("%s, medians of %d rounds of %s s; a ratio is the median of the rounds' ratios\n\n%s%s",
         scratch.FileSystemName().c_str(), settings.rounds, FormatNumber(settings.seconds).c_str(),
         ToTable(cells).c_str(), peers.skipped.c_str());
  return WriteJson(ToJson(settings, scratch.FileSystemName(), cells), settings.json);
}

}  // namespace mooring::bench
