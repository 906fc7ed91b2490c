// What does an archive cost, how far is it behind, and how fast does a state come back from it?

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/archive/place.h"
#include "bench/archive/section.h"
#include "bench/flags.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench/scratch.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

struct NamedSection {
  const char* name;
  const char* question;
  absl::StatusOr<Section> (*measure)(const Ground&);
};

constexpr NamedSection kSections[] = {
    {"commits", "Commits at kVolume, without and with an archive", MeasureVolumeCommits},
    {"archived", "Commits at kArchive, and one conditional PUT", MeasureArchivedCommits},
    {"lag", "How far the archive is behind under a steady load", MeasureLag},
    {"bytes", "Bytes sent for the bytes of keys and values", MeasureBytes},
    {"checkpoint", "Bytes sent for a checkpoint", MeasureCheckpoints},
    {"growth", "Opening until its checkpoint stands, 1,000 records changed", MeasureGrowth},
    {"restore", "A restore onto an empty volume, and a plain copy", MeasureRestores},
    {"requests", "Requests an hour, extrapolated", MeasureRequests},
    {"month", "A simulated month of one entry a second, with 7 days of retention", MeasureMonth},
    {"begin", "Finding the head, and what a restore needs, in a simulated archive", MeasureBegin},
    {"cost", "A month at these prices, simulated", MeasureCost},
};

std::string SectionNames() {
  std::vector<std::string> names;
  for (const NamedSection& section : kSections) names.emplace_back(section.name);
  return absl::StrJoin(names, ",");
}

absl::Status ReadSettings(int argc, char** argv, ArchiveSettings* settings) {
  Flags flags("What does an archive cost, how late is it, and how fast is a restore?");
  settings->AddTo(&flags);
  flags.Add("archive", "the archives' url (file:// and the volume's path)", &settings->archive);
  flags.Add("only", SectionNames(), &settings->only);
  flags.Add("seconds", "seconds for each measurement of commits (1)", &settings->seconds);
  flags.Add("settle", "seconds that a store is left alone after an opening (0.5)",
            &settings->settle);
  flags.Add("writers", "writer threads (1,16,64)", &settings->writers);
  flags.Add("value-bytes", "bytes of each small value (100)", &settings->value_bytes);
  flags.Add("store-mib", "MiB of the large store (1024)", &settings->store_mib);
  flags.Add("restores", "rounds of the restore (3)", &settings->restores);
  flags.Add("load-seconds", "seconds of the steady load (20)", &settings->load_seconds);
  flags.Add("idle-seconds", "seconds over which requests are counted (60)",
            &settings->idle_seconds);
  flags.Add("month-days", "days of the simulated month (30)", &settings->month_days);
  flags.Add("slots", "slots of the simulated archives (1000,100000,1000000)", &settings->slots);
  flags.Add("write-price", "USD for 1,000 PUT or LIST (0.005)", &settings->write_price);
  flags.Add("read-price", "USD for 1,000 GET (0.0004)", &settings->read_price);
  flags.Add("storage-price", "USD for a GB a month (0.023)", &settings->storage_price);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  for (const std::string& name : settings->only) {
    const auto is_it = [&](const NamedSection& section) { return section.name == name; };
    if (std::none_of(std::begin(kSections), std::end(kSections), is_it)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--only cannot be \"", name, "\": choose from ", SectionNames()));
    }
  }
  if (settings->quick) {
    settings->rounds = 1;
    settings->restores = 1;
    settings->seconds = 0.05;
    settings->settle = 0.001;
    settings->writers = {1, 4};
    settings->store_mib = 4;
    settings->load_seconds = 0.2;
    settings->idle_seconds = 0.2;
    settings->month_days = 0.2;
    settings->slots = {100, 1'000};
  }
  return absl::OkStatus();
}

struct TargetReport {
  TextTable table;
  std::vector<JsonObject> rows;
};

TargetReport Judge(const std::vector<Target>& targets) {
  TargetReport report;
  report.table.AddRow({"target", "aim", "measured", "met"});
  for (const Target& target : targets) {
    const bool met =
        target.at_least ? target.measured >= target.bound : target.measured <= target.bound;
    report.table.AddRow(
        {target.what,
         absl::StrCat("at ", target.at_least ? "least " : "most ", FormatNumber(target.bound)),
         FormatNumber(target.measured), met ? "yes" : "no"});
    report.rows.emplace_back();
    report.rows.back()
        .Set("target", target.what)
        .Set(target.at_least ? "at_least" : "at_most", target.bound)
        .Set("measured", target.measured);
  }
  return report;
}

}  // namespace

absl::Status Run(int argc, char** argv) {
  ArchiveSettings settings;
  MOORING_RETURN_IF_ERROR(ReadSettings(argc, argv, &settings));
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  MOORING_ASSIGN_OR_RETURN(ArchivePlace place,
                           ArchivePlace::Make(settings.archive, settings.volume));
  JsonObject json;
  json.Set("benchmark", "archive_bench")
      .Set("file_system", scratch.FileSystemName())
      .Set("archive", place.Name())
      .Set("rounds", settings.rounds)
      .Set("seconds", settings.seconds)
      .Set("store_mib", settings.store_mib);
  printf("a volume on %s, archived to %s; medians of %d rounds\n", scratch.FileSystemName().c_str(),
         place.Name().c_str(), settings.rounds);
  std::vector<Target> targets;
  for (const NamedSection& named : kSections) {
    const auto& only = settings.only;
    if (!only.empty() && std::find(only.begin(), only.end(), named.name) == only.end()) continue;
    MOORING_ASSIGN_OR_RETURN(const Section section, named.measure({settings, scratch, place}));
    printf("\n%s (%s)\n\n%s", named.question, named.name, section.table.ToString().c_str());
    fflush(stdout);
    json.Set(named.name, section.rows);
    targets.insert(targets.end(), section.targets.begin(), section.targets.end());
  }
  const TargetReport report = Judge(targets);
  printf("\nTargets\n\n%s", report.table.ToString().c_str());
  json.Set("targets", report.rows);
  return WriteJson(json, settings.json);
}

}  // namespace mooring::bench
