#include "bench/peers/mooring.h"

#include <algorithm>

#include "bench/peers/peer.h"
#include "mooring/status_macros.h"

namespace mooring::bench {

absl::Status MooringPeer::Open(const PeerOptions& options) {
  Options store_options;
  store_options.volume = options.directory;
  store_options.allow_unsafe_volume = true;
  store_options.archive = archive_;
  store_options.write_buffer_bytes = options.write_buffer_bytes;
  store_options.max_wal_bytes =
      std::max(store_options.max_wal_bytes, 4 * options.write_buffer_bytes);
  commit_options_.durability = durability_.value_or(
      options.survives == Survives::kPowerLoss ? Durability::kVolume : Durability::kProcess);
  MOORING_ASSIGN_OR_RETURN(store_, Store::Open(store_options));
  MOORING_ASSIGN_OR_RETURN(table_, store_->OpenTable("pairs"));
  return absl::OkStatus();
}

absl::Status MooringPeer::Commit(int, std::string_view key, std::string_view value) {
  return table_.Put(key, value, commit_options_).status();
}

absl::StatusOr<bool> MooringPeer::Contains(std::string_view key) {
  Value value;
  const absl::Status status = table_.Get(key, &value);
  if (absl::IsNotFound(status)) return false;
  if (!status.ok()) return status;
  return true;
}

absl::Status MooringPeer::Close() {
  table_ = Table();
  const CloseReport report = store_->Close(absl::Minutes(5));
  store_.reset();
  return report.status;
}

std::unique_ptr<Peer> MakeMooring() { return std::make_unique<MooringPeer>(); }

}  // namespace mooring::bench
