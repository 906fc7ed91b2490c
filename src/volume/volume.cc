#include "src/volume/volume.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/volume/checked_file.h"
#include "src/volume/mount.h"

namespace mooring::volume {
namespace {

constexpr int kFormat = 1;
constexpr std::string_view kIdentityKind = "mooring volume";
constexpr std::string_view kEpochKind = "mooring epoch";
constexpr char kCreating[] = "creating";
constexpr char kComplete[] = "complete";

std::string IdentityPath(const std::string& path) { return path + "/MOORING"; }
std::string EpochPath(const std::string& path) { return path + "/EPOCH"; }

absl::Status CheckStoreId(const std::string& id) {
  const bool good = id.size() == 32 && std::all_of(id.begin(), id.end(), [](char c) {
                      return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
                    });
  if (id.empty() || good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("store_id \"", id, "\" is not 32 lower-case hexadecimal digits"));
}

absl::Status CheckDirectory(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    const int error = errno;
    return Annotate(ErrnoError("stat", path, error), "the volume's path cannot be used");
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a directory; a store needs one of its own on the volume"));
  }
  return absl::OkStatus();
}

absl::Status CheckWritable(const std::string& path) {
  if (::access(path.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return Annotate(ErrnoError("access", path, errno),
                  "the volume cannot be written; give this user the right to");
}

// A directory that a store may begin in has nothing but what we or the file system put there.
absl::Status CheckEmpty(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path));
  for (const std::string& name : names) {
    if (name == "LOCK" || name == "lost+found" || name == "MOORING.tmp") continue;
    if (name == "data" || name == "EPOCH") {
      return absl::DataLossError(absl::StrCat(
          path, " has a store's ", name,
          " but no MOORING file, which names the store. Restore that file from a copy."));
    }
    return absl::FailedPreconditionError(
        absl::StrCat(path, " holds no store but other files, for example ", name,
                     ". Give the store a directory of its own."));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Volume>> Volume::Acquire(const AcquireOptions& options) {
  MOORING_RETURN_IF_ERROR(CheckStoreId(options.expected_store_id));
  MOORING_RETURN_IF_ERROR(CheckDirectory(options.path));
  MOORING_RETURN_IF_ERROR(CheckMount(options.path, options.allow_unsafe));
  MOORING_RETURN_IF_ERROR(CheckWritable(options.path));
  MOORING_ASSIGN_OR_RETURN(
      OwnerLock lock, OwnerLock::Acquire(options.path + "/LOCK", options.timeout, options.waiting));
  std::unique_ptr<Volume> volume(new Volume(options.path, std::move(lock)));
  MOORING_RETURN_IF_ERROR(volume->ReadIdentity(options));
  MOORING_RETURN_IF_ERROR(volume->RaiseEpoch());
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(volume->data_directory()));
  return volume;
}

absl::Status Volume::ReadIdentity(const AcquireOptions& options) {
  absl::StatusOr<CheckedFile> file = ReadCheckedFile(IdentityPath(path_), kIdentityKind, kFormat);
  if (absl::IsNotFound(file.status())) return BeginCreation(options);
  MOORING_RETURN_IF_ERROR(file.status());
  store_id_ = file->fields["store"];
  creating_ = file->fields["state"] == kCreating;
  if (options.expected_store_id.empty() || options.expected_store_id == store_id_) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path_, " holds store ", store_id_, ", not ", options.expected_store_id,
                   ". Nothing was touched. Mount the volume of that store."));
}

absl::Status Volume::BeginCreation(const AcquireOptions& options) {
  MOORING_RETURN_IF_ERROR(CheckEmpty(path_));
  if (!options.create_if_missing) {
    return absl::NotFoundError(absl::StrCat(
        path_, " holds no store, and create_if_missing is off. Is the volume mounted there?"));
  }
  store_id_ = options.expected_store_id.empty() ? RandomId() : options.expected_store_id;
  creating_ = true;
  return WriteIdentity();
}

absl::Status Volume::FinishCreation() {
  if (!creating_) return absl::OkStatus();
  creating_ = false;
  return WriteIdentity();
}

absl::Status Volume::WriteIdentity() {
  CheckedFile file;
  file.kind = std::string(kIdentityKind);
  file.format = kFormat;
  file.fields = {{"store", store_id_}, {"state", creating_ ? kCreating : kComplete}};
  return WriteCheckedFile(IdentityPath(path_), file);
}

absl::Status Volume::RaiseEpoch() {
  const std::string path = EpochPath(path_);
  absl::StatusOr<CheckedFile> file = ReadCheckedFile(path, kEpochKind, kFormat);
  uint64_t last = 0;
  if (file.ok()) {
    if (!absl::SimpleAtoi(file->fields["epoch"], &last)) {
      return absl::DataLossError(absl::StrCat(path, " has no epoch. Restore it from a copy."));
    }
  } else if (!absl::IsNotFound(file.status())) {
    return file.status();
  } else if (!creating_) {
    return absl::DataLossError(
        absl::StrCat(path,
                     " is missing: without it versions could go back. Restore it from a "
                     "copy."));
  }
  epoch_ = last + 1;
  CheckedFile raised;
  raised.kind = std::string(kEpochKind);
  raised.format = kFormat;
  raised.fields = {{"epoch", absl::StrCat(epoch_)}};
  return WriteCheckedFile(path, raised);
}

}  // namespace mooring::volume
