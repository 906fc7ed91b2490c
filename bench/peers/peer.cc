#include "bench/peers/peer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring::bench {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Peer> (*make)();  // Null where it was not built in.
};

constexpr Entry kPeers[] = {
    {"limit", MakeLimit},
    {"rocksdb", MakeRocksDb},
#ifdef MOORING_BENCH_LEVELDB
    {"leveldb", MakeLevelDb},
#else
    {"leveldb", nullptr},
#endif
#ifdef MOORING_BENCH_LMDB
    {"lmdb", MakeLmdb},
#else
    {"lmdb", nullptr},
#endif
#ifdef MOORING_BENCH_SQLITE
    {"sqlite", MakeSqlite},
#else
    {"sqlite", nullptr},
#endif
#ifdef MOORING_BENCH_WIREDTIGER
    {"wiredtiger", MakeWiredTiger},
#else
    {"wiredtiger", nullptr},
#endif
    {"mooring", MakeMooring},
};

}  // namespace

absl::Status Peer::CommitAll(int, const std::vector<Pair>&) {
  return absl::UnimplementedError("this peer makes no commits of many puts");
}

absl::StatusOr<bool> Peer::Read(int, std::string_view, std::string*) {
  return absl::UnimplementedError("this peer cannot be asked for a key");
}

absl::StatusOr<uint64_t> Peer::Scan(int, std::string_view, int) {
  return absl::UnimplementedError("this peer cannot be scanned");
}

absl::StatusOr<uint64_t> Peer::ScanBack(int, std::string_view, int) {
  return absl::UnimplementedError("this peer cannot be scanned backward");
}

absl::StatusOr<uint64_t> Peer::MultiGet(int reader, const std::vector<std::string_view>& keys) {
  uint64_t found = 0;
  std::string value;
  for (const std::string_view key : keys) {
    MOORING_ASSIGN_OR_RETURN(const bool there, Read(reader, key, &value));
    found += there ? 1 : 0;
  }
  return found;
}

std::vector<std::string> PeerNames() {
  std::vector<std::string> names;
  for (const Entry& entry : kPeers) names.push_back(entry.name);
  return names;
}

absl::StatusOr<std::unique_ptr<Peer>> MakePeer(std::string_view name) {
  for (const Entry& entry : kPeers) {
    if (entry.name != name) continue;
    if (entry.make != nullptr) return entry.make();
    return absl::UnimplementedError(absl::StrCat(
        entry.name, " was not found when this was configured: run cmake/install-deps.sh --bench"));
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no peer \"", ToAbsl(name), "\", only ",
                                                 absl::StrJoin(PeerNames(), ", ")));
}

absl::StatusOr<ChosenPeers> ChoosePeers(const std::vector<std::string>& names) {
  ChosenPeers chosen;
  for (const std::string& name : names) {
    const absl::Status made = MakePeer(name).status();
    if (absl::IsUnimplemented(made)) {
      absl::StrAppend(&chosen.skipped, "skipped: ", made.message(), "\n");
      continue;
    }
    MOORING_RETURN_IF_ERROR(made);
    chosen.names.push_back(name);
  }
  return chosen;
}

}  // namespace mooring::bench
