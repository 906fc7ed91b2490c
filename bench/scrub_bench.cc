// What does the background check of a store's files cost commits?

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/flags.h"
#include "bench/peers/mooring.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench/scratch.h"
#include "bench/workload.h"
#include "mooring/options.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr double kAim = 0.97;

struct Settings : CommonSettings {
  Settings() : CommonSettings(9) {}

  double seconds = 2;
  int store_mib = 256;
  std::vector<int> writers = {1, 16};
  // Besides none and the default one.
  std::vector<int> rates_mib = {32};
};

absl::Status Fill(const std::string& directory, int64_t bytes) {
  MooringPeer peer;
  PeerOptions options;
  options.directory = directory;
  MOORING_RETURN_IF_ERROR(peer.Open(options));
  const Values values(100000);
  for (int64_t i = 0; i * 100000 < bytes;) {
    std::vector<Pair> pairs;
    std::vector<std::string> keys;
    for (int j = 0; j < 8; ++j) keys.push_back(absl::StrCat("filled", i + j));
    for (const std::string& key : keys)
      pairs.push_back({key, values.Get(static_cast<uint64_t>(i++))});
    MOORING_RETURN_IF_ERROR(peer.CommitAll(0, pairs));
  }
  return peer.Close();
}

// Of a store that checks so many bytes a second. `checked` grows by the MiB that it checked.
absl::StatusOr<CallRate> Measure(const Settings& settings, const std::string& directory,
                                 int writers, int64_t rate, double* checked) {
  MooringPeer peer;
  peer.set_scrub_bytes_per_second(rate);
  PeerOptions options;
  options.directory = directory;
  options.writers = writers;
  MOORING_RETURN_IF_ERROR(peer.Open(options));
  absl::SleepFor(absl::Seconds(settings.seconds / 8));
  const Values values(100);
  absl::StatusOr<CallRate> measured = MeasureCommits(
      &peer, writers, values, absl::Seconds(settings.seconds / 4), absl::Seconds(settings.seconds));
  *checked += static_cast<double>(peer.store().health().scrub.bytes_checked) / kMiB;
  MOORING_RETURN_IF_ERROR(peer.Close());
  return measured;
}

absl::Status ReadSettings(int argc, char** argv, Settings* settings) {
  Flags flags("What does the background check of a store's files cost commits?");
  settings->AddTo(&flags);
  flags.Add("seconds", "seconds of each measurement (2)", &settings->seconds);
  flags.Add("store-mib", "MiB that the store holds (256)", &settings->store_mib);
  flags.Add("writers", "writer threads (1,16)", &settings->writers);
  flags.Add("rates", "MiB a second, besides none and the default (32)", &settings->rates_mib);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  if (settings->quick) {
    settings->rounds = 1;
    settings->seconds = 0.05;
    settings->store_mib = 2;
    settings->writers = {1};
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Run(int argc, char** argv) {
  Settings settings;
  MOORING_RETURN_IF_ERROR(ReadSettings(argc, argv, &settings));
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  MOORING_ASSIGN_OR_RETURN(const std::string directory, scratch.FreshDirectory("store"));
  MOORING_RETURN_IF_ERROR(Fill(directory, settings.store_mib * kMiB));
  scratch.Settle();
  const int64_t usual = Options().scrub_bytes_per_second;
  std::vector<int64_t> rates = {0, usual};
  for (const int mib : settings.rates_mib) rates.push_back(mib * kMiB);
  std::map<std::pair<int, int64_t>, Rates> measured;
  std::map<int64_t, double> checked;
  for (int round = 0; round < settings.rounds; ++round) {
    for (const int writers : settings.writers) {
      // Each round begins with another rate, so that none is always measured in another's wake.
      for (size_t i = 0; i < rates.size(); ++i) {
        const int64_t rate = rates[(i + static_cast<size_t>(round)) % rates.size()];
        MOORING_ASSIGN_OR_RETURN(const CallRate result,
                                 Measure(settings, directory, writers, rate, &checked[rate]));
        measured[{writers, rate}].push_back(result);
      }
    }
    fprintf(stderr, "round %d of %d done\n", round + 1, settings.rounds);
  }
  TextTable table;
  table.AddRow({"writers", "MiB/s checked", "commits/s", "p50 us", "p99 us", "x without"});
  std::vector<JsonObject> rows;
  std::string verdict;
  for (const auto& [cell, results] : measured) {
    const auto& [writers, rate] = cell;
    const double ratio = MedianRatio(results, measured[{writers, 0}]);
    const std::vector<double> commits = Column(results, &CallRate::per_second);
    table.AddRow({absl::StrCat(writers), absl::StrCat(rate / kMiB), FormatNumber(Median(commits)),
                  FormatNumber(Median(Column(results, &CallRate::p50_us))),
                  FormatNumber(Median(Column(results, &CallRate::p99_us))), FormatNumber(ratio)});
    if (rate == usual) {
      absl::StrAppend(&verdict, writers, " writers at the default: ", FormatNumber(ratio),
                      " of the commits without (aim ", FormatNumber(kAim), ": ",
                      ratio >= kAim ? "reached" : "missed", ")\n");
    }
    rows.emplace_back();
    rows.back()
        .Set("writers", writers)
        .Set("bytes_per_second", static_cast<double>(rate))
        .Set("commits_per_second", Median(commits))
        .Set("ratio", ratio)
        .Set("commits_per_second_by_round", commits);
  }
  printf("%s, a store of %d MiB, medians of %d rounds of %s s\n\n%s\n%s",
         scratch.FileSystemName().c_str(), settings.store_mib, settings.rounds,
         FormatNumber(settings.seconds).c_str(), table.ToString().c_str(), verdict.c_str());
  for (const auto& [rate, mib] : checked) {
    printf("at %d MiB/s %s MiB were checked in all\n", static_cast<int>(rate / kMiB),
           FormatNumber(mib).c_str());
  }
  JsonObject report;
  report.Set("benchmark", "scrub_bench")
      .Set("file_system", scratch.FileSystemName())
      .Set("rounds", settings.rounds)
      .Set("results", rows);
  return WriteJson(report, settings.json);
}

}  // namespace mooring::bench
