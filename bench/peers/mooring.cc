#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"

namespace mooring::bench {
namespace {

// Mooring as it comes: one Table::Put() is one commit.
class Mooring : public Peer {
 public:
  absl::Status Open(const PeerOptions& options) override {
    Options store_options;
    store_options.volume = options.directory;
    store_options.allow_unsafe_volume = true;
    store_options.write_buffer_bytes = options.write_buffer_bytes;
    store_options.max_wal_bytes =
        std::max(store_options.max_wal_bytes, 4 * options.write_buffer_bytes);
    commit_options_.durability =
        options.survives == Survives::kPowerLoss ? Durability::kVolume : Durability::kProcess;
    MOORING_ASSIGN_OR_RETURN(store_, Store::Open(store_options));
    MOORING_ASSIGN_OR_RETURN(table_, store_->OpenTable("pairs"));
    return absl::OkStatus();
  }

  absl::Status Commit(int, std::string_view key, std::string_view value) override {
    return table_.Put(key, value, commit_options_).status();
  }

  absl::StatusOr<bool> Contains(std::string_view key) override {
    Value value;
    const absl::Status status = table_.Get(key, &value);
    if (absl::IsNotFound(status)) return false;
    if (!status.ok()) return status;
    return true;
  }

  absl::Status Close() override {
    table_ = Table();
    const CloseReport report = store_->Close(absl::Minutes(5));
    store_.reset();
    return report.status;
  }

 private:
  std::unique_ptr<Store> store_;
  Table table_;
  CommitOptions commit_options_;
};

}  // namespace

std::unique_ptr<Peer> MakeMooring() { return std::make_unique<Mooring>(); }

}  // namespace mooring::bench
