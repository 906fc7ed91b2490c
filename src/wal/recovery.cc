#include "src/wal/recovery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/wal/inventory_file.h"
#include "src/wal/io.h"

namespace mooring::wal {
namespace {

// Deframed bytes kept for the replay; logs beyond this are read again then.
constexpr uint64_t kKeptBytes = 512 << 20;

class Recoverer {
 public:
  Recoverer(rocksdb::FileSystem* fs, const LogOptions& options) : fs_(fs), options_(options) {}

  absl::StatusOr<RecoveredLogs> Run() {
    MOORING_ASSIGN_OR_RETURN(store_id_, ParseStoreId(options_.store_id));
    MOORING_ASSIGN_OR_RETURN(names_, ListNames(fs_, options_.directory));
    MOORING_RETURN_IF_ERROR(LoadInventory());
    MOORING_RETURN_IF_ERROR(ScanAll());
    MOORING_RETURN_IF_ERROR(CheckInventoryIsThere());
    FindIncarnations();
    CollectWitnesses();
    MOORING_RETURN_IF_ERROR(CheckListedLogs());
    MOORING_RETURN_IF_ERROR(CheckChain());
    MOORING_RETURN_IF_ERROR(CheckLengths());
    ForgetObsolete();
    return std::move(result_);
  }

 private:
  std::string Path(uint64_t log) const { return options_.directory + "/" + LogName(log); }
  Inventory& inventory() { return result_.inventory; }

  // The log in its present use, or null.
  RecoveredLog* Find(uint64_t log, uint64_t generation) {
    const auto found = result_.logs.find(log);
    if (found == result_.logs.end()) return nullptr;
    const LogScan& scan = found->second.scan;
    return scan.header_valid && scan.header.generation == generation ? &found->second : nullptr;
  }

  absl::Status LoadInventory() {
    // W8. Each write of a slot relies on the other one.
    if (!options_.only_look && !options_.test.no_sync_before_scan) {
      const absl::Status synced =
          SyncFile(fs_, absl::StrCat(options_.directory, "/", InventoryFile::kName));
      if (!absl::IsNotFound(synced)) MOORING_RETURN_IF_ERROR(synced);
    }
    absl::StatusOr<Inventory> loaded = InventoryFile::Load(fs_, options_.directory, store_id_);
    if (absl::IsNotFound(loaded.status())) {
      inventory().store_id = store_id_;
      return absl::OkStatus();
    }
    MOORING_RETURN_IF_ERROR(loaded.status());
    result_.has_inventory = true;
    inventory() = *std::move(loaded);
    return absl::OkStatus();
  }

  // The inventory is made before RocksDB's CURRENT and before the first log.
  absl::Status CheckInventoryIsThere() {
    if (result_.has_inventory) return absl::OkStatus();
    std::string witness;
    if (std::count(names_.begin(), names_.end(), "CURRENT") > 0) witness = "CURRENT";
    for (const auto& [number, log] : result_.logs) {
      if (log.scan.header_valid) witness = LogName(number);
    }
    if (witness.empty()) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(
        options_.directory, "/", InventoryFile::kName, ": bytes 0 to ", kInventoryBytes,
        " are gone: the inventory of logs is missing beside ", witness,
        ", so nothing proves that no log is missing. Restore from the "
        "archive or a backup; nothing was changed"));
  }

  absl::Status ScanAll() {
    std::vector<uint64_t> numbers;
    for (const std::string& name : names_) {
      if (const uint64_t log = LogNumberOfName(name); log != 0) numbers.push_back(log);
    }
    std::sort(numbers.begin(), numbers.end());
    for (const uint64_t log : numbers) {
      uint64_t bytes = 0;
      MOORING_RETURN_IF_ERROR(
          ToStatus(fs_->GetFileSize(Path(log), rocksdb::IOOptions(), &bytes, nullptr), "size of",
                   Path(log)));
      total_bytes_ += bytes;
    }
    for (const uint64_t log : numbers) MOORING_RETURN_IF_ERROR(Scan(log));
    ReportProgress(total_bytes_);
    return absl::OkStatus();
  }

  absl::Status Scan(uint64_t number) {
    // W8: what the page cache shows may not be on the disk.
    if (!options_.only_look && !options_.test.no_sync_before_scan) {
      MOORING_RETURN_IF_ERROR(SyncFile(fs_, Path(number)));
    }
    ScanOptions scan;
    scan.store_id = store_id_;
    scan.keep_data = kept_bytes_ < kKeptBytes;
    scan.accept_zeroed_block = options_.test.accept_zeroed_block;
    if (options_.test.no_sync_before_scan) scan.source = WindowReader::Source::kPageCache;
    if (const InventoryEntry* entry = inventory().Find(number); entry != nullptr) {
      if (entry->complete) scan.complete_at = entry->durable_bytes;
      scan.reach = entry->reach;
    } else if (result_.has_inventory && inventory().current) {
      scan.reach = kHeaderBytes + kBlockBytes;  // W3(a): no frame before the log is listed.
    }
    scan.on_read = [this](uint64_t bytes) { ReportProgress(done_bytes_ += bytes); };
    RecoveredLog log;
    MOORING_ASSIGN_OR_RETURN(log.scan, ScanLog(fs_, Path(number), number, scan));
    log.length = log.scan.length;
    kept_bytes_ += log.scan.data.size();
    result_.logs.emplace(number, std::move(log));
    return absl::OkStatus();
  }

  void ReportProgress(uint64_t done) {
    if (options_.progress) {
      options_.progress(static_cast<int64_t>(std::min(done, total_bytes_)),
                        static_cast<int64_t>(total_bytes_));
    }
  }

  // W4: each open flushes what it replayed before it takes a write.
  void FindIncarnations() {
    uint64_t newest_with_frames = 0;
    for (const auto& [number, log] : result_.logs) {
      if (!log.scan.header_valid) continue;
      inventory().incarnation = std::max(inventory().incarnation, log.scan.header.incarnation);
      if (!log.scan.has_frames()) continue;
      newest_with_frames = std::max(newest_with_frames, log.scan.header.incarnation);
    }
    for (const InventoryEntry& entry : inventory().logs) {
      if (entry.durable_bytes == 0) continue;
      newest_with_frames = std::max(newest_with_frames, entry.incarnation);
    }
    newest_with_frames_ = options_.test.no_incarnations ? 0 : newest_with_frames;
    for (auto& [number, log] : result_.logs) {
      log.obsolete = log.scan.header_valid && log.scan.header.incarnation < newest_with_frames_;
    }
  }

  void CollectWitnesses() {
    for (const InventoryEntry& entry : inventory().logs) {
      Witness(entry.log, entry.generation, entry.durable_bytes);
    }
    for (const auto& [number, log] : result_.logs) {
      const Position& claim = log.scan.claim;
      Witness(claim.log, claim.generation, claim.offset);
    }
  }

  // A claim on a log that is gone says nothing: the inventory knows which logs must exist.
  void Witness(uint64_t log, uint64_t generation, uint64_t offset) {
    RecoveredLog* found = Find(log, generation);
    if (found != nullptr) found->witnessed = std::max(found->witnessed, offset);
  }

  absl::Status CheckListedLogs() {
    for (const InventoryEntry& entry : inventory().logs) {
      if (entry.incarnation < newest_with_frames_) continue;
      if (Find(entry.log, entry.generation) != nullptr) continue;
      const auto found = result_.logs.find(entry.log);
      std::string what = "the file is missing";
      if (found != result_.logs.end()) {
        what = found->second.scan.header_valid ? "the file is an older copy, or another log's"
                                               : "its header, bytes 0 to 4096, is damaged";
      }
      return absl::DataLossError(absl::StrCat(
          Path(entry.log), ": ", what, "; it is lost from offset 0: log bytes 0 to ",
          entry.durable_bytes, entry.complete ? "" : " or more", " had been synced. ", kRemedy));
    }
    return absl::OkStatus();
  }

  // W4: a log whose predecessor is shorter than its header states is tail, and so is all after it.
  absl::Status CheckChain() {
    const RecoveredLog* cut_short = nullptr;
    uint64_t stated = 0;
    for (auto& [number, log] : result_.logs) {
      if (!log.scan.header_valid || log.obsolete) continue;
      if (log.scan.header.incarnation > newest_with_frames_ && newest_with_frames_ != 0) continue;
      const LogHeader& header = log.scan.header;
      if (cut_short == nullptr && !header.first && !options_.test.no_chain_check) {
        const RecoveredLog* before = Find(header.predecessor.log, header.predecessor.generation);
        if (before != nullptr && before->length < header.predecessor.offset) {
          cut_short = before;
          stated = header.predecessor.offset;
        }
      }
      if (cut_short == nullptr) continue;
      if (log.witnessed > 0) return Lost(*cut_short, stated);
      log.length = 0;
      log.scan.data.clear();
    }
    return absl::OkStatus();
  }

  absl::Status CheckLengths() {
    for (const auto& [number, log] : result_.logs) {
      if (!log.scan.header_valid || log.obsolete) continue;
      if (log.length < log.witnessed) return Lost(log, log.witnessed);
      // W2. The whole capacity was on the disk before the log had its name.
      if (log.scan.file_bytes >= log.scan.header.capacity) continue;
      return absl::DataLossError(absl::StrCat(
          log.scan.path, ": the file ends at offset ", log.scan.file_bytes, " and was made with ",
          log.scan.header.capacity, " bytes: it was truncated, and log bytes ", log.length,
          " to an unknown end may be lost. ", kRemedy));
    }
    return absl::OkStatus();
  }

  absl::Status Lost(const RecoveredLog& log, uint64_t synced_to) const {
    std::string beyond;
    if (log.scan.frames_past_end > 0) {
      beyond = absl::StrCat(" (", log.scan.frames_past_end,
                            " whole frames follow the damage, from "
                            "offset ",
                            log.scan.first_past_end, ")");
    }
    return absl::DataLossError(absl::StrCat(log.scan.path, ": damaged at offset ",
                                            log.scan.physical_end, ": log bytes ", log.scan.length,
                                            " to ", synced_to, " had been synced and are not there",
                                            beyond, ". ", kRemedy));
  }

  void ForgetObsolete() {
    std::vector<InventoryEntry>& listed = inventory().logs;
    const auto gone = [this](const InventoryEntry& entry) {
      return entry.incarnation < newest_with_frames_;
    };
    listed.erase(std::remove_if(listed.begin(), listed.end(), gone), listed.end());
  }

  static constexpr char kRemedy[] = "Restore from the archive or a backup; nothing was changed";

  rocksdb::FileSystem* const fs_;
  const LogOptions& options_;
  StoreId store_id_{};
  std::vector<std::string> names_;
  RecoveredLogs result_;
  uint64_t newest_with_frames_ = 0;
  uint64_t total_bytes_ = 0;
  uint64_t done_bytes_ = 0;
  uint64_t kept_bytes_ = 0;
};

}  // namespace

absl::StatusOr<RecoveredLogs> RecoverLogs(rocksdb::FileSystem* fs, const LogOptions& options) {
  return Recoverer(fs, options).Run();
}

}  // namespace mooring::wal
