#include <sqlite3.h>

#include "absl/strings/str_cat.h"
#include "bench/snapshot/copier.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

absl::Status ToStatus(int code) {
  if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("sqlite: ", sqlite3_errstr(code)));
}

// What the shell's `.backup` does, to a file that is synced as SQLite does it.
class SqliteCopier : public Copier {
 public:
  ~SqliteCopier() override { sqlite3_close(db_); }
  std::string name() const override { return "sqlite3 .backup"; }

  absl::Status Fill(const std::string& directory, const CopyRecords& records) override {
    MOORING_RETURN_IF_ERROR(ToStatus(sqlite3_open((directory + "/db").c_str(), &db_)));
    MOORING_RETURN_IF_ERROR(Run("PRAGMA journal_mode=WAL"));
    MOORING_RETURN_IF_ERROR(
        Run("CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"));
    sqlite3_stmt* put = nullptr;
    MOORING_RETURN_IF_ERROR(
        ToStatus(sqlite3_prepare_v2(db_, "INSERT INTO pairs VALUES (?, ?)", -1, &put, nullptr)));
    const absl::Status filled = Insert(put, records);
    sqlite3_finalize(put);
    MOORING_RETURN_IF_ERROR(filled);
    return Run("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  absl::Status Copy(const std::string& path) override {
    sqlite3* to = nullptr;
    absl::Status status = ToStatus(sqlite3_open(path.c_str(), &to));
    sqlite3_backup* backup = status.ok() ? sqlite3_backup_init(to, "main", db_, "main") : nullptr;
    if (backup != nullptr) {
      status = ToStatus(sqlite3_backup_step(backup, -1));
      status.Update(ToStatus(sqlite3_backup_finish(backup)));
    } else if (status.ok()) {
      status = ToStatus(sqlite3_errcode(to));
    }
    sqlite3_close(to);
    return status;
  }

 private:
  absl::Status Run(const char* statement) {
    return ToStatus(sqlite3_exec(db_, statement, nullptr, nullptr, nullptr));
  }

  absl::Status Insert(sqlite3_stmt* put, const CopyRecords& records) {
    std::string value;
    for (uint64_t i = 0; i < records.count(); ++i) {
      if (i % (50 * CopyRecords::kRecordsPerBatch) == 0) MOORING_RETURN_IF_ERROR(Run("BEGIN"));
      CopyRecords::FillValue(i, &value);
      const std::string key = CopyRecords::Key(i);
      sqlite3_bind_blob(put, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
      sqlite3_bind_blob(put, 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
      const absl::Status inserted = ToStatus(sqlite3_step(put));
      sqlite3_reset(put);
      MOORING_RETURN_IF_ERROR(inserted);
      const bool last = i + 1 == records.count();
      if (last || (i + 1) % (50 * CopyRecords::kRecordsPerBatch) == 0) {
        MOORING_RETURN_IF_ERROR(Run("COMMIT"));
      }
    }
    return absl::OkStatus();
  }

  sqlite3* db_ = nullptr;
};

}  // namespace

std::unique_ptr<Copier> MakeSqliteCopier() { return std::make_unique<SqliteCopier>(); }

}  // namespace mooring::bench
