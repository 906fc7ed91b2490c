// The reader of snapshots: as it is, and with every checksum made right, so that what stands behind
// them is reached.
#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "mooring/snapshot_file.h"
#include "src/base/crc32c.h"
#include "src/snapshot/format.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace mooring;            // NOLINT
using namespace mooring::snapshot;  // NOLINT

class Source : public SnapshotSource {
 public:
  Source(std::string_view bytes, size_t piece) : bytes_(bytes), piece_(piece) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    size = std::min({size, piece_, bytes_.size()});
    if (size > 0) std::memcpy(buffer, bytes_.data(), size);
    bytes_.remove_prefix(size);
    return size;
  }

 private:
  std::string_view bytes_;
  const size_t piece_;
};

void Seal(std::string* bytes) {
  if (bytes->size() < kPreambleBytes) return;
  testing::PutLittleEndian(Crc32c(std::string_view(*bytes).substr(0, 12)), bytes, 12);
  uint32_t check = Crc32c(std::string_view(*bytes).substr(0, kPreambleBytes));
  for (size_t at = kPreambleBytes; bytes->size() - at >= kRecordHeaderBytes;) {
    const RecordHeader header = DecodeRecordHeader(std::string_view(*bytes).substr(at));
    const std::string_view payload =
        std::string_view(*bytes).substr(at + kRecordHeaderBytes, header.length);
    check = ExtendCrc32c(check, std::string_view(*bytes).substr(at, 12));
    check = ExtendCrc32c(check, payload);
    testing::PutLittleEndian(check, bytes, at + 12);
    at += kRecordHeaderBytes + payload.size();
  }
}

void Verify(std::string_view bytes, size_t piece) {
  Source source(bytes, piece);
  testing::RequireClear(VerifySnapshot(source).status());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Verify(bytes, std::string::npos);
  Seal(&bytes);
  Verify(bytes, size % 13 + 1);
  return 0;
}
