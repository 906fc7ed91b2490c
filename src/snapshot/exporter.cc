#include "src/snapshot/exporter.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/snapshot/writer.h"

namespace mooring::snapshot {
namespace {

constexpr int kTries = 20;

struct Captured {
  engine::CapturedState state;
  std::vector<std::string> tables;
};

// With the names of the tables that the state has.
absl::StatusOr<Captured> Capture(const ExportJob& job) {
  for (int i = 0; i < kTries; ++i) {
    Captured captured;
    uint64_t changes = 0;
    MOORING_ASSIGN_OR_RETURN(captured.state, job.source->Capture(job.staging, job.exclusively));
    MOORING_RETURN_IF_ERROR(job.exclusively([&] {
      changes = job.source->TableChanges();
      captured.tables = job.tables();
      return absl::OkStatus();
    }));
    if (changes == captured.state.table_changes) return captured;
  }
  return absl::UnavailableError(
      "tables are made and dropped too often for a snapshot to be taken. Try again.");
}

class Exporter {
 public:
  Exporter(const ExportJob& job, const ExportOptions& options, SnapshotSink* sink)
      : job_(job), options_(options), writer_(sink, options.compress) {}

  absl::StatusOr<SnapshotInfo> Run() {
    MOORING_ASSIGN_OR_RETURN(Captured captured, Capture(job_));
    const engine::CapturedState& state = captured.state;
    MOORING_ASSIGN_OR_RETURN(Head head, job_.describe(state.max_sequence));
    head.engine = std::string(kEngine);
    head.sequence = state.max_sequence;
    head.commit_time_us = state.max_time_us;
    head.export_time_us = absl::ToUnixMicros(absl::Now());
    head.tables = std::move(captured.tables);
    std::sort(head.tables.begin(), head.tables.end());
    head.bytes = state.manifest.size() + state.current.size();
    for (const engine::CapturedFile& file : state.files) head.bytes += file.size;
    total_ = static_cast<int64_t>(head.bytes);
    MOORING_RETURN_IF_ERROR(writer_.Begin(head));
    for (const engine::CapturedFile& file : state.files) MOORING_RETURN_IF_ERROR(AddFile(file));
    MOORING_RETURN_IF_ERROR(
        AddText({PartKind::kManifest, state.manifest_path, state.manifest.size()}, state.manifest));
    MOORING_RETURN_IF_ERROR(
        AddText({PartKind::kCurrent, "CURRENT", state.current.size()}, state.current));
    MOORING_RETURN_IF_ERROR(writer_.Finish());
    SnapshotInfo info = Describe(head);
    info.parts = static_cast<int64_t>(writer_.parts());
    info.stored_bytes = static_cast<int64_t>(writer_.written());
    return info;
  }

 private:
  absl::Status Add(size_t bytes) {
    if (job_.may_go_on) MOORING_RETURN_IF_ERROR(job_.may_go_on());
    MOORING_RETURN_IF_ERROR(writer_.Add(bytes));
    done_ += static_cast<int64_t>(bytes);
    if (!options_.progress || options_.progress({done_, total_})) return absl::OkStatus();
    return absl::CancelledError(
        absl::StrCat("the export was cancelled after ", done_, " of ", total_, " bytes"));
  }

  absl::Status AddFile(const engine::CapturedFile& file) {
    MOORING_RETURN_IF_ERROR(writer_.BeginPart({PartKind::kTableFile, file.path, file.size}));
    MOORING_ASSIGN_OR_RETURN(const PosixFile opened, PosixFile::Open(file.local, O_RDONLY));
    ::posix_fadvise(opened.fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
    for (uint64_t at = 0; at < file.size;) {
      const size_t bytes = std::min<uint64_t>(kChunkBytes, file.size - at);
      const absl::Status read = opened.ReadAt(at, bytes, writer_.buffer());
      if (absl::IsOutOfRange(read)) return Damaged(file, read.message());
      MOORING_RETURN_IF_ERROR(read);
      MOORING_RETURN_IF_ERROR(Add(bytes));
      at += bytes;
    }
    const uint32_t crc32c = writer_.so_far().crc32c;
    if (crc32c != file.crc32c) {
      return Damaged(
          file, absl::StrFormat("its CRC-32C is %08x, and %08x was written", crc32c, file.crc32c));
    }
    // What compaction has replaced meanwhile goes now.
    RemoveFile(file.local).IgnoreError();
    return writer_.EndPart();
  }

  static absl::Status Damaged(const engine::CapturedFile& file, absl::string_view why) {
    return absl::DataLossError(absl::StrCat(
        file.path, " is damaged on the volume: ", why,
        ". No snapshot is made of it. Restore the volume from its archive or a copy."));
  }

  absl::Status AddText(const Part& part, std::string_view text) {
    MOORING_RETURN_IF_ERROR(writer_.BeginPart(part));
    while (!text.empty()) {
      const std::string_view piece = text.substr(0, kChunkBytes);
      std::copy(piece.begin(), piece.end(), writer_.buffer());
      MOORING_RETURN_IF_ERROR(Add(piece.size()));
      text.remove_prefix(piece.size());
    }
    return writer_.EndPart();
  }

  const ExportJob& job_;
  const ExportOptions& options_;
  Writer writer_;
  int64_t done_ = 0;
  int64_t total_ = 0;
};

}  // namespace

absl::StatusOr<SnapshotInfo> Export(const ExportJob& job, const ExportOptions& options,
                                    SnapshotSink* sink) {
  const absl::Cleanup remove = [&job] {
    std::error_code ignored;  // The next opening removes what stays.
    std::filesystem::remove_all(job.staging, ignored);
  };
  return Exporter(job, options, sink).Run();
}

SnapshotInfo Describe(const Head& head) {
  SnapshotInfo info;
  info.format = kFormat;
  info.engine = head.engine;
  info.store_id = head.store_id;
  info.version = {head.epoch, head.sequence};
  info.committed =
      head.commit_time_us == 0 ? absl::InfinitePast() : absl::FromUnixMicros(head.commit_time_us);
  info.exported = absl::FromUnixMicros(head.export_time_us);
  info.tables = head.tables;
  info.bytes = static_cast<int64_t>(head.bytes);
  return info;
}

}  // namespace mooring::snapshot
