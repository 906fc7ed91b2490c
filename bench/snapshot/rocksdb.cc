#include <memory>

#include "absl/strings/str_cat.h"
#include "bench/snapshot/copier.h"
#include "mooring/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/utilities/backup_engine.h"

namespace mooring::bench {
namespace {

absl::Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("rocksdb: ", status.ToString()));
}

// With its default options: syncs, and copies with one thread.
class RocksDbCopier : public Copier {
 public:
  ~RocksDbCopier() override {
    if (db_ != nullptr) db_->Close().PermitUncheckedError();
  }
  std::string name() const override { return "rocksdb BackupEngine"; }

  absl::Status Fill(const std::string& directory, const CopyRecords& records) override {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status opened = rocksdb::DB::Open(options, directory + "/db", &db);
    db_.reset(db);
    MOORING_RETURN_IF_ERROR(ToStatus(opened));
    std::string value;
    rocksdb::WriteBatch batch;
    for (uint64_t i = 0; i < records.count(); ++i) {
      CopyRecords::FillValue(i, &value);
      batch.Put(CopyRecords::Key(i), value).PermitUncheckedError();
      if ((i + 1) % CopyRecords::kRecordsPerBatch != 0 && i + 1 != records.count()) continue;
      MOORING_RETURN_IF_ERROR(ToStatus(db_->Write(rocksdb::WriteOptions(), &batch)));
      batch.Clear();
    }
    return ToStatus(db_->Flush(rocksdb::FlushOptions()));
  }

  absl::Status Copy(const std::string& path) override {
    rocksdb::BackupEngine* engine = nullptr;
    const rocksdb::IOStatus opened = rocksdb::BackupEngine::Open(rocksdb::BackupEngineOptions(path),
                                                                 rocksdb::Env::Default(), &engine);
    const std::unique_ptr<rocksdb::BackupEngine> owned(engine);
    MOORING_RETURN_IF_ERROR(ToStatus(opened));
    return ToStatus(owned->CreateNewBackup(db_.get(), /*flush_before_backup=*/true));
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<Copier> MakeRocksDbCopier() { return std::make_unique<RocksDbCopier>(); }

}  // namespace mooring::bench
