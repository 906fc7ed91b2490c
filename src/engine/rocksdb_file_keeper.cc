#include "src/engine/rocksdb_file_keeper.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mooring/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_reader.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"
#include "src/engine/base_file_system.h"
#include "src/engine/frozen_file_system.h"
#include "src/engine/manifest_witness.h"
#include "src/engine/rocksdb_compat.h"
#include "src/engine/rocksdb_options.h"
#include "src/engine/rocksdb_status.h"
#include "src/wal/io.h"

namespace mooring::engine {
namespace {

using rocksdb::IOOptions;
using rocksdb::IOStatus;
using Reader = wal::WindowReader;

// So small that no sync waits long for it.
constexpr uint64_t kPieceBytes = uint64_t{128} << 10;
constexpr uint64_t kBlockBytes = 4096;

absl::StatusOr<std::vector<LiveFile>> FilesOf(rocksdb::DB& db) {
  std::vector<rocksdb::LiveFileMetaData> metadata;
  db.GetLiveFilesMetaData(&metadata);
  std::vector<LiveFile> files;
  for (const rocksdb::LiveFileMetaData& file : metadata) {
    MOORING_ASSIGN_OR_RETURN(LiveFile live, LiveFileOf(file));
    files.push_back(std::move(live));
  }
  return files;
}

// What the MANIFEST names, whatever has become of it.
absl::StatusOr<std::vector<LiveFile>> ListClosed(const EngineOptions& options,
                                                 std::shared_ptr<rocksdb::FileSystem> base) {
  MOORING_ASSIGN_OR_RETURN(const auto proved,
                           NewManifestFileSystem(std::move(base), options.directory));
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(
      std::make_shared<FrozenFileSystem>(proved, FrozenFileSystem::Logs()));
  EngineOptions quiet = options;
  quiet.create = false;
  quiet.log = nullptr;
  const std::shared_ptr<rocksdb::Cache> cache = MakeCache(quiet);
  rocksdb::DBOptions db_options = MakeDbOptions(quiet, env.get(), nullptr, cache);
  db_options.listeners.clear();
  // So a file that is missing or damaged is passed over.
  db_options.paranoid_checks = false;
  db_options.skip_checking_sst_file_sizes_on_db_open = true;
  db_options.max_open_files = 20;
  std::vector<std::string> names;
  MOORING_RETURN_IF_ERROR(
      FromRocksDb(rocksdb::DB::ListColumnFamilies(db_options, options.directory, &names),
                  "listing the tables in " + options.directory));
  const rocksdb::ColumnFamilyOptions table = MakeTableOptions(quiet, cache);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, table);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  std::unique_ptr<rocksdb::DB> db;
  MOORING_RETURN_IF_ERROR(FromRocksDb(
      compat::OpenForReading(db_options, options.directory, descriptors, &handles, &db, 0),
      "looking at the files in " + options.directory));
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  return FilesOf(*db);
}

absl::Status CopyFile(rocksdb::FileSystem* files, const std::string& from, const std::string& to) {
  MOORING_ASSIGN_OR_RETURN(const auto reader,
                           Reader::Open(files, from, Reader::Source::kPageCache));
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = files->NewWritableFile(to, rocksdb::FileOptions(), &file, nullptr);
  for (uint64_t at = 0; status.ok() && at < reader->file_bytes(); at += kPieceBytes) {
    MOORING_ASSIGN_OR_RETURN(const std::string_view piece, reader->Read(at, kPieceBytes));
    status = file->Append(rocksdb::Slice(piece.data(), piece.size()), IOOptions(), nullptr);
  }
  if (status.ok()) status = file->Fsync(IOOptions(), nullptr);
  if (status.ok()) status = file->Close(IOOptions(), nullptr);
  return FromRocksDb(status, "writing " + to);
}

}  // namespace

// RocksDB keeps a checksum as four big-endian bytes.
absl::StatusOr<LiveFile> LiveFileOf(const rocksdb::LiveFileMetaData& metadata) {
  if (metadata.file_checksum.size() != 4) {
    return absl::DataLossError(
        absl::StrCat("table ", metadata.name, " has no checksum of its file"));
  }
  LiveFile file{metadata.name.substr(1), metadata.size, 0};
  for (const char byte : metadata.file_checksum) {
    file.crc32c = file.crc32c << 8 | static_cast<uint8_t>(byte);
  }
  return file;
}

RocksDbFileKeeper::RocksDbFileKeeper(std::shared_ptr<rocksdb::FileSystem> files,
                                     std::string directory, Lister list)
    : files_(std::move(files)), directory_(std::move(directory)), list_(std::move(list)) {}

absl::Status RocksDbFileKeeper::Check(const LiveFile& file, const Pace& pace) {
  const std::string path = PathOf(file);
  const auto reader = Reader::Open(files_.get(), path, Reader::Source::kDevice, kPieceBytes);
  if (absl::IsNotFound(reader.status())) {
    return absl::DataLossError(absl::StrCat(path, " is missing"));
  }
  MOORING_RETURN_IF_ERROR(reader.status());
  if ((*reader)->file_bytes() != file.size) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: it has ", (*reader)->file_bytes(),
                                            " bytes, and ", file.size, " were written"));
  }
  uint32_t crc = 0;
  for (uint64_t at = 0; at < file.size; at += kPieceBytes) {
    const uint64_t bytes = std::min(kPieceBytes, file.size - at);
    if (!pace(static_cast<int64_t>(bytes))) return absl::CancelledError("the check was ended");
    const absl::StatusOr<std::string_view> piece = (*reader)->Read(at, bytes);
    if (!piece.ok()) {
      return absl::DataLossError(
          absl::StrCat(path, " cannot be read from byte ", at, " on: ", piece.status().message()));
    }
    crc = ExtendCrc32c(crc, *piece);
  }
  if (crc == file.crc32c) return absl::OkStatus();
  wal::DropFromCache(files_.get(), path);
  return absl::DataLossError(
      absl::StrFormat("%s is damaged: its %d bytes have CRC-32C %08x, and what was written %08x%s",
                      path, file.size, crc, file.crc32c, Locate(path)));
}

// Where it is damaged, in the words of who reads it block by block; empty where that sees nothing.
std::string RocksDbFileKeeper::Locate(const std::string& path) const {
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files_);
  rocksdb::Options options;
  options.env = env.get();
  rocksdb::SstFileReader reader(options);
  rocksdb::Status status = reader.Open(path);
  if (status.ok()) status = reader.VerifyChecksum();
  return status.ok() ? "" : absl::StrCat("; ", status.ToString());
}

absl::StatusOr<uint64_t> RocksDbFileKeeper::Repair(const LiveFile& file, const std::string& good) {
  const IOStatus there = files_->FileExists(PathOf(file), IOOptions(), nullptr);
  if (!there.IsNotFound()) return Overwrite(file, good);
  MOORING_RETURN_IF_ERROR(Replace(file, good));
  return 0;
}

absl::StatusOr<uint64_t> RocksDbFileKeeper::Overwrite(const LiveFile& file,
                                                      const std::string& good) const {
  const std::string path = PathOf(file);
  rocksdb::FileSystem* const files = files_.get();
  MOORING_ASSIGN_OR_RETURN(const auto right, Reader::Open(files, good, Reader::Source::kPageCache));
  MOORING_ASSIGN_OR_RETURN(const auto target, wal::OpenForWriting(files, path));
  // What the kernel has in memory may be better than what is on the device.
  MOORING_ASSIGN_OR_RETURN(const auto there, Reader::Open(files, path, Reader::Source::kDevice));
  std::optional<uint64_t> first;
  for (uint64_t at = 0; at < file.size; at += kBlockBytes) {
    const uint64_t bytes = std::min(kBlockBytes, file.size - at);
    MOORING_ASSIGN_OR_RETURN(const std::string_view wanted, right->Read(at, bytes));
    const absl::StatusOr<std::string_view> found = there->Read(at, bytes);
    if (found.ok() && *found == wanted) continue;
    if (!first) {
      const std::string_view seen = found.ok() ? *found : std::string_view();
      first = at;
      while (*first - at < seen.size() && seen[*first - at] == wanted[*first - at]) ++*first;
    }
    MOORING_RETURN_IF_ERROR(FromRocksDb(
        target->Write(at, rocksdb::Slice(wanted.data(), wanted.size()), IOOptions(), nullptr),
        "repairing " + path));
  }
  MOORING_RETURN_IF_ERROR(
      FromRocksDb(target->Fsync(IOOptions(), nullptr), "syncing the repaired " + path));
  MOORING_RETURN_IF_ERROR(FromRocksDb(target->Close(IOOptions(), nullptr), "closing " + path));
  // Who reads it by its old name has the right bytes by now.
  if (there->file_bytes() > file.size) MOORING_RETURN_IF_ERROR(Replace(file, good));
  return first.value_or(file.size);
}

absl::Status RocksDbFileKeeper::Replace(const LiveFile& file, const std::string& good) const {
  const std::string path = PathOf(file);
  // A name that no engine takes for its own file, but for one to be removed at the next opening.
  const std::string beside = path + ".dbtmp";
  MOORING_RETURN_IF_ERROR(CopyFile(files_.get(), good, beside));
  MOORING_RETURN_IF_ERROR(
      FromRocksDb(files_->RenameFile(beside, path, IOOptions(), nullptr), "renaming " + beside));
  return wal::SyncDirectory(files_.get(), directory_);
}

void RocksDbFileKeeper::Forget(const LiveFile& file) {
  wal::DropFromCache(files_.get(), PathOf(file));
}

std::unique_ptr<FileKeeper> NewFileKeeper(std::shared_ptr<rocksdb::FileSystem> files,
                                          std::string directory, rocksdb::DB* db) {
  return std::make_unique<RocksDbFileKeeper>(std::move(files), std::move(directory),
                                             [db] { return FilesOf(*db); });
}

absl::StatusOr<std::unique_ptr<FileKeeper>> OpenFileKeeper(const EngineOptions& options) {
  std::shared_ptr<rocksdb::FileSystem> base = NewBaseFileSystem(options);
  MOORING_ASSIGN_OR_RETURN(std::vector<LiveFile> files, ListClosed(options, base));
  return std::make_unique<RocksDbFileKeeper>(
      std::move(base), options.directory,
      [files = std::move(files)]() -> absl::StatusOr<std::vector<LiveFile>> { return files; });
}

}  // namespace mooring::engine
