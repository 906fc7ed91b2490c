#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "leveldb/cache.h"
#include "leveldb/db.h"
#include "leveldb/write_batch.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

absl::Status ToStatus(const leveldb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("leveldb: ", status.ToString()));
}

leveldb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

// LevelDB as it comes, with `sync` as asked.
class LevelDb : public Peer {
 public:
  absl::Status Open(const PeerOptions& options) override {
    leveldb::Options leveldb_options;
    leveldb_options.create_if_missing = true;
    leveldb_options.write_buffer_size = static_cast<size_t>(options.write_buffer_bytes);
    if (options.cache_bytes > 0) {
      cache_.reset(leveldb::NewLRUCache(static_cast<size_t>(options.cache_bytes)));
      leveldb_options.block_cache = cache_.get();
    }
    write_options_.sync = options.survives == Survives::kPowerLoss;
    leveldb::DB* db = nullptr;
    absl::Status status =
        ToStatus(leveldb::DB::Open(leveldb_options, options.directory + "/db", &db));
    db_.reset(db);
    return status;
  }

  absl::Status Commit(int, std::string_view key, std::string_view value) override {
    return ToStatus(db_->Put(write_options_, ToSlice(key), ToSlice(value)));
  }

  absl::Status CommitAll(int, const std::vector<Pair>& pairs) override {
    leveldb::WriteBatch batch;
    for (const Pair& pair : pairs) batch.Put(ToSlice(pair.key), ToSlice(pair.value));
    return ToStatus(db_->Write(write_options_, &batch));
  }

  absl::StatusOr<bool> Read(int, std::string_view key, std::string* value) override {
    const leveldb::Status status = db_->Get(leveldb::ReadOptions(), ToSlice(key), value);
    if (status.IsNotFound()) return false;
    if (!status.ok()) return ToStatus(status);
    return true;
  }

  absl::StatusOr<uint64_t> Scan(int, std::string_view begin, int limit) override {
    const std::unique_ptr<leveldb::Iterator> it(db_->NewIterator(leveldb::ReadOptions()));
    uint64_t bytes = 0;
    for (it->Seek(ToSlice(begin)); it->Valid() && limit-- > 0; it->Next()) {
      bytes += it->key().size() + it->value().size();
    }
    MOORING_RETURN_IF_ERROR(ToStatus(it->status()));
    return bytes;
  }

  absl::StatusOr<uint64_t> ScanBack(int, std::string_view end, int limit) override {
    const std::unique_ptr<leveldb::Iterator> it(db_->NewIterator(leveldb::ReadOptions()));
    it->Seek(ToSlice(end));
    it->Valid() ? it->Prev() : it->SeekToLast();
    uint64_t bytes = 0;
    for (; it->Valid() && limit-- > 0; it->Prev()) bytes += it->key().size() + it->value().size();
    MOORING_RETURN_IF_ERROR(ToStatus(it->status()));
    return bytes;
  }

  absl::Status Close() override {
    db_.reset();
    cache_.reset();
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<leveldb::DB> db_;
  leveldb::WriteOptions write_options_;
};

}  // namespace

std::unique_ptr<Peer> MakeLevelDb() { return std::make_unique<LevelDb>(); }

}  // namespace mooring::bench
