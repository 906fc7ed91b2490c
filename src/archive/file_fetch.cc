#include "src/archive/file_fetch.h"

#include <fcntl.h>

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"

namespace mooring::archive {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr int kAttempts = 5;
constexpr absl::Duration kPause = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<bool> FileMatches(const std::string& path, const ArchivedFile& file) {
  absl::StatusOr<PosixFile> opened = PosixFile::Open(path, O_RDONLY);
  if (absl::IsNotFound(opened.status())) return false;
  MOORING_RETURN_IF_ERROR(opened.status());
  MOORING_ASSIGN_OR_RETURN(const uint64_t size, opened->Size());
  if (size != file.size) return false;
  std::string buffer(std::min<uint64_t>(kReadBytes, size), '\0');
  uint32_t crc = 0;
  for (uint64_t at = 0; at < size;) {
    const size_t bytes = std::min<uint64_t>(buffer.size(), size - at);
    MOORING_RETURN_IF_ERROR(opened->ReadAt(at, bytes, buffer.data()));
    crc = ExtendCrc32c(crc, std::string_view(buffer).substr(0, bytes));
    at += bytes;
  }
  return crc == file.crc32c;
}

absl::Status FetchFile(objectstore::ObjectStore& store, const ArchivedFile& file,
                       const std::string& path) {
  const std::string key = FileKey(file.name);
  // A slow link is no error: a MiB per second is always enough.
  const objectstore::RequestOptions request{absl::Seconds(60 + (file.size >> 20))};
  absl::StatusOr<int64_t> fetched = store.GetToFile(key, path, request);
  for (int i = 1; i < kAttempts && absl::IsUnavailable(fetched.status()); ++i) {
    absl::SleepFor(i * kPause);
    fetched = store.GetToFile(key, path, request);
  }
  if (absl::IsNotFound(fetched.status())) {
    return absl::DataLossError(absl::StrCat("archive object ", key, " (", file.path,
                                            " on the volume) is missing. Bring it back from a copy "
                                            "of the archive."));
  }
  MOORING_RETURN_IF_ERROR(fetched.status());
  MOORING_ASSIGN_OR_RETURN(const bool good, FileMatches(path, file));
  if (!good) {
    return absl::DataLossError(absl::StrFormat(
        "archive object %s (%s on the volume) is damaged: %d bytes that are not the %d bytes with "
        "CRC-32C %08x. Bring it back from a copy of the archive.",
        key, file.path, *fetched, file.size, file.crc32c));
  }
  MOORING_ASSIGN_OR_RETURN(PosixFile written, PosixFile::Open(path, O_RDONLY));
  return written.Sync();
}

}  // namespace mooring::archive
