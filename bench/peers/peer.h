#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::bench {

// What a commit must survive before it is acknowledged, and the same for every peer.
enum class Survives { kProcessEnd, kPowerLoss };

// Of those that cache for themselves, where reads are measured.
inline constexpr int64_t kCacheBytes = int64_t{256} << 20;

struct PeerOptions {
  std::string directory;  // Exists. Empty, or what this peer left there.
  int writers = 1;
  Survives survives = Survives::kPowerLoss;
  // Recent writes held in memory, for the peers that have such a thing.
  int64_t write_buffer_bytes = int64_t{64} << 20;
  // Cached blocks, for the peers that cache for themselves. 0: as the peer comes.
  int64_t cache_bytes = 0;
};

struct Pair {
  std::string_view key;
  std::string_view value;
};

// A store to compare with, run the way its own manual recommends.
class Peer {
 public:
  virtual ~Peer() = default;

  // UNIMPLEMENTED where the peer has no such promise.
  [[nodiscard]] virtual absl::Status Open(const PeerOptions& options) = 0;

  // One commit of one put. Thread-safe, for one thread at a time per `writer`, from 0.
  [[nodiscard]] virtual absl::Status Commit(int writer, std::string_view key,
                                            std::string_view value) = 0;

  // One commit of many puts.
  [[nodiscard]] virtual absl::Status CommitAll(int writer, const std::vector<Pair>& pairs);

  // Whether the store holds `key`, and then its value. For each reader as for each writer. Like the
  // other calls here UNIMPLEMENTED where nothing reads this peer.
  virtual absl::StatusOr<bool> Read(int reader, std::string_view key, std::string* value);

  // Reads up to `limit` keys and values from `begin` on, and answers how many bytes those were.
  virtual absl::StatusOr<uint64_t> Scan(int reader, std::string_view begin, int limit);
  // The same before `end`, from the last one on.
  virtual absl::StatusOr<uint64_t> ScanBack(int reader, std::string_view end, int limit);

  // How many of `keys` there are; all values are read. One by one where the peer has nothing
  // better.
  virtual absl::StatusOr<uint64_t> MultiGet(int reader, const std::vector<std::string_view>& keys);

  [[nodiscard]] virtual absl::Status Close() = 0;
};

// All peers that there are, built in or not, in the order of the tables.
std::vector<std::string> PeerNames();

// UNIMPLEMENTED where the peer's library was missing when this was configured, INVALID_ARGUMENT for
// a name that PeerNames() does not have.
absl::StatusOr<std::unique_ptr<Peer>> MakePeer(std::string_view name);

struct ChosenPeers {
  std::vector<std::string> names;
  std::string skipped;  // A line for each that was not built in.
};
// Of `names` those that MakePeer() makes.
absl::StatusOr<ChosenPeers> ChoosePeers(const std::vector<std::string>& names);

// One file each.
std::unique_ptr<Peer> MakeLimit();
std::unique_ptr<Peer> MakeRocksDb();
std::unique_ptr<Peer> MakeLevelDb();
std::unique_ptr<Peer> MakeLmdb();
std::unique_ptr<Peer> MakeSqlite();
std::unique_ptr<Peer> MakeWiredTiger();
std::unique_ptr<Peer> MakeMooring();

}  // namespace mooring::bench
