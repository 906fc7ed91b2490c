#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "bench/peers/peer.h"
#include "mooring/store.h"

namespace mooring::bench {

// Mooring as it comes: one Table::Put() is one commit.
class MooringPeer final : public Peer {
 public:
  MooringPeer() = default;
  // With an archive; commits are at `durability`, whatever PeerOptions::survives says.
  MooringPeer(ArchiveOptions archive, Durability durability)
      : archive_(std::move(archive)), durability_(durability) {}

  absl::Status Open(const PeerOptions& options) override;
  absl::Status Commit(int writer, std::string_view key, std::string_view value) override;
  absl::Status CommitAll(int writer, const std::vector<Pair>& pairs) override;
  absl::StatusOr<bool> Read(int reader, std::string_view key, std::string* value) override;
  absl::StatusOr<uint64_t> Scan(int reader, std::string_view begin, int limit) override;
  absl::StatusOr<uint64_t> ScanBack(int reader, std::string_view end, int limit) override;
  absl::StatusOr<uint64_t> MultiGet(int reader, const std::vector<std::string_view>& keys) override;
  absl::Status Close() override;

  // Before it is opened.
  void set_scrub_bytes_per_second(int64_t rate) { scrub_bytes_per_second_ = rate; }

  // While it is open.
  Store& store() { return *store_; }
  Table& table() { return table_; }

 private:
  absl::StatusOr<uint64_t> ScanWith(const ScanOptions& options) const;

  const ArchiveOptions archive_;
  const std::optional<Durability> durability_;
  int64_t scrub_bytes_per_second_ = Options().scrub_bytes_per_second;
  std::unique_ptr<Store> store_;
  Table table_;
  CommitOptions commit_options_;
};

}  // namespace mooring::bench
