#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace mooring::bench {

// Records of noise under 16-byte keys in random order, the same for all.
class CopyRecords {
 public:
  static constexpr int kValueBytes = 1000;
  static constexpr uint64_t kRecordsPerBatch = 1000;

  explicit CopyRecords(int64_t mebibytes);
  uint64_t count() const { return count_; }
  static std::string Key(uint64_t index);
  static void FillValue(uint64_t index, std::string* value);

 private:
  const uint64_t count_;
};

// A store that copies its own state, whole, while it serves.
class Copier {
 public:
  virtual ~Copier() = default;
  virtual std::string name() const = 0;
  // Makes the store in `directory`, which is empty, and leaves it open.
  [[nodiscard]] virtual absl::Status Fill(const std::string& directory,
                                          const CopyRecords& records) = 0;
  // A copy at `path`, where there is nothing; durable when OK.
  [[nodiscard]] virtual absl::Status Copy(const std::string& path) = 0;
};

std::unique_ptr<Copier> MakeRocksDbCopier();  // BackupEngine
std::unique_ptr<Copier> MakeSqliteCopier();   // sqlite3_backup, as `.backup`
std::unique_ptr<Copier> MakeLmdbCopier();     // mdb_env_copy, as mdb_copy

// Those that were built.
std::vector<std::unique_ptr<Copier>> MakeCopiers();

}  // namespace mooring::bench
