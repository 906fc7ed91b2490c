#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/archive/load.h"
#include "bench/archive/section.h"
#include "bench/workload.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

constexpr absl::Duration kArchiveTimeout = absl::Minutes(10);
constexpr uint64_t kSmallCommits = 20'000;
constexpr double kChangedPart = 0.01;
constexpr double kCheckpointAimPercent = 5;

absl::StatusOr<int64_t> BytesSentForAll(MooringPeer* peer) {
  Store& store = peer->store();
  MOORING_RETURN_IF_ERROR(store.WaitArchived(store.version(), kArchiveTimeout));
  return store.archive_status().bytes_sent;
}

absl::Status MakeSmallCommits(const Ground& ground, MooringPeer* peer, uint64_t count) {
  std::string value(static_cast<size_t>(ground.settings.value_bytes), 0);
  for (uint64_t i = 0; i < count; ++i) {
    FillIncompressibly(i, &value);
    MOORING_RETURN_IF_ERROR(peer->Commit(0, Key(0, i).view(), value));
  }
  return absl::OkStatus();
}

void AddBytes(const std::string& what, double written, double sent, Section* section) {
  section->table.AddRow(
      {what, FormatNumber(written / 1e6), FormatNumber(sent / 1e6), FormatNumber(sent / written)});
  section->rows.emplace_back();
  section->rows.back().Set("what", what).Set("bytes_written", written).Set("bytes_sent", sent);
}

void AddCheckpoints(const std::string& what, const std::vector<double>& sent, double compacted,
                    double in_all, Section* section) {
  const double largest = sent.empty() ? 0 : *std::max_element(sent.begin(), sent.end());
  const double all = std::accumulate(sent.begin(), sent.end(), compacted);
  section->table.AddRow({what, absl::StrCat(sent.size()), FormatNumber(in_all / 1e6),
                         FormatNumber(Median(sent) / 1e6), FormatNumber(largest / 1e6),
                         FormatNumber(compacted / 1e6), FormatNumber(100 * Median(sent) / in_all),
                         FormatNumber(100 * all / static_cast<double>(sent.size()) / in_all)});
  section->rows.emplace_back();
  section->rows.back()
      .Set("what", what)
      .Set("store_bytes", in_all)
      .Set("bytes_sent_by_checkpoint", sent)
      .Set("bytes_sent_after_compaction", compacted);
}

}  // namespace

absl::StatusOr<Section> MeasureBytes(const Ground& ground) {
  Section section;
  section.table.AddRow({"load", "written MB", "sent MB", "sent x written"});
  {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<MooringPeer> peer,
                             OpenServing(ground, true, Durability::kVolume));
    MOORING_ASSIGN_OR_RETURN(const int64_t before, BytesSentForAll(peer.get()));
    const uint64_t count = ground.settings.quick ? kSmallCommits / 100 : kSmallCommits;
    MOORING_RETURN_IF_ERROR(MakeSmallCommits(ground, peer.get(), count));
    MOORING_ASSIGN_OR_RETURN(const int64_t after, BytesSentForAll(peer.get()));
    const int record_bytes = Records::kKeyBytes + ground.settings.value_bytes;
    AddBytes(absl::StrCat(ground.settings.value_bytes, " B values, one a commit"),
             static_cast<double>(count) * record_bytes, static_cast<double>(after - before),
             &section);
    MOORING_RETURN_IF_ERROR(peer->Close());
  }
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<MooringPeer> peer,
                           OpenServing(ground, true, Durability::kVolume));
  const Records records(ground.settings.store_mib);
  MOORING_ASSIGN_OR_RETURN(const int64_t before, BytesSentForAll(peer.get()));
  MOORING_RETURN_IF_ERROR(records.Load(peer.get()));
  MOORING_ASSIGN_OR_RETURN(const int64_t after, BytesSentForAll(peer.get()));
  AddBytes("1,000 B values, 1,000 a commit, with its checkpoints",
           static_cast<double>(records.total_bytes()), static_cast<double>(after - before),
           &section);
  MOORING_RETURN_IF_ERROR(peer->Close());
  return section;
}

absl::StatusOr<Section> MeasureCheckpoints(const Ground& ground) {
  MOORING_ASSIGN_OR_RETURN(const std::string url, ground.place.Fresh());
  MOORING_ASSIGN_OR_RETURN(const std::string directory, ground.scratch.FreshDirectory("store"));
  const Records records(ground.settings.store_mib);
  std::unique_ptr<MooringPeer> peer;
  MOORING_ASSIGN_OR_RETURN(peer, OpenArchived(directory, "", Durability::kVolume));
  MOORING_RETURN_IF_ERROR(records.Load(peer.get()));
  MOORING_RETURN_IF_ERROR(SettleCheckpoints(directory, url, &peer).status());
  const uint64_t changed =
      std::max<uint64_t>(1, static_cast<uint64_t>(kChangedPart * records.count()));
  Section section;
  section.table.AddRow({"1 % changed", "checkpoints", "store MB", "median MB", "most MB",
                        "MB after compaction", "median % of store", "all, % of store each"});
  for (const bool clustered : {true, false}) {
    std::vector<double> sent;
    Checkpoint checkpoint;
    for (int round = 0; round < ground.settings.rounds; ++round) {
      const uint64_t begin = records.count() / ground.settings.rounds * round;
      MOORING_RETURN_IF_ERROR(clustered ? records.ChangeRange(peer.get(), begin, changed)
                                        : records.ChangeAnywhere(peer.get(), round, changed));
      MOORING_ASSIGN_OR_RETURN(checkpoint, ReopenArchived(directory, url, &peer));
      sent.push_back(checkpoint.sent);
    }
    const std::string what = clustered ? "neighbours" : "anywhere";
    MOORING_ASSIGN_OR_RETURN(const double compacted, SettleCheckpoints(directory, url, &peer));
    AddCheckpoints(what, sent, compacted, checkpoint.in_all, &section);
    section.targets.push_back(
        {absl::StrCat("checkpoint after changing 1 % (", what, "), % of the store"),
         100 * Median(sent) / checkpoint.in_all, false, kCheckpointAimPercent});
  }
  MOORING_RETURN_IF_ERROR(peer->Close());
  return section;
}

}  // namespace mooring::bench
