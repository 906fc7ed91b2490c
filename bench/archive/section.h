#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/archive/place.h"
#include "bench/flags.h"
#include "bench/report.h"
#include "bench/scratch.h"

namespace mooring::bench {

struct ArchiveSettings : CommonSettings {
  ArchiveSettings() : CommonSettings(5) {}

  std::string archive;
  double seconds = 1;
  double settle = 0.5;
  std::vector<int> writers = {1, 16, 64};
  int value_bytes = 100;
  int store_mib = 1024;
  int restores = 3;
  double load_seconds = 20;
  double idle_seconds = 60;
  double month_days = 30;
  std::vector<int> slots = {1'000, 100'000, 1'000'000};
  double write_price = 0.005;     // USD for 1,000 PUT or LIST.
  double read_price = 0.0004;     // USD for 1,000 GET.
  double storage_price = 0.023;   // USD for a GB a month.
  std::vector<std::string> only;  // Empty: all.
};

// What a section measures on.
struct Ground {
  const ArchiveSettings& settings;
  const Scratch& scratch;
  ArchivePlace& place;
};

// What was aimed at, and what came out.
struct Target {
  std::string what;
  double measured;
  bool at_least;  // Else at most.
  double bound;
};

struct Section {
  TextTable table;
  std::vector<JsonObject> rows;
  std::vector<Target> targets;
};

// One file each, in the order of the report.
absl::StatusOr<Section> MeasureVolumeCommits(const Ground& ground);
absl::StatusOr<Section> MeasureArchivedCommits(const Ground& ground);
absl::StatusOr<Section> MeasureLag(const Ground& ground);
absl::StatusOr<Section> MeasureBytes(const Ground& ground);
absl::StatusOr<Section> MeasureCheckpoints(const Ground& ground);
absl::StatusOr<Section> MeasureGrowth(const Ground& ground);
absl::StatusOr<Section> MeasureRestores(const Ground& ground);
absl::StatusOr<Section> MeasureRequests(const Ground& ground);
absl::StatusOr<Section> MeasureMonth(const Ground& ground);
absl::StatusOr<Section> MeasureBegin(const Ground& ground);
absl::StatusOr<Section> MeasureCost(const Ground& ground);

}  // namespace mooring::bench
