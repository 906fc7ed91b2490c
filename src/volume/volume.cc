#include "src/volume/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/volume/epoch.h"
#include "src/volume/mount.h"

namespace mooring::volume {
namespace {

constexpr char kLock[] = "LOCK";
constexpr char kIdentity[] = "MOORING";
constexpr char kEpoch[] = "EPOCH";
constexpr char kData[] = "data";

std::string FileIn(std::string_view directory, std::string_view name) {
  return absl::StrCat(ToAbsl(directory), "/", ToAbsl(name));
}

absl::Status NotADirectory(const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat(
      "'", path, "' is not a directory. Give the directory that the volume is mounted at."));
}

absl::Status CheckDirectory(const std::string& path) {
  struct stat info;
  if (path.empty()) return NotADirectory(path);
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOTDIR) return NotADirectory(path);
    if (errno != ENOENT) return ErrnoError("stat", path, errno);
    return absl::NotFoundError(
        absl::StrCat(path, " does not exist. Mount the volume there, or make the directory."));
  }
  if (!S_ISDIR(info.st_mode)) return NotADirectory(path);
  // That the mount is read-only is for CheckMount() to say.
  if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0 || errno == EROFS) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat(path, " cannot be written by user ", ::geteuid(),
                   ". Give it the directory, for example with the pod's fsGroup."));
}

bool Has(const std::vector<std::string>& names, std::string_view name) {
  return std::binary_search(names.begin(), names.end(), name);
}

absl::Status HoldsNoStore(const std::string& path, std::string_view found) {
  return absl::NotFoundError(absl::StrCat(
      path, " holds no store (", ToAbsl(found),
      ") and create_if_missing is off. The volume may not be mounted, or be the wrong one."));
}

// V2: what a directory without an identity may hold for a store to be made in it.
absl::Status CheckForeign(const std::string& path, const std::vector<std::string>& names) {
  constexpr std::array<std::string_view, 15> kOwn = {
      kLock,     kEpoch,    kData,         "MOORING.tmp",    "EPOCH.tmp",
      "BALLAST", "HISTORY", "HISTORY.tmp", "data.restore",   "data.aside",
      "staging", "healing", "lost+found",  kImportDirectory, kExportDirectory};
  for (const std::string& name : names) {
    if (std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(path, " holds no store, but '", name,
                     "', which is not Mooring's. Give the store a directory of its own."));
  }
  return absl::OkStatus();
}

absl::Status IdentityLost(const std::string& path, std::string_view proof) {
  return absl::DataLossError(
      absl::StrCat(FileIn(path, kIdentity), " is missing, but ", ToAbsl(proof),
                   ": a store was here. Restore the file from a copy of the volume."));
}

// V1: without an identity nothing was ever put into the data directory, and no epoch was given.
absl::Status CheckNoTraces(const std::string& path, const std::vector<std::string>& names) {
  if (Has(names, kData)) {
    const std::string data = FileIn(path, kData);
    MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> inside, ListDirectory(data));
    if (!inside.empty()) return IdentityLost(path, absl::StrCat(data, " holds ", inside.front()));
  }
  for (const char* name : {"HISTORY", "data.restore", "data.aside"}) {
    if (Has(names, name)) return IdentityLost(path, absl::StrCat(FileIn(path, name), " is there"));
  }
  if (Has(names, kEpoch)) {
    MOORING_ASSIGN_OR_RETURN(const uint64_t epoch, ReadEpoch(FileIn(path, kEpoch)));
    if (epoch > 0) {
      return IdentityLost(path, absl::StrCat(FileIn(path, kEpoch), " is at epoch ", epoch));
    }
  }
  return absl::OkStatus();
}

// Refuses a directory that is not ours before the lock file is made in it. A lock file there means
// that someone may be at work, so that only its holder can tell; see FindOrCreate().
absl::Status CheckBeforeLock(const AcquireOptions& options, const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path));
  if (Has(names, kLock) || Has(names, kIdentity) || Has(names, kData) || Has(names, kEpoch)) {
    return absl::OkStatus();
  }
  if (!options.create_if_missing) {
    return HoldsNoStore(path, names.empty() ? "it is empty" : absl::StrCat("found ", names[0]));
  }
  return CheckForeign(path, names);
}

absl::StatusOr<Identity> Create(const std::string& path, const std::string& store_id) {
  const Identity identity{store_id.empty() ? RandomId() : store_id, false};
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(FileIn(path, kData)));
  MOORING_RETURN_IF_ERROR(CreateEpoch(FileIn(path, kEpoch), identity.store_id));
  // V1: the last of the three.
  MOORING_RETURN_IF_ERROR(WriteIdentity(FileIn(path, kIdentity), identity));
  return identity;
}

// V4: the data directory of a complete store is there, and not empty. Tells whether it is lost
// where that is accepted.
absl::StatusOr<bool> CheckData(const std::string& path, const Identity& identity, bool accept) {
  const std::string data = FileIn(path, kData);
  const absl::StatusOr<std::vector<std::string>> inside = ListDirectory(data);
  if (!inside.ok() && !absl::IsNotFound(inside.status())) return inside.status();
  if (inside.ok() && (!identity.complete || !inside->empty())) return false;
  if (accept) return true;
  return absl::DataLossError(absl::StrCat(data, inside.ok() ? " is empty" : " is missing",
                                          ", but store ", identity.store_id,
                                          " was here. Restore a copy of the volume."));
}

struct Found {
  Identity identity;
  bool data_missing = false;
};

// With the lock held.
absl::StatusOr<Found> FindOrCreate(const AcquireOptions& options, const std::string& path,
                                   const std::string& expected_id) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path));
  if (Has(names, kIdentity)) {
    const std::string file = FileIn(path, kIdentity);
    MOORING_ASSIGN_OR_RETURN(Identity identity, ReadIdentity(file));
    MOORING_RETURN_IF_ERROR(CheckStoreId(file, identity, expected_id));
    MOORING_ASSIGN_OR_RETURN(const bool missing,
                             CheckData(path, identity, options.accept_missing_data));
    return Found{std::move(identity), missing};
  }
  MOORING_RETURN_IF_ERROR(CheckNoTraces(path, names));
  if (!options.create_if_missing) return HoldsNoStore(path, "no finished creation");
  MOORING_RETURN_IF_ERROR(CheckForeign(path, names));
  if (options.before_create) MOORING_RETURN_IF_ERROR(options.before_create(path));
  MOORING_ASSIGN_OR_RETURN(Identity identity, Create(path, expected_id));
  return Found{std::move(identity), false};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Volume>> Volume::Acquire(const AcquireOptions& options) {
  std::string expected_id;
  if (!options.expected_store_id.empty()) {
    MOORING_ASSIGN_OR_RETURN(expected_id, ParseStoreId(options.expected_store_id));
  }
  MOORING_RETURN_IF_ERROR(CheckDirectory(options.path));
  MOORING_RETURN_IF_ERROR(CheckMount(options.path, options.mounts));
  MOORING_ASSIGN_OR_RETURN(const std::string path, ResolvePath(options.path));
  MOORING_RETURN_IF_ERROR(CheckBeforeLock(options, path));
  MOORING_ASSIGN_OR_RETURN(
      OwnerLock lock, OwnerLock::Acquire(FileIn(path, kLock), options.timeout, options.waiting));
  MOORING_ASSIGN_OR_RETURN(Found found, FindOrCreate(options, path, expected_id));
  MOORING_ASSIGN_OR_RETURN(const uint64_t epoch,
                           RaiseEpoch(FileIn(path, kEpoch), found.identity.store_id));
  return std::unique_ptr<Volume>(
      new Volume(path, std::move(lock), std::move(found.identity), epoch, found.data_missing));
}

Volume::Volume(std::string path, OwnerLock lock, Identity identity, uint64_t epoch,
               bool data_missing)
    : path_(std::move(path)),
      lock_(std::move(lock)),
      identity_(std::move(identity)),
      epoch_(epoch),
      data_missing_(data_missing) {}

std::string Volume::data_directory() const { return FileIn(path_, kData); }

absl::Status Volume::RaiseEpochAbove(uint64_t floor) {
  MOORING_ASSIGN_OR_RETURN(
      epoch_, volume::RaiseEpochAbove(FileIn(path_, kEpoch), identity_.store_id, floor));
  return absl::OkStatus();
}

absl::Status Volume::MarkComplete() {
  if (identity_.complete) return absl::OkStatus();
  Identity complete = identity_;
  complete.complete = true;
  MOORING_RETURN_IF_ERROR(WriteIdentity(FileIn(path_, kIdentity), complete));
  identity_ = std::move(complete);
  return absl::OkStatus();
}

}  // namespace mooring::volume
