// What an archive comes to in a month, and what it then takes to begin a restore.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/archive/memory_objects.h"
#include "bench/archive/section.h"
#include "bench/archive/simulated.h"
#include "mooring/status_macros.h"
#include "src/archive/journal.h"
#include "src/archive/journal_protocol.h"
#include "src/archive/remote.h"
#include "src/archive/restore_plan.h"
#include "src/base/random_id.h"

namespace mooring::bench {
namespace {

constexpr int64_t kDay = 86'400;
constexpr double kMonthDays = 30;
constexpr double kObjectsAim = 5'000;
constexpr double kHeadRequestsAim = 10;
constexpr double kGb = 1e9;  // As stores bill it.

double Milliseconds(std::chrono::steady_clock::time_point since) {
  const auto passed = std::chrono::steady_clock::now() - since;
  return std::chrono::duration<double, std::milli>(passed).count();
}

// What it takes to know where the journal ends, and to have in hand what restores it.
struct Reading {
  int64_t head_requests = 0;
  double head_ms = 0;
  int64_t plan_requests = 0;
  double plan_ms = 0;
  uint64_t head = 0;
};

absl::StatusOr<Reading> Read(SimulatedArchive& simulated) {
  MOORING_ASSIGN_OR_RETURN(const std::shared_ptr<archive::Remote> remote,
                           archive::Remote::Connect(simulated.objects(), {}));
  const MemoryObjects& objects = *simulated.objects();
  Reading reading;
  int64_t before = objects.requests().all();
  auto begin = std::chrono::steady_clock::now();
  archive::JournalProtocol protocol(remote->identity()->archive_id, RandomId());
  MOORING_RETURN_IF_ERROR(protocol.FindHead());
  MOORING_RETURN_IF_ERROR(archive::Drive(protocol, remote->store()));
  reading.head = protocol.head();
  reading.head_ms = Milliseconds(begin);
  reading.head_requests = objects.requests().all() - before;

  before = objects.requests().all();
  begin = std::chrono::steady_clock::now();
  MOORING_ASSIGN_OR_RETURN(const std::vector<archive::JournalItem> journal, remote->ReadRecent());
  MOORING_ASSIGN_OR_RETURN(const archive::RestorePlan plan, archive::PlanRestore(journal));
  if (!plan.complete) return absl::InternalError("the simulated archive does not restore");
  reading.plan_ms = Milliseconds(begin);
  reading.plan_requests = objects.requests().all() - before;
  return reading;
}

double CostOf(const Requests& requests, const ArchiveSettings& settings) {
  return static_cast<double>(requests.writes + requests.lists) / 1000 * settings.write_price +
         static_cast<double>(requests.reads) / 1000 * settings.read_price;
}

}  // namespace

absl::StatusOr<Section> MeasureMonth(const Ground& ground) {
  const ArchiveSettings& settings = ground.settings;
  SimulatedArchive::Options options;
  options.value_bytes = settings.value_bytes;
  SimulatedArchive simulated(options);
  const MemoryObjects& objects = *simulated.objects();
  const auto count = [&] {
    return objects.Count(archive::kJournalPrefix) + objects.Count(archive::MergedKey(""));
  };
  Section section;
  section.table.AddRow({"days", "entries", "objects", "most before", "files", "MB", "PUT and LIST",
                        "GET", "head: requests"});
  int64_t most = 0;
  int64_t seconds = 0;
  Reading reading;
  for (const double share : {0.25, 0.5, 1.0}) {
    const auto until = static_cast<int64_t>(share * settings.month_days * kDay);
    MOORING_RETURN_IF_ERROR(simulated.Run(until - seconds, [&] {
      if (++seconds % 60 == 0) most = std::max(most, count());
    }));
    most = std::max(most, count());
    const Requests requests = objects.requests();
    MOORING_ASSIGN_OR_RETURN(reading, Read(simulated));
    const double days = static_cast<double>(seconds) / kDay;
    const double mb = static_cast<double>(objects.Bytes("")) / 1e6;
    section.table.AddRow(
        {FormatNumber(days), FormatNumber(static_cast<double>(seconds)),
         FormatNumber(static_cast<double>(count())), FormatNumber(static_cast<double>(most)),
         FormatNumber(static_cast<double>(objects.Count(archive::FileKey("")))), FormatNumber(mb),
         FormatNumber(static_cast<double>(requests.writes + requests.lists)),
         FormatNumber(static_cast<double>(requests.reads)),
         FormatNumber(static_cast<double>(reading.head_requests))});
    section.rows.emplace_back();
    section.rows.back()
        .Set("days", days)
        .Set("objects", static_cast<double>(count()))
        .Set("most_objects", static_cast<double>(most))
        .Set("mb", mb)
        .Set("writes", static_cast<double>(requests.writes))
        .Set("lists", static_cast<double>(requests.lists))
        .Set("reads", static_cast<double>(requests.reads))
        .Set("deletes", static_cast<double>(requests.deletes))
        .Set("head_requests", static_cast<double>(reading.head_requests))
        .Set("usd_of_requests", CostOf(requests, settings))
        .Set("usd_of_storage_a_month", mb / 1e3 * settings.storage_price);
  }
  section.targets.push_back({"objects besides files, at any time of the month",
                             static_cast<double>(most), false, kObjectsAim});
  section.targets.push_back({"requests to find the head after it",
                             static_cast<double>(reading.head_requests), false, kHeadRequestsAim});
  return section;
}

absl::StatusOr<Section> MeasureBegin(const Ground& ground) {
  Section section;
  section.table.AddRow(
      {"slots", "collected", "objects", "head: requests", "ms", "plan: requests", "ms"});
  for (const bool collects : {true, false}) {
    for (const int slots : ground.settings.slots) {
      SimulatedArchive::Options options;
      options.collects = collects;
      options.value_bytes = ground.settings.value_bytes;
      SimulatedArchive simulated(options);
      MOORING_RETURN_IF_ERROR(simulated.Run(slots, nullptr));
      MOORING_ASSIGN_OR_RETURN(const Reading reading, Read(simulated));
      const auto objects = static_cast<double>(simulated.objects()->Count(""));
      section.table.AddRow({FormatNumber(slots), collects ? "yes" : "no", FormatNumber(objects),
                            FormatNumber(static_cast<double>(reading.head_requests)),
                            FormatNumber(reading.head_ms),
                            FormatNumber(static_cast<double>(reading.plan_requests)),
                            FormatNumber(reading.plan_ms)});
      section.rows.emplace_back();
      section.rows.back()
          .Set("slots", slots)
          .Set("collected", collects ? 1 : 0)
          .Set("objects", objects)
          .Set("head_requests", static_cast<double>(reading.head_requests))
          .Set("head_ms", reading.head_ms)
          .Set("plan_requests", static_cast<double>(reading.plan_requests))
          .Set("plan_ms", reading.plan_ms);
    }
  }
  return section;
}

// An idle store looks every fence_check_interval; a busy one sends once a ship interval, however
// much there is.
absl::StatusOr<Section> MeasureCost(const Ground& ground) {
  const ArchiveSettings& settings = ground.settings;
  const ArchiveOptions defaults;
  SimulatedArchive::Options options;
  options.value_bytes = settings.value_bytes;
  SimulatedArchive simulated(options);
  const double days = std::min(settings.month_days, kMonthDays / 2);
  MOORING_RETURN_IF_ERROR(simulated.Run(static_cast<int64_t>(days * kDay), nullptr));
  const MemoryObjects& objects = *simulated.objects();
  const double requests = CostOf(objects.requests(), settings) * kMonthDays / days;
  const double bytes = static_cast<double>(objects.Bytes(""));
  Requests looks;
  looks.lists = static_cast<int64_t>(kMonthDays * kDay /
                                     absl::ToDoubleSeconds(defaults.fence_check_interval));
  Section section;
  section.table.AddRow({"load", "requests, USD", "log kept, GB", "storage, USD", "a month, USD"});
  const auto add = [&](std::string_view load, double usd, double stored) {
    const double storage = stored / kGb * settings.storage_price;
    section.table.AddRow({std::string(load), FormatNumber(usd), FormatNumber(stored / kGb),
                          FormatNumber(storage), FormatNumber(usd + storage)});
    section.rows.emplace_back();
    section.rows.back()
        .Set("load", load)
        .Set("requests_usd", usd)
        .Set("log_gb", stored / kGb)
        .Set("storage_usd", storage);
  };
  add("idle", CostOf(looks, settings), 0);
  add("1 commit/s", requests, bytes);
  add("1,000 commits/s", requests, bytes * 1000);
  return section;
}

}  // namespace mooring::bench
