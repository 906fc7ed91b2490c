#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/archive/load.h"
#include "bench/archive/section.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

constexpr double kCommitsPerSecond = 1000;
constexpr double kLagAim = 2;  // Ship intervals.
constexpr absl::Duration kSampleInterval = absl::Milliseconds(2);

struct LagResult {
  double commits_per_second = 0;
  std::vector<float> lag_ms;
};

absl::StatusOr<LagResult> Sample(const Ground& ground) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<MooringPeer> peer,
                           OpenServing(ground, true, Durability::kVolume));
  LagResult result;
  {
    SteadyLoad load(peer.get(), kCommitsPerSecond, ground.settings.value_bytes);
    const absl::Duration duration = absl::Seconds(ground.settings.load_seconds);
    absl::SleepFor(duration / 10);
    const absl::Time end = absl::Now() + duration;
    while (absl::Now() < end) {
      const ArchiveStatus status = peer->store().archive_status();
      result.lag_ms.push_back(static_cast<float>(absl::ToDoubleMilliseconds(status.lag)));
      absl::SleepFor(kSampleInterval);
    }
    MOORING_ASSIGN_OR_RETURN(result.commits_per_second, load.Stop());
  }
  MOORING_RETURN_IF_ERROR(peer->Close());
  return result;
}

// Requests, from the first checkpoint on, while `commits_per_second` (0: none) are made.
struct RequestCount {
  double requests = 0;
  double seconds = 0;
};

absl::StatusOr<RequestCount> CountRequests(const Ground& ground, double commits_per_second) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<MooringPeer> peer,
                           OpenServing(ground, true, Durability::kVolume));
  std::unique_ptr<SteadyLoad> load;
  if (commits_per_second > 0) {
    load =
        std::make_unique<SteadyLoad>(peer.get(), commits_per_second, ground.settings.value_bytes);
  }
  const int64_t before = peer->store().archive_status().requests;
  const absl::Time begin = absl::Now();
  absl::SleepFor(absl::Seconds(ground.settings.idle_seconds));
  RequestCount count;
  count.requests = static_cast<double>(peer->store().archive_status().requests - before);
  count.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  if (load != nullptr) MOORING_RETURN_IF_ERROR(load->Stop().status());
  load.reset();
  MOORING_RETURN_IF_ERROR(peer->Close());
  return count;
}

}  // namespace

absl::StatusOr<Section> MeasureLag(const Ground& ground) {
  MOORING_ASSIGN_OR_RETURN(LagResult result, Sample(ground));
  const double interval_ms = absl::ToDoubleMilliseconds(ArchiveOptions().ship_interval);
  const double p50 = Percentile(&result.lag_ms, 0.50);
  const double p99 = Percentile(&result.lag_ms, 0.99);
  Section section;
  section.table.AddRow(
      {"commits/s", "samples", "p50 ms", "p99 ms", "ship interval ms", "p99 x interval"});
  section.table.AddRow({FormatNumber(result.commits_per_second), absl::StrCat(result.lag_ms.size()),
                        FormatNumber(p50), FormatNumber(p99), FormatNumber(interval_ms),
                        FormatNumber(p99 / interval_ms)});
  section.rows.emplace_back();
  section.rows.back()
      .Set("commits_per_second", result.commits_per_second)
      .Set("samples", static_cast<double>(result.lag_ms.size()))
      .Set("p50_ms", p50)
      .Set("p99_ms", p99)
      .Set("ship_interval_ms", interval_ms);
  section.targets.push_back({"p99 of the lag at 1,000 commits/s, x the ship interval",
                             p99 / interval_ms, false, kLagAim});
  return section;
}

absl::StatusOr<Section> MeasureRequests(const Ground& ground) {
  Section section;
  section.table.AddRow({"commits/s", "requests", "in s", "requests/h"});
  for (const double commits_per_second : {0.0, 1.0}) {
    MOORING_ASSIGN_OR_RETURN(const RequestCount count, CountRequests(ground, commits_per_second));
    const double per_hour = count.requests / count.seconds * 3600;
    section.table.AddRow({FormatNumber(commits_per_second), FormatNumber(count.requests),
                          FormatNumber(count.seconds), FormatNumber(per_hour)});
    section.rows.emplace_back();
    section.rows.back()
        .Set("commits_per_second", commits_per_second)
        .Set("requests", count.requests)
        .Set("seconds", count.seconds)
        .Set("requests_per_hour", per_hour);
  }
  return section;
}

}  // namespace mooring::bench
