#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "rocksdb/db.h"

namespace mooring::bench {
namespace {

absl::Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("rocksdb: ", status.ToString()));
}

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

// RocksDB as it comes, with `sync` as asked.
class RocksDb : public Peer {
 public:
  absl::Status Open(const PeerOptions& options) override {
    rocksdb::Options rocksdb_options;
    rocksdb_options.create_if_missing = true;
    rocksdb_options.write_buffer_size = static_cast<size_t>(options.write_buffer_bytes);
    write_options_.sync = options.survives == Survives::kPowerLoss;
    rocksdb::DB* db = nullptr;
    absl::Status status =
        ToStatus(rocksdb::DB::Open(rocksdb_options, options.directory + "/db", &db));
    db_.reset(db);
    return status;
  }

  absl::Status Commit(int, std::string_view key, std::string_view value) override {
    return ToStatus(db_->Put(write_options_, ToSlice(key), ToSlice(value)));
  }

  absl::StatusOr<bool> Contains(std::string_view key) override {
    rocksdb::PinnableSlice value;
    const rocksdb::Status status =
        db_->Get(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), ToSlice(key), &value);
    if (status.IsNotFound()) return false;
    if (!status.ok()) return ToStatus(status);
    return true;
  }

  absl::Status Close() override {
    absl::Status status = ToStatus(db_->Close());
    db_.reset();
    return status;
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions write_options_;
};

}  // namespace

std::unique_ptr<Peer> MakeRocksDb() { return std::make_unique<RocksDb>(); }

}  // namespace mooring::bench
