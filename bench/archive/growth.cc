#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/archive/load.h"
#include "bench/archive/section.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

constexpr uint64_t kChanged = 1000;

struct Grown {
  std::vector<double> open_ms;  // Until the checkpoint stands.
  std::vector<double> sent;
};

absl::StatusOr<Grown> MeasureSize(const Ground& ground, int mib) {
  using Clock = std::chrono::steady_clock;
  MOORING_ASSIGN_OR_RETURN(const std::string url, ground.place.Fresh());
  MOORING_ASSIGN_OR_RETURN(const std::string directory, ground.scratch.FreshDirectory("store"));
  const Records records(mib);
  std::unique_ptr<MooringPeer> peer;
  MOORING_ASSIGN_OR_RETURN(peer, OpenArchived(directory, "", Durability::kVolume));
  MOORING_RETURN_IF_ERROR(records.Load(peer.get()));
  MOORING_RETURN_IF_ERROR(SettleCheckpoints(directory, url, &peer).status());
  Grown grown;
  for (int round = 0; round < ground.settings.rounds; ++round) {
    MOORING_RETURN_IF_ERROR(records.ChangeAnywhere(peer.get(), static_cast<uint64_t>(round),
                                                   std::min(kChanged, records.count())));
    MOORING_RETURN_IF_ERROR(peer->Close());
    peer.reset();
    ground.scratch.Settle();
    const auto begin = Clock::now();
    MOORING_ASSIGN_OR_RETURN(const Checkpoint checkpoint, ReopenArchived(directory, url, &peer));
    const std::chrono::duration<double, std::milli> elapsed = Clock::now() - begin;
    grown.open_ms.push_back(elapsed.count());
    grown.sent.push_back(checkpoint.sent);
  }
  MOORING_RETURN_IF_ERROR(peer->Close());
  return grown;
}

}  // namespace

absl::StatusOr<Section> MeasureGrowth(const Ground& ground) {
  Section section;
  section.table.AddRow({"store MiB", "open and checkpoint ms", "sent MB", "x the smallest"});
  std::vector<double> smallest;
  for (const int part : {100, 10, 1}) {
    const int mib = std::max(1, ground.settings.store_mib / part);
    MOORING_ASSIGN_OR_RETURN(const Grown grown, MeasureSize(ground, mib));
    if (smallest.empty()) smallest = grown.open_ms;
    section.table.AddRow({absl::StrCat(mib), FormatNumber(Median(grown.open_ms)),
                          FormatNumber(Median(grown.sent) / 1e6),
                          FormatNumber(MedianRatio(grown.open_ms, smallest))});
    section.rows.emplace_back();
    section.rows.back()
        .Set("store_mib", mib)
        .Set("open_and_checkpoint_ms", grown.open_ms)
        .Set("bytes_sent", grown.sent);
  }
  return section;
}

}  // namespace mooring::bench
