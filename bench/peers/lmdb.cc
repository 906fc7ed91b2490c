#include <lmdb.h>

#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

absl::Status ToStatus(int code) {
  if (code == MDB_SUCCESS) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("lmdb: ", mdb_strerror(code)));
}

MDB_val ToValue(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

// LMDB with its default flags, which sync each transaction. One writer at a time, by its design.
class Lmdb : public Peer {
 public:
  ~Lmdb() override { Lmdb::Close().IgnoreError(); }

  absl::Status Open(const PeerOptions& options) override {
    if (options.survives != Survives::kPowerLoss) {
      return absl::UnimplementedError("LMDB without sync is not compared");
    }
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_env_create(&environment_)));
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_env_set_mapsize(environment_, size_t{16} << 30)));
    MOORING_RETURN_IF_ERROR(
        ToStatus(mdb_env_open(environment_, options.directory.c_str(), 0, 0644)));
    MDB_txn* transaction = nullptr;
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_txn_begin(environment_, nullptr, 0, &transaction)));
    const int opened = mdb_dbi_open(transaction, nullptr, 0, &table_);
    if (opened != MDB_SUCCESS) {
      mdb_txn_abort(transaction);
      return ToStatus(opened);
    }
    return ToStatus(mdb_txn_commit(transaction));
  }

  absl::Status Commit(int, std::string_view key, std::string_view value) override {
    MDB_txn* transaction = nullptr;
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_txn_begin(environment_, nullptr, 0, &transaction)));
    MDB_val key_value = ToValue(key);
    MDB_val data_value = ToValue(value);
    const int put = mdb_put(transaction, table_, &key_value, &data_value, 0);
    if (put != MDB_SUCCESS) {
      mdb_txn_abort(transaction);
      return ToStatus(put);
    }
    return ToStatus(mdb_txn_commit(transaction));
  }

  absl::Status Close() override {
    if (environment_ != nullptr) mdb_env_close(environment_);
    environment_ = nullptr;
    return absl::OkStatus();
  }

 private:
  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
};

}  // namespace

std::unique_ptr<Peer> MakeLmdb() { return std::make_unique<Lmdb>(); }

}  // namespace mooring::bench
