#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/archive/load.h"
#include "bench/archive/section.h"
#include "bench/workload.h"
#include "mooring/status_macros.h"
#include "src/objectstore/open.h"

namespace mooring::bench {
namespace {

using Clock = std::chrono::steady_clock;

// What the entry of one small commit takes, about.
constexpr size_t kPutBytes = 512;
constexpr double kVolumeCommitsAim = 0.9;
constexpr double kArchivedLatencyAim = 1.3;
constexpr double kManyWritersAim = 20;

// What a writer of a store sees, of one that has been opened before.
absl::StatusOr<CallRate> MeasureStore(const Ground& ground, bool with_archive,
                                      Durability durability, int writers) {
  const ArchiveSettings& settings = ground.settings;
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<MooringPeer> peer,
                           OpenServing(ground, with_archive, durability));
  const Values values(static_cast<size_t>(settings.value_bytes));
  absl::StatusOr<CallRate> rate =
      MeasureCommits(peer.get(), writers, values, absl::Seconds(settings.seconds / 4),
                     absl::Seconds(settings.seconds));
  MOORING_RETURN_IF_ERROR(peer->Close());
  return rate;
}

// One client that makes one small object after the other.
absl::StatusOr<CallRate> MeasureCreates(const Ground& ground) {
  MOORING_ASSIGN_OR_RETURN(const std::string url, ground.place.Fresh());
  MOORING_ASSIGN_OR_RETURN(const auto store, objectstore::OpenObjectStore(url));
  const std::string data(kPutBytes, 'x');
  const double seconds = ground.settings.seconds;
  std::vector<float> latencies_us;
  const Clock::time_point begin = Clock::now();
  Clock::time_point last = begin;
  for (int i = 0; last - begin < std::chrono::duration<double>(1.25 * seconds); ++i) {
    MOORING_RETURN_IF_ERROR(store->Create(absl::StrFormat("journal/%020d", i), data));
    const Clock::time_point now = Clock::now();
    if (now - begin > std::chrono::duration<double>(0.25 * seconds)) {
      latencies_us.push_back(std::chrono::duration<float, std::micro>(now - last).count());
    }
    last = now;
  }
  CallRate rate;
  rate.per_second = static_cast<double>(latencies_us.size()) / seconds;
  rate.p50_us = Percentile(&latencies_us, 0.50);
  rate.p99_us = Percentile(&latencies_us, 0.99);
  return rate;
}

void AddRow(const std::string& what, int writers, const Rates& rates, const std::string& ratio,
            Section* section) {
  const std::vector<double> commits = Column(rates, &CallRate::per_second);
  const double p50 = Median(Column(rates, &CallRate::p50_us));
  const double p99 = Median(Column(rates, &CallRate::p99_us));
  section->table.AddRow({what, absl::StrCat(writers), FormatNumber(Median(commits)),
                         FormatNumber(p50), FormatNumber(p99), ratio});
  section->rows.emplace_back();
  section->rows.back()
      .Set("what", what)
      .Set("writers", writers)
      .Set("per_second", Median(commits))
      .Set("p50_us", p50)
      .Set("p99_us", p99)
      .Set("per_second_by_round", commits);
}

}  // namespace

absl::StatusOr<Section> MeasureVolumeCommits(const Ground& ground) {
  std::map<int, Rates> without;
  std::map<int, Rates> with;
  for (int round = 0; round < ground.settings.rounds; ++round) {
    for (const int writers : ground.settings.writers) {
      // Each round begins with the other one.
      for (const bool archive : {round % 2 == 1, round % 2 == 0}) {
        MOORING_ASSIGN_OR_RETURN(const CallRate rate,
                                 MeasureStore(ground, archive, Durability::kVolume, writers));
        (archive ? with : without)[writers].push_back(rate);
      }
    }
  }
  Section section;
  section.table.AddRow({"archive", "writers", "commits/s", "p50 us", "p99 us", "x without"});
  for (const int writers : ground.settings.writers) {
    const double ratio = MedianRatio(with[writers], without[writers]);
    AddRow("no", writers, without[writers], "1.00", &section);
    AddRow("yes", writers, with[writers], FormatNumber(ratio), &section);
    section.targets.push_back(
        {absl::StrCat("commits/s at kVolume, writers: ", writers, ", x without"), ratio, true,
         kVolumeCommitsAim});
  }
  return section;
}

absl::StatusOr<Section> MeasureArchivedCommits(const Ground& ground) {
  Rates creates;
  Rates volume;
  std::map<int, Rates> archived;
  for (int round = 0; round < ground.settings.rounds; ++round) {
    MOORING_ASSIGN_OR_RETURN(creates.emplace_back(), MeasureCreates(ground));
    MOORING_ASSIGN_OR_RETURN(volume.emplace_back(),
                             MeasureStore(ground, true, Durability::kVolume, 1));
    for (const int writers : ground.settings.writers) {
      MOORING_ASSIGN_OR_RETURN(archived[writers].emplace_back(),
                               MeasureStore(ground, true, Durability::kArchive, writers));
    }
  }
  Section section;
  section.table.AddRow({"what", "writers", "per s", "p50 us", "p99 us", "p50 x PUT"});
  AddRow("conditional PUT", 1, creates, "1.00", &section);
  const std::vector<double> base = Column(creates, &CallRate::p50_us);
  const auto ratio_of = [&](const Rates& rates) {
    return MedianRatio(Column(rates, &CallRate::p50_us), base);
  };
  AddRow("kVolume", 1, volume, FormatNumber(ratio_of(volume)), &section);
  for (const auto& [writers, rates] : archived) {
    const double ratio = ratio_of(rates);
    AddRow("kArchive", writers, rates, FormatNumber(ratio), &section);
    if (writers == 1) {
      section.targets.push_back(
          {"p50 at kArchive, 1 writer, x a PUT", ratio, false, kArchivedLatencyAim});
    } else if (writers == 64 && archived.count(1) != 0) {
      section.targets.push_back({"commits/s at kArchive, 64 writers, x 1 writer",
                                 MedianRatio(rates, archived[1]), true, kManyWritersAim});
    }
  }
  return section;
}

}  // namespace mooring::bench
