#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "mooring/status_macros.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

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
    if (options.cache_bytes > 0) {
      rocksdb::BlockBasedTableOptions table;
      table.block_cache = rocksdb::NewLRUCache(static_cast<size_t>(options.cache_bytes));
      rocksdb_options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    }
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

  absl::Status CommitAll(int, const std::vector<Pair>& pairs) override {
    rocksdb::WriteBatch batch;
    for (const Pair& pair : pairs) batch.Put(ToSlice(pair.key), ToSlice(pair.value));
    return ToStatus(db_->Write(write_options_, &batch));
  }

  absl::StatusOr<bool> Read(int, std::string_view key, std::string* value) override {
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), ToSlice(key), value);
    if (status.IsNotFound()) return false;
    if (!status.ok()) return ToStatus(status);
    return true;
  }

  absl::StatusOr<uint64_t> Scan(int, std::string_view begin, int limit) override {
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
    uint64_t bytes = 0;
    for (it->Seek(ToSlice(begin)); it->Valid() && limit-- > 0; it->Next()) {
      bytes += it->key().size() + it->value().size();
    }
    MOORING_RETURN_IF_ERROR(ToStatus(it->status()));
    return bytes;
  }

  absl::StatusOr<uint64_t> ScanBack(int, std::string_view end, int limit) override {
    rocksdb::ReadOptions options;
    const rocksdb::Slice upper = ToSlice(end);
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
    uint64_t bytes = 0;
    for (it->SeekToLast(); it->Valid() && limit-- > 0; it->Prev()) {
      bytes += it->key().size() + it->value().size();
    }
    MOORING_RETURN_IF_ERROR(ToStatus(it->status()));
    return bytes;
  }

  absl::StatusOr<uint64_t> MultiGet(int, const std::vector<std::string_view>& keys) override {
    std::vector<rocksdb::Slice> slices;
    for (const std::string_view key : keys) slices.push_back(ToSlice(key));
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    db_->MultiGet(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), keys.size(), slices.data(),
                  values.data(), statuses.data());
    uint64_t found = 0;
    for (const rocksdb::Status& status : statuses) {
      if (status.IsNotFound()) continue;
      MOORING_RETURN_IF_ERROR(ToStatus(status));
      ++found;
    }
    return found;
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
