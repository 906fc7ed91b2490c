// A whole state of the RocksDB engine as files, without any log.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"
#include "src/engine/rocksdb_file_keeper.h"
#include "src/engine/rocksdb_log_source.h"
#include "src/engine/rocksdb_status.h"

namespace mooring::engine {
namespace {

constexpr absl::Duration kFlushTime = absl::Minutes(5);
constexpr int kTries = 20;

uint64_t Property(rocksdb::DB* db, const std::string& name) {
  uint64_t value = 0;
  if (!db->GetAggregatedIntProperty(name, &value)) db->GetIntProperty(name, &value);
  return value;
}

absl::Status Empty(const std::string& directory) {
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(directory));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    MOORING_RETURN_IF_ERROR(RemoveFile(absl::StrCat(directory, "/", name)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadPrefix(const std::string& path, uint64_t size) {
  MOORING_ASSIGN_OR_RETURN(const PosixFile file, PosixFile::Open(path, O_RDONLY));
  std::string bytes(size, '\0');
  MOORING_RETURN_IF_ERROR(file.ReadAt(0, size, bytes.data()));
  return bytes;
}

}  // namespace

bool RocksDbLogSource::FlushesAreQuiet() const {
  using Properties = rocksdb::DB::Properties;
  rocksdb::DB* const db = db_;
  return Property(db, Properties::kNumRunningFlushes) == 0 &&
         Property(db, Properties::kMemTableFlushPending) == 0 &&
         Property(db, Properties::kNumImmutableMemTable) == 0;
}

// Or has ended already.
bool RocksDbLogSource::FlushHasBegun() const {
  return Property(db_, rocksdb::DB::Properties::kNumRunningFlushes) > 0 || FlushesAreQuiet();
}

// Begins the flush while no commit is under way and no other flush is due: two flushes that were
// asked for with different reasons may meet in one job, where RocksDB's asserts abort.
absl::Status RocksDbLogSource::Flush(const Exclusively& exclusively) {
  const Deadline deadline(kFlushTime);
  bool begun = false;
  while (!begun) {
    while (!FlushesAreQuiet() && !failed_ && !deadline.Passed())
      absl::SleepFor(absl::Milliseconds(2));
    if (deadline.Passed()) return absl::UnavailableError("flushes do not come to an end");
    MOORING_RETURN_IF_ERROR(exclusively([&]() -> absl::Status {
      if (failed_) return absl::UnavailableError("earlier work on the volume failed");
      if (!FlushesAreQuiet()) return absl::OkStatus();
      begun = true;
      rocksdb::FlushOptions options;
      options.wait = false;
      options.allow_write_stall = true;
      MOORING_RETURN_IF_ERROR(FromRocksDb(flush_(options), "flushing for a checkpoint"));
      // A commit may ask for another flush: not before the job of this one has begun.
      while (!FlushHasBegun() && !failed_ && !deadline.Passed()) {
        absl::SleepFor(absl::Milliseconds(1));
      }
      return absl::OkStatus();
    }));
  }
  while (!FlushesAreQuiet()) {
    if (failed_) return absl::UnavailableError("earlier work on the volume failed");
    if (deadline.Passed()) return absl::UnavailableError("the flush does not come to an end");
    absl::SleepFor(absl::Milliseconds(2));
  }
  return absl::OkStatus();
}

absl::Status RocksDbLogSource::FlushAll() {
  return Flush([](const std::function<absl::Status()>& work) { return work(); });
}

// E4: a table that is made or dropped during it begins it anew.
absl::StatusOr<CapturedState> RocksDbLogSource::Capture(const std::string& directory,
                                                        const Exclusively& exclusively) {
  for (int i = 0; i < kTries; ++i) {
    const uint64_t before = TableChanges();
    MOORING_ASSIGN_OR_RETURN(CapturedState state, CaptureOnce(directory, exclusively));
    MOORING_RETURN_IF_ERROR(exclusively([&] {
      state.table_changes = TableChanges();
      return absl::OkStatus();
    }));
    if (state.table_changes == before) return state;
  }
  return absl::UnavailableError("tables are made and dropped too often to be captured");
}

absl::StatusOr<CapturedState> RocksDbLogSource::CaptureOnce(const std::string& directory,
                                                            const Exclusively& exclusively) {
  MOORING_RETURN_IF_ERROR(Empty(directory));
  MOORING_RETURN_IF_ERROR(Flush(exclusively));
  rocksdb::DB* const db = db_;
  MOORING_RETURN_IF_ERROR(
      FromRocksDb(db->DisableFileDeletions(), "keeping files for a checkpoint"));
  // Without force: somebody else may want them kept, too (ROCKSDB.md).
  const absl::Cleanup enable = [db] { db->EnableFileDeletions(false).PermitUncheckedError(); };
  for (int i = 0; i < kTries; ++i) {
    auto state = CaptureFiles(directory);
    if (state.ok()) OnDurable(state->max_sequence);  // In files, also what no log was synced for.
    if (!absl::IsAborted(state.status())) return state;
  }
  return absl::UnavailableError("the files changed too often to be captured");
}

// ABORTED where they changed meanwhile.
absl::StatusOr<CapturedState> RocksDbLogSource::CaptureFiles(const std::string& directory) {
  rocksdb::DB* const db = db_;
  const std::string min_log = rocksdb::DB::Properties::kMinLogNumberToKeep;
  CapturedState state;
  db->GetIntProperty(min_log, &state.min_log);
  std::vector<std::string> names;
  uint64_t manifest_bytes = 0;
  MOORING_RETURN_IF_ERROR(
      FromRocksDb(db->GetLiveFiles(names, &manifest_bytes, /*flush_memtable=*/false),
                  "listing the files of a checkpoint"));
  std::vector<rocksdb::LiveFileMetaData> metadata;
  db->GetLiveFilesMetaData(&metadata);
  uint64_t min_log_after = 0;
  db->GetIntProperty(min_log, &min_log_after);
  if (min_log_after != state.min_log) return absl::AbortedError("a flush came between");
  std::map<std::string, const rocksdb::LiveFileMetaData*> tables;
  for (const rocksdb::LiveFileMetaData& file : metadata) tables[file.name] = &file;
  for (const std::string& name : names) {
    if (absl::StartsWith(name, "/MANIFEST-")) state.manifest_path = name.substr(1);
    if (!absl::EndsWith(name, ".sst")) continue;
    const auto found = tables.find(name);
    if (found == tables.end()) return absl::AbortedError("a compaction came between");
    MOORING_ASSIGN_OR_RETURN(const LiveFile live, LiveFileOf(*found->second));
    CapturedFile file{live.path, directory + name, live.size, live.crc32c};
    if (::link((directory_ + name).c_str(), file.local.c_str()) != 0 && errno != EEXIST) {
      return ErrnoError("link", directory_ + name, errno);
    }
    state.files.push_back(std::move(file));
  }
  if (state.manifest_path.empty() || manifest_bytes == 0) {
    return absl::DataLossError(absl::StrCat("no MANIFEST can be captured in ", directory_));
  }
  MOORING_ASSIGN_OR_RETURN(state.manifest,
                           ReadPrefix(directory_ + "/" + state.manifest_path, manifest_bytes));
  state.current = state.manifest_path + "\n";
  MOORING_RETURN_IF_ERROR(FindPlace(state.min_log, &state));
  return state;
}

// With atomic flushes every switch of memory begins a log, so that files hold exactly what came
// before the first log that is still needed.
absl::Status RocksDbLogSource::FindPlace(uint64_t min_log, CapturedState* state) const {
  absl::MutexLock lock(&mutex_);
  for (const Log& log : logs_) {
    if (log.number < min_log) continue;
    state->min_log = log.number;
    state->max_sequence = log.base;
    state->max_time_us = log.base_time_us;
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("log ", min_log, " was never made"));
}

}  // namespace mooring::engine
