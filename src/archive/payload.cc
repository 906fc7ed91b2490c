#include "src/archive/payload.h"

#include <zstd.h>

#include "absl/strings/str_cat.h"

namespace mooring::archive {
namespace {

// Logs are shipped while commits wait, so speed counts for more than the last tenth of size.
constexpr int kCompressionLevel = 1;

}  // namespace

std::string Compress(std::string_view data) {
  std::string out(ZSTD_compressBound(data.size()), '\0');
  const size_t bytes =
      ZSTD_compress(out.data(), out.size(), data.data(), data.size(), kCompressionLevel);
  if (ZSTD_isError(bytes) || bytes >= data.size()) return "";
  out.resize(bytes);
  return out;
}

absl::StatusOr<std::string> Decompress(std::string_view data, uint64_t raw_bytes) {
  std::string out(raw_bytes, '\0');
  const size_t bytes = ZSTD_decompress(out.data(), out.size(), data.data(), data.size());
  if (ZSTD_isError(bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("its payload does not decompress: ", ZSTD_getErrorName(bytes)));
  }
  if (bytes != raw_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("its payload has ", bytes, " bytes instead of ", raw_bytes));
  }
  return out;
}

}  // namespace mooring::archive
