#include "src/engine/restored_directory.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/engine/log_records.h"
#include "src/wal/io.h"
#include "src/wal/log_file_system.h"
#include "src/wal/log_scan.h"
#include "src/wal/restored_logs.h"

namespace mooring::engine {
namespace {

class Directory : public RestoredDirectory {
 public:
  Directory(std::string path, const wal::StoreId& store_id)
      : path_(std::move(path)), logs_(rocksdb::FileSystem::Default().get(), path_, store_id) {}

  absl::Status AppendToLog(uint64_t log, std::string_view bytes) override {
    return logs_.Append(log, bytes);
  }

  absl::Status Finish(std::string_view manifest_path, std::string_view manifest,
                      std::string_view current) override {
    MOORING_RETURN_IF_ERROR(logs_.Finish());
    if (!manifest.empty()) {
      MOORING_RETURN_IF_ERROR(
          WriteFileDurably(absl::StrCat(path_, "/", std::string(manifest_path)), manifest));
    }
    MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path_));
    for (const std::string& name : names) {
      MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(path_ + "/" + name, O_RDONLY));
      MOORING_RETURN_IF_ERROR(file.Sync());
    }
    return WriteFileDurably(path_ + "/CURRENT", current);
  }

 private:
  const std::string path_;
  wal::RestoredLogs logs_;
};

// Of a log, also where it is only kept for an archive; 0 for other names.
uint64_t LogNumberOf(std::string_view name) {
  constexpr std::string_view kHeld = wal::LogFileSystem::kHeldPrefix;
  if (name.substr(0, kHeld.size()) != kHeld) return wal::LogNumberOfName(name);
  uint64_t number = 0;
  const std::string_view rest = name.substr(kHeld.size());
  return absl::SimpleAtoi(ToAbsl(rest.substr(0, rest.find('-'))), &number) ? number : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RestoredDirectory>> RestoredDirectory::Begin(
    const std::string& directory, const std::string& store_id) {
  MOORING_ASSIGN_OR_RETURN(const wal::StoreId id, wal::ParseStoreId(store_id));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    // A MANIFEST may be one of the caller's files.
    if (absl::EndsWith(name, ".sst") || absl::StartsWith(name, "MANIFEST-")) continue;
    MOORING_RETURN_IF_ERROR(RemoveFile(absl::StrCat(directory, "/", name)));
  }
  return std::make_unique<Directory>(directory, id);
}

absl::StatusOr<std::vector<LogPiece>> ReadIntactLogs(const std::string& directory,
                                                     const std::string& store_id) {
  MOORING_ASSIGN_OR_RETURN(const wal::StoreId id, wal::ParseStoreId(store_id));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  std::vector<LogPiece> pieces;
  for (const std::string& name : names) {
    const uint64_t log = LogNumberOf(name);
    if (log == 0) continue;
    wal::ScanOptions options;
    options.store_id = id;
    const std::string path = directory + "/" + name;
    auto scan = wal::ScanLog(rocksdb::FileSystem::Default().get(), path, log, options);
    if (!scan.ok() || !scan->header_valid) continue;
    std::vector<LogRecord> records;
    // Up to its first damage, as the scan before.
    ReadLogRecords(path, 0, scan->data, &records).IgnoreError();
    if (records.empty()) continue;
    LogPiece piece;
    piece.log = log;
    piece.generation = scan->header.generation;
    piece.end = records.back().end;
    piece.first_sequence = records.front().first_sequence;
    piece.last_sequence = records.back().last_sequence;
    piece.first_time_us = records.front().time_us;
    piece.last_time_us = records.back().time_us;
    piece.bytes = std::move(scan->data);
    piece.bytes.resize(piece.end);
    pieces.push_back(std::move(piece));
  }
  std::sort(pieces.begin(), pieces.end(),
            [](const LogPiece& a, const LogPiece& b) { return a.log < b.log; });
  return pieces;
}

}  // namespace mooring::engine
