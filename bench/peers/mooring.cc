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
  store_options.scrub_bytes_per_second = scrub_bytes_per_second_;
  store_options.write_buffer_bytes = options.write_buffer_bytes;
  if (options.cache_bytes > 0) store_options.cache_bytes = options.cache_bytes;
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

absl::Status MooringPeer::CommitAll(int, const std::vector<Pair>& pairs) {
  WriteBatch batch;
  for (const Pair& pair : pairs) batch.Put(table_, pair.key, pair.value);
  return store_->Commit(batch, commit_options_).status();
}

absl::StatusOr<bool> MooringPeer::Read(int, std::string_view key, std::string* value) {
  Value found;
  const absl::Status status = table_.Get(key, &found);
  if (absl::IsNotFound(status)) return false;
  MOORING_RETURN_IF_ERROR(status);
  value->assign(found.view());
  return true;
}

absl::StatusOr<uint64_t> MooringPeer::ScanWith(const ScanOptions& options) const {
  uint64_t bytes = 0;
  Iterator it = table_.Scan(options);
  for (; it.Valid(); it.Next()) bytes += it.key().size() + it.value().size();
  MOORING_RETURN_IF_ERROR(it.status());
  return bytes;
}

absl::StatusOr<uint64_t> MooringPeer::Scan(int, std::string_view begin, int limit) {
  ScanOptions options;
  options.begin = begin;
  options.limit = static_cast<uint64_t>(limit);
  return ScanWith(options);
}

absl::StatusOr<uint64_t> MooringPeer::ScanBack(int, std::string_view end, int limit) {
  ScanOptions options;
  options.end = end;
  options.limit = static_cast<uint64_t>(limit);
  options.reverse = true;
  return ScanWith(options);
}

absl::StatusOr<uint64_t> MooringPeer::MultiGet(int, const std::vector<std::string_view>& keys) {
  uint64_t found = 0;
  for (const absl::StatusOr<Value>& value : table_.MultiGet(keys)) {
    if (absl::IsNotFound(value.status())) continue;
    MOORING_RETURN_IF_ERROR(value.status());
    ++found;
  }
  return found;
}

absl::Status MooringPeer::Close() {
  table_ = Table();
  const CloseReport report = store_->Close(absl::Minutes(5));
  store_.reset();
  return report.status;
}

std::unique_ptr<Peer> MakeMooring() { return std::make_unique<MooringPeer>(); }

}  // namespace mooring::bench
