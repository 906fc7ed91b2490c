// The reader of the archive's entries and identity: as they are, and with the checksum made right.
// What is read once can be written, and is the same then.
#include <string>
#include <string_view>

#include "src/archive/entry.h"
#include "src/base/crc32c.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace mooring;           // NOLINT
using namespace mooring::archive;  // NOLINT

constexpr uint64_t kSlot = 17;
constexpr size_t kChecksumAt = 12;

void Decode(std::string_view object) {
  const absl::StatusOr<Entry> entry = DecodeEntry("entry", kSlot, object);
  testing::RequireClear(entry.status());
  if (entry.ok()) {
    const absl::StatusOr<std::string> encoded = EncodeEntry(*entry);
    testing::Require(encoded.ok(), "what was read cannot be written", encoded.status());
    const absl::StatusOr<Entry> again = DecodeEntry("entry", kSlot, *encoded);
    testing::Require(again.ok(), "what was written cannot be read", again.status());
  }
  testing::RequireClear(DecodeIdentity("identity", object).status());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string object(reinterpret_cast<const char*>(data), size);
  Decode(object);
  if (size < kChecksumAt + 4) return 0;
  const std::string_view bytes = object;
  const uint32_t crc =
      ExtendCrc32c(Crc32c(bytes.substr(0, kChecksumAt)), bytes.substr(kChecksumAt + 4));
  testing::PutLittleEndian(crc, &object, kChecksumAt);
  Decode(object);
  return 0;
}
