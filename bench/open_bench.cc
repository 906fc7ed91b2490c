// How long does opening take after a crash with a full log, against raw RocksDB?

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
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

  int log_mib = 64;
  int value_bytes = 100;
  std::vector<std::string> peers = {"rocksdb", "mooring"};
};

// What a put takes in a log besides its value, about: the key and the record's headers.
constexpr int kRecordOverheadBytes = 40;

uint64_t CommitCount(const Settings& settings) {
  return (static_cast<uint64_t>(settings.log_mib) << 20) /
         static_cast<uint64_t>(settings.value_bytes + kRecordOverheadBytes);
}

// Memory for all that the log holds, so that no peer writes a sorted file before the crash.
PeerOptions OptionsIn(const Settings& settings, const std::string& directory) {
  PeerOptions options;
  options.directory = directory;
  options.survives = Survives::kProcessEnd;
  options.write_buffer_bytes = static_cast<int64_t>(settings.log_mib) << 22;
  return options;
}

absl::StatusOr<Numbers> Fill(const Settings& settings, const std::string& name,
                             const std::string& directory) {
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<Peer> peer, MakePeer(name));
  MOORING_RETURN_IF_ERROR(peer->Open(OptionsIn(settings, directory)));
  const Values values(static_cast<size_t>(settings.value_bytes));
  for (uint64_t i = 0; i < CommitCount(settings); ++i) {
    MOORING_RETURN_IF_ERROR(peer->Commit(0, Key(0, i).view(), values.Get(i)));
  }
  peer.release();  // What follows is a crash: nothing may be closed.
  return Numbers();
}

absl::StatusOr<Numbers> TimeOpen(const Settings& settings, const std::string& name,
                                 const std::string& directory) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Peer> peer, MakePeer(name));
  const auto begin = std::chrono::steady_clock::now();
  MOORING_RETURN_IF_ERROR(peer->Open(OptionsIn(settings, directory)));
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - begin;
  for (const uint64_t index : {uint64_t{0}, CommitCount(settings) - 1}) {
    std::string value;
    MOORING_ASSIGN_OR_RETURN(const bool there, peer->Read(0, Key(0, index).view(), &value));
    if (!there) return absl::DataLossError(absl::StrCat(name, " lost commit ", index));
  }
  MOORING_RETURN_IF_ERROR(peer->Close());
  return Numbers{elapsed.count()};
}

absl::StatusOr<double> MeasurePeer(const Settings& settings, const Scratch& scratch,
                                   const std::string& name) {
  MOORING_ASSIGN_OR_RETURN(const std::string directory, scratch.FreshDirectory("peer"));
  MOORING_RETURN_IF_ERROR(
      InChild([&] { return Fill(settings, name, directory); }, /*crash=*/true).status());
  scratch.Settle();
  MOORING_ASSIGN_OR_RETURN(
      const Numbers times,
      InChild([&] { return TimeOpen(settings, name, directory); }, /*crash=*/false));
  return times.at(0);
}

using Times = std::map<std::string, std::vector<double>>;  // Milliseconds, by peer.

absl::Status Report(const Settings& settings, const std::string& file_system, const Times& times) {
  TextTable table;
  table.AddRow({"peer", "open ms", "x rocksdb"});
  std::vector<JsonObject> rows;
  const auto base = times.find("rocksdb");
  for (const auto& [name, peer_times] : times) {
    const double ratio = base == times.end() ? 0 : MedianRatio(peer_times, base->second);
    table.AddRow({name, FormatNumber(Median(peer_times)), FormatNumber(ratio)});
    rows.emplace_back();
    rows.back()
        .Set("peer", name)
        .Set("open_ms", Median(peer_times))
        .Set("ratio_to_rocksdb", ratio)
        .Set("open_ms_by_round", peer_times);
  }
  printf("%s, opening after SIGKILL with %d MiB of log (%llu commits), medians of %d rounds\n\n%s",
         file_system.c_str(), settings.log_mib,
         static_cast<unsigned long long>(CommitCount(settings)), settings.rounds,
         table.ToString().c_str());
  JsonObject report;
  report.Set("benchmark", "open_bench")
      .Set("file_system", file_system)
      .Set("log_mib", settings.log_mib)
      .Set("rounds", settings.rounds)
      .Set("results", rows);
  return WriteJson(report, settings.json);
}

}  // namespace

absl::Status Run(int argc, char** argv) {
  Settings settings;
  Flags flags("How long does opening take after a crash with a full log, against raw RocksDB?");
  settings.AddTo(&flags);
  flags.Add("log-mib", "MiB of log to replay (64)", &settings.log_mib);
  flags.Add("value-bytes", "bytes of each value (100)", &settings.value_bytes);
  flags.Add("peers", "rocksdb,mooring", &settings.peers);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  if (settings.quick) {
    settings.rounds = 1;
    settings.log_mib = 1;
  }
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  Times times;
  for (int round = 0; round < settings.rounds; ++round) {
    for (const std::string& name : settings.peers) {
      MOORING_ASSIGN_OR_RETURN(const double open_ms, MeasurePeer(settings, scratch, name));
      times[name].push_back(open_ms);
    }
  }
  return Report(settings, scratch.FileSystemName(), times);
}

}  // namespace mooring::bench
