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

  absl::Status Commit(int writer, std::string_view key, std::string_view value) override {
    return CommitAll(writer, {{key, value}});
  }

  absl::Status CommitAll(int, const std::vector<Pair>& pairs) override {
    MDB_txn* transaction = nullptr;
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_txn_begin(environment_, nullptr, 0, &transaction)));
    for (const Pair& pair : pairs) {
      MDB_val key = ToValue(pair.key);
      MDB_val value = ToValue(pair.value);
      const int put = mdb_put(transaction, table_, &key, &value, 0);
      if (put == MDB_SUCCESS) continue;
      mdb_txn_abort(transaction);
      return ToStatus(put);
    }
    return ToStatus(mdb_txn_commit(transaction));
  }

  absl::StatusOr<bool> Read(int, std::string_view key, std::string* value) override {
    MDB_txn* transaction = nullptr;
    MOORING_RETURN_IF_ERROR(
        ToStatus(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction)));
    MDB_val wanted = ToValue(key);
    MDB_val found;
    const int got = mdb_get(transaction, table_, &wanted, &found);
    if (got == MDB_SUCCESS) value->assign(static_cast<const char*>(found.mv_data), found.mv_size);
    mdb_txn_abort(transaction);
    if (got == MDB_NOTFOUND) return false;
    MOORING_RETURN_IF_ERROR(ToStatus(got));
    return true;
  }

  absl::StatusOr<uint64_t> Scan(int, std::string_view begin, int limit) override {
    return Walk(begin, MDB_NEXT, limit);
  }

  absl::StatusOr<uint64_t> ScanBack(int, std::string_view end, int limit) override {
    return Walk(end, MDB_PREV, limit);
  }

  absl::Status Close() override {
    if (environment_ != nullptr) mdb_env_close(environment_);
    environment_ = nullptr;
    return absl::OkStatus();
  }

 private:
  // From `from` on, or from before it.
  absl::StatusOr<uint64_t> Walk(std::string_view from, MDB_cursor_op step, int limit) {
    MDB_txn* transaction = nullptr;
    MOORING_RETURN_IF_ERROR(
        ToStatus(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction)));
    MDB_cursor* cursor = nullptr;
    int code = mdb_cursor_open(transaction, table_, &cursor);
    MDB_val key = ToValue(from);
    MDB_val value;
    uint64_t bytes = 0;
    if (code == MDB_SUCCESS) code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (step == MDB_PREV && code == MDB_SUCCESS) code = mdb_cursor_get(cursor, &key, &value, step);
    if (step == MDB_PREV && code == MDB_NOTFOUND) {
      code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    }
    for (; code == MDB_SUCCESS && limit-- > 0; code = mdb_cursor_get(cursor, &key, &value, step)) {
      bytes += key.mv_size + value.mv_size;
    }
    if (cursor != nullptr) mdb_cursor_close(cursor);
    mdb_txn_abort(transaction);
    if (code != MDB_NOTFOUND) MOORING_RETURN_IF_ERROR(ToStatus(code));
    return bytes;
  }

  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
};

}  // namespace

std::unique_ptr<Peer> MakeLmdb() { return std::make_unique<Lmdb>(); }

}  // namespace mooring::bench
