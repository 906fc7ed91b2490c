#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "rocksdb/file_system.h"
#include "rocksdb/metadata.h"
#include "src/engine/file_keeper.h"

namespace mooring::engine {

// As the MANIFEST has it. DATA_LOSS where it has no checksum.
absl::StatusOr<LiveFile> LiveFileOf(const rocksdb::LiveFileMetaData& metadata);

// The files that `list` names, on `files`.
class RocksDbFileKeeper : public FileKeeper {
 public:
  using Lister = std::function<absl::StatusOr<std::vector<LiveFile>>()>;

  RocksDbFileKeeper(std::shared_ptr<rocksdb::FileSystem> files, std::string directory, Lister list);

  absl::StatusOr<std::vector<LiveFile>> List() override { return list_(); }
  absl::Status Check(const LiveFile& file, const Pace& pace) override;
  absl::StatusOr<uint64_t> Repair(const LiveFile& file, const std::string& good) override;
  void Forget(const LiveFile& file) override;

 private:
  std::string PathOf(const LiveFile& file) const { return directory_ + "/" + file.path; }
  std::string Locate(const std::string& path) const;
  absl::StatusOr<uint64_t> Overwrite(const LiveFile& file, const std::string& good) const;
  absl::Status Replace(const LiveFile& file, const std::string& good) const;

  const std::shared_ptr<rocksdb::FileSystem> files_;
  const std::string directory_;
  const Lister list_;
};

// That of an open engine, which outlives it.
std::unique_ptr<FileKeeper> NewFileKeeper(std::shared_ptr<rocksdb::FileSystem> files,
                                          std::string directory, rocksdb::DB* db);

}  // namespace mooring::engine
