#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "bench/snapshot/copier.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"

namespace mooring::bench {
namespace {

absl::Status ToStatus(int code) {
  if (code == MDB_SUCCESS) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("lmdb: ", mdb_strerror(code)));
}

// What mdb_copy does, and a sync, which it does not do itself.
class LmdbCopier : public Copier {
 public:
  ~LmdbCopier() override {
    if (environment_ != nullptr) mdb_env_close(environment_);
  }
  std::string name() const override { return "mdb_copy"; }

  absl::Status Fill(const std::string& directory, const CopyRecords& records) override {
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_env_create(&environment_)));
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_env_set_mapsize(environment_, size_t{16} << 30)));
    MOORING_RETURN_IF_ERROR(
        ToStatus(mdb_env_open(environment_, directory.c_str(), MDB_NOSYNC, 0644)));
    for (uint64_t i = 0; i < records.count(); i += 50 * CopyRecords::kRecordsPerBatch) {
      MOORING_RETURN_IF_ERROR(
          Insert(i, std::min(records.count(), i + 50 * CopyRecords::kRecordsPerBatch)));
    }
    return ToStatus(mdb_env_sync(environment_, 1));
  }

  absl::Status Copy(const std::string& path) override {
    MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(path));
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_env_copy(environment_, path.c_str())));
    MOORING_ASSIGN_OR_RETURN(PosixFile copy, PosixFile::Open(path + "/data.mdb", O_RDONLY));
    return copy.Sync();
  }

 private:
  absl::Status Insert(uint64_t begin, uint64_t end) {
    MDB_txn* transaction = nullptr;
    MOORING_RETURN_IF_ERROR(ToStatus(mdb_txn_begin(environment_, nullptr, 0, &transaction)));
    MDB_dbi table = 0;
    int result = mdb_dbi_open(transaction, nullptr, 0, &table);
    std::string value;
    for (uint64_t i = begin; result == MDB_SUCCESS && i < end; ++i) {
      CopyRecords::FillValue(i, &value);
      std::string key = CopyRecords::Key(i);
      MDB_val key_value = {key.size(), key.data()};
      MDB_val data_value = {value.size(), value.data()};
      result = mdb_put(transaction, table, &key_value, &data_value, 0);
    }
    if (result == MDB_SUCCESS) return ToStatus(mdb_txn_commit(transaction));
    mdb_txn_abort(transaction);
    return ToStatus(result);
  }

  MDB_env* environment_ = nullptr;
};

}  // namespace

std::unique_ptr<Copier> MakeLmdbCopier() { return std::make_unique<LmdbCopier>(); }

}  // namespace mooring::bench
