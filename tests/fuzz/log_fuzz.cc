// The reader of logs: as they are, and with the checksums of the header and of the frames made
// right. The records within what it finds valid are read, too.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/crc32c.h"
#include "src/engine/log_records.h"
#include "src/wal/format.h"
#include "src/wal/log_scan.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace mooring;       // NOLINT
using namespace mooring::wal;  // NOLINT

constexpr uint64_t kLog = 7;

uint32_t Load(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  }
  return value;
}

void Seal(std::string* bytes) {
  if (bytes->size() < kHeaderBytes) return;
  const std::string_view header = std::string_view(*bytes).substr(0, kHeaderBytes);
  testing::PutLittleEndian(ExtendCrc32c(Crc32c(header.substr(0, 12)), header.substr(16)), bytes,
                           12);
  for (size_t at = kHeaderBytes; bytes->size() - at >= kFrameHeaderBytes;) {
    const size_t room = bytes->size() - at - kFrameHeaderBytes;
    const size_t payload = std::min<size_t>(Load(*bytes, at + 12), room);
    const std::string_view view = *bytes;
    testing::PutLittleEndian(Crc32c(view.substr(at + kFrameHeaderBytes, payload)), bytes, at + 8);
    testing::PutLittleEndian(Crc32c(view.substr(at + 8, kFrameHeaderBytes - 8)), bytes, at + 4);
    at += std::min<size_t>(FrameBytes(kFrameHeaderBytes, payload), kFrameHeaderBytes + room);
  }
}

// A file in memory that RocksDB's file system can open.
void Scan(const std::string& bytes) {
  static const int file = ::memfd_create("log", MFD_CLOEXEC);
  static const std::string path = absl::StrCat("/proc/self/fd/", file);
  testing::Require(::ftruncate(file, 0) == 0 && ::pwrite(file, bytes.data(), bytes.size(), 0) ==
                                                    static_cast<ssize_t>(bytes.size()),
                   "the test cannot write its file");
  ScanOptions options;
  options.check_store_id = false;
  options.source = WindowReader::Source::kPageCache;
  const absl::StatusOr<LogScan> scan =
      ScanLog(rocksdb::FileSystem::Default().get(), path, kLog, options);
  testing::RequireClear(scan.status());
  if (!scan.ok()) return;
  testing::Require(scan->data.size() == scan->length, "the valid prefix has another length");
  testing::Require(scan->length <= bytes.size(), "more is valid than there is");
  std::vector<engine::LogRecord> records;
  testing::RequireClear(engine::ReadLogRecords("log", 0, scan->data, &records));
  uint64_t end = 0;
  for (const engine::LogRecord& record : records) {
    testing::Require(record.end > end && record.end <= scan->length, "a record that goes nowhere");
    end = record.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Scan(bytes);
  Seal(&bytes);
  Scan(bytes);
  return 0;
}
