#include "src/store/transfer.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"

namespace mooring::internal {

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? ErrnoError("remove", path, error.value()) : absl::OkStatus();
}

absl::Status CheckNoImport(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const bool importing,
                           FileExists(absl::StrCat(path, "/", volume::kImportDirectory)));
  if (!importing) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("an import of a snapshot into ", path,
                   ", or a copy from an archive, was cut short, and what it left is no store. "
                   "Import again, or empty the directory for a new store."));
}

absl::Status ClearTransfers(const volume::Volume& volume) {
  if (volume.created()) MOORING_RETURN_IF_ERROR(CheckNoImport(volume.path()));
  MOORING_RETURN_IF_ERROR(RemoveTree(absl::StrCat(volume.path(), "/", volume::kImportDirectory)));
  return RemoveTree(absl::StrCat(volume.path(), "/", volume::kExportDirectory));
}

}  // namespace mooring::internal
