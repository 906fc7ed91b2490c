#include "src/wal/log_dump.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mooring/status_macros.h"
#include "src/wal/io.h"

namespace mooring::wal {
namespace {

std::string PositionToString(const Position& position) {
  if (position.log == 0) return "nothing";
  return absl::StrFormat("log %d (generation %016x) to byte %d", position.log, position.generation,
                         position.offset);
}

absl::StatusOr<uint64_t> NumberOf(rocksdb::FileSystem* fs, const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string_view name =
      std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1);
  if (const uint64_t number = LogNumberOfName(name); number != 0) return number;
  MOORING_ASSIGN_OR_RETURN(auto reader,
                           WindowReader::Open(fs, path, WindowReader::Source::kPageCache));
  MOORING_ASSIGN_OR_RETURN(const std::string_view block, reader->Read(0, kHeaderBytes));
  LogHeader header;
  return DecodeLogHeader(block, &header) == Decoded::kOk ? header.log : 0;
}

std::string HeaderToString(const LogHeader& header) {
  std::string text = absl::StrFormat(
      "log %d of store %s, generation %016x, incarnation %d, made with %d bytes\n", header.log,
      StoreIdToString(header.store_id), header.generation, header.incarnation, header.capacity);
  if (header.first) return text + "first of its incarnation\n";
  return absl::StrCat(text, "follows ", PositionToString(header.predecessor), "\n");
}

}  // namespace

std::string LogDump::Verdict() const {
  if (!scan.header_valid) return "empty: the header is damaged, or that of another log";
  std::string verdict =
      absl::StrCat("whole: ", scan.length, " log bytes, ended at offset ", scan.physical_end);
  if (scan.frames_past_end > 0) {
    verdict = absl::StrCat("damaged at offset ", scan.physical_end, ": ", scan.length,
                           " log bytes are whole, and ", scan.frames_past_end,
                           " frames follow the damage, up to log byte ", scan.proven_end);
    if (scan.claim.log == scan.log && scan.claim.generation == scan.header.generation &&
        scan.claim.offset > scan.length) {
      absl::StrAppend(&verdict, "; log bytes ", scan.length, " to ", scan.claim.offset,
                      " had been synced: DATA_LOSS");
    } else {
      absl::StrAppend(&verdict,
                      "; none of them claims lost bytes: a torn tail, as far as this "
                      "file knows");
    }
  }
  if (scan.file_bytes < scan.header.capacity) {
    absl::StrAppend(&verdict, "; the file ends at offset ", scan.file_bytes,
                    ", before the bytes it was made with: truncated");
  }
  return verdict;
}

std::string LogDump::ToString() const {
  std::string text = absl::StrCat(scan.path, ", ", scan.file_bytes, " bytes\n");
  if (scan.header_valid) text += HeaderToString(scan.header);
  for (const Frame& frame : frames) {
    const FrameHeader& h = frame.header;
    absl::StrAppend(&text,
                    absl::StrFormat("%10d  log bytes %d to %d", h.physical_offset, h.logical_offset,
                                    h.logical_offset + h.payload_bytes),
                    ", durable ", PositionToString(h.durable),
                    frame.in_prefix ? "" : ", past the damage", "\n");
  }
  return absl::StrCat(text, Verdict(), "\n");
}

absl::StatusOr<LogDump> DumpLog(rocksdb::FileSystem* fs, const std::string& path) {
  LogDump dump;
  MOORING_ASSIGN_OR_RETURN(const uint64_t number, NumberOf(fs, path));
  ScanOptions options;
  options.check_store_id = false;
  options.source = WindowReader::Source::kPageCache;
  options.keep_data = false;
  options.on_frame = [&dump](const FrameHeader& frame, bool in_prefix) {
    dump.frames.push_back({frame, in_prefix});
  };
  MOORING_ASSIGN_OR_RETURN(dump.scan, ScanLog(fs, path, number, options));
  return dump;
}

absl::StatusOr<LogDump> DumpLog(const std::string& path) {
  return DumpLog(rocksdb::FileSystem::Default().get(), path);
}

}  // namespace mooring::wal
