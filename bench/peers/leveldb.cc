#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "leveldb/db.h"

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

  absl::Status Close() override {
    db_.reset();
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<leveldb::DB> db_;
  leveldb::WriteOptions write_options_;
};

}  // namespace

std::unique_ptr<Peer> MakeLevelDb() { return std::make_unique<LevelDb>(); }

}  // namespace mooring::bench
