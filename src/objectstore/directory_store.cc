#include "src/objectstore/directory_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/status.h"

namespace mooring::objectstore {
namespace {

constexpr char kTemporaryDirectory[] = ".tmp";
constexpr absl::Duration kLeftoverAge = absl::Hours(24);
constexpr int64_t kCopyBytes = int64_t{4} << 20;

absl::StatusOr<struct stat> Stat(std::string_view path) {
  struct stat info;
  if (::stat(std::string(path).c_str(), &info) == 0) return info;
  return ErrnoError("stat", path, errno);
}

// A local file of the caller's that cannot be opened. NOT_FOUND would speak of the object.
absl::StatusOr<PosixFile> OpenLocal(std::string_view path, int flags) {
  absl::StatusOr<PosixFile> file = PosixFile::Open(path, flags);
  if (!absl::IsNotFound(file.status())) return file;
  return absl::FailedPreconditionError(file.status().message());
}

bool StartsWith(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

}  // namespace

// One call: its deadline, and whether the store still is what it was.
class DirectoryStore::Call {
 public:
  Call(DirectoryStore& store, const RequestOptions& options)
      : store_(store), deadline_(options.timeout) {
    ++store_.requests_;
  }

  absl::Status Check() const {
    if (store_.cancelled_) {
      return absl::CancelledError(absl::StrCat(store_.root_, " is being shut down"));
    }
    if (deadline_.Passed()) {
      return absl::UnavailableError(
          absl::StrCat(store_.root_, ": the time for this request is over"));
    }
    return absl::OkStatus();
  }

  absl::Status Begin(std::string_view key) const {
    MOORING_RETURN_IF_ERROR(ValidateKey(key));
    MOORING_RETURN_IF_ERROR(Check());
    return store_.CheckRoot();
  }

 private:
  DirectoryStore& store_;
  const Deadline deadline_;
};

// A file in `.tmp`, removed at the end whatever became of it.
class DirectoryStore::TemporaryFile {
 public:
  explicit TemporaryFile(const DirectoryStore& store)
      : path_(absl::StrCat(store.root_, "/", kTemporaryDirectory, "/", RandomId())) {}
  ~TemporaryFile() { ::unlink(path_.c_str()); }

  absl::Status Open() {
    MOORING_ASSIGN_OR_RETURN(file_, PosixFile::Open(path_, O_WRONLY | O_CREAT | O_EXCL));
    return absl::OkStatus();
  }
  absl::Status Write(std::string_view data) {
    MOORING_RETURN_IF_ERROR(Open());
    MOORING_RETURN_IF_ERROR(file_.WriteAt(0, data));
    return file_.Sync();
  }
  // Whether some name besides this one leads to the file.
  bool HasSecondName() const {
    struct stat info;
    return ::fstat(file_.fd(), &info) == 0 && info.st_nlink > 1;
  }

  PosixFile& file() { return file_; }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  PosixFile file_;
};

absl::StatusOr<std::unique_ptr<ObjectStore>> DirectoryStore::Open(std::string_view root) {
  while (root.size() > 1 && root.back() == '/') root.remove_suffix(1);
  std::unique_ptr<DirectoryStore> store(new DirectoryStore(std::string(root)));
  MOORING_RETURN_IF_ERROR(store->Prepare());
  return store;
}

absl::Status DirectoryStore::Prepare() {
  if (absl::Status made = MakeDirectoryDurably(root_); !made.ok()) {
    return Annotate(made, absl::StrCat("the archive directory ", root_,
                                       " cannot be made. Is the volume that holds it mounted?"));
  }
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(absl::StrCat(root_, "/", kTemporaryDirectory)));
  MOORING_ASSIGN_OR_RETURN(const struct stat info, Stat(root_));
  device_ = info.st_dev;
  inode_ = info.st_ino;
  return RemoveLeftovers(kLeftoverAge, Call(*this, RequestOptions())).status();
}

// Ages are compared by the file system's own clock, which may be another machine's.
absl::StatusOr<int64_t> DirectoryStore::RemoveLeftovers(absl::Duration min_age, const Call& call) {
  TemporaryFile now(*this);
  MOORING_RETURN_IF_ERROR(now.Open());
  MOORING_ASSIGN_OR_RETURN(const struct stat reference, Stat(now.path()));
  const absl::Time newest = absl::TimeFromTimespec(reference.st_mtim) - min_age;
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           ListDirectory(DirectoryOf(now.path())));
  int64_t removed = 0;
  for (const std::string& name : names) {
    MOORING_RETURN_IF_ERROR(call.Check());
    const std::string path = absl::StrCat(DirectoryOf(now.path()), "/", name);
    if (path == now.path()) continue;
    const absl::StatusOr<struct stat> info = Stat(path);
    if (!info.ok() || absl::TimeFromTimespec(info->st_mtim) >= newest) continue;
    MOORING_RETURN_IF_ERROR(RemoveFile(path));
    ++removed;
  }
  return removed;
}

absl::StatusOr<int64_t> DirectoryStore::RemoveAbandoned(std::string_view, absl::Duration min_age,
                                                        const RequestOptions& options) {
  const Call call(*this, options);
  MOORING_RETURN_IF_ERROR(call.Check());
  MOORING_RETURN_IF_ERROR(CheckRoot());
  return RemoveLeftovers(min_age, call);
}

absl::Status DirectoryStore::CheckRoot() const {
  struct stat info;
  if (::stat(root_.c_str(), &info) == 0) {
    if (info.st_dev == device_ && info.st_ino == inode_) return absl::OkStatus();
  } else if (errno != ENOENT && errno != ENOTDIR) {
    return ErrnoError("stat", root_, errno);
  }
  return absl::FailedPreconditionError(
      absl::StrCat(root_,
                   " is not the directory that was opened: it was unmounted, removed or "
                   "replaced. Mount it again; if it was replaced, open it anew."));
}

std::string DirectoryStore::PathOf(std::string_view key) const {
  return absl::StrCat(root_, "/", ToAbsl(key));
}

// A name in a directory is durable only where the directory's own name is.
absl::Status DirectoryStore::EnsureDirectory(const std::string& directory) {
  if (directory == root_) return absl::OkStatus();
  {
    absl::MutexLock lock(&mutex_);
    if (durable_directories_.contains(directory)) return absl::OkStatus();
  }
  MOORING_RETURN_IF_ERROR(EnsureDirectory(DirectoryOf(directory)));
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(directory));
  absl::MutexLock lock(&mutex_);
  durable_directories_.insert(directory);
  return absl::OkStatus();
}

// Says of an error what it means for `key`; an absent object is absent only in the right directory.
absl::Status DirectoryStore::Explain(const absl::Status& status, std::string_view key) const {
  if (absl::IsNotFound(status)) {
    MOORING_RETURN_IF_ERROR(CheckRoot());
    return absl::NotFoundError(absl::StrCat("no object ", ToAbsl(key), " in ", root_));
  }
  return status;
}

// Gives `file` its name by `publish`. Where a directory on the way was removed by somebody, the
// next try makes it again.
absl::Status DirectoryStore::Publish(PublishFunction publish, TemporaryFile& file,
                                     std::string_view key) {
  const absl::Status status = (this->*publish)(file, key);
  if (!absl::IsNotFound(status)) return status;
  MOORING_RETURN_IF_ERROR(CheckRoot());
  absl::MutexLock lock(&mutex_);
  durable_directories_.clear();
  return absl::UnavailableError(status.message());
}

absl::Status DirectoryStore::PublishReplacing(TemporaryFile& file, std::string_view key) {
  const std::string path = PathOf(key);
  MOORING_RETURN_IF_ERROR(EnsureDirectory(DirectoryOf(path)));
  MOORING_RETURN_IF_ERROR(RenameFile(file.path(), path));
  MOORING_RETURN_IF_ERROR(SyncDirectory(DirectoryOf(path)));
  return CheckRoot();
}

absl::Status DirectoryStore::PublishExclusively(TemporaryFile& file, std::string_view key) {
  const std::string path = PathOf(key);
  MOORING_RETURN_IF_ERROR(EnsureDirectory(DirectoryOf(path)));
  const int error = ::link(file.path().c_str(), path.c_str()) == 0 ? 0 : errno;
  // A network file system may repeat a link whose answer got lost, and report the second one.
  const bool made = error == 0 || file.HasSecondName();
  if (!made && error != EEXIST) return ErrnoError("link", path, error);
  // Also for the loser: its caller goes on from what is there.
  MOORING_RETURN_IF_ERROR(SyncDirectory(DirectoryOf(path)));
  MOORING_RETURN_IF_ERROR(CheckRoot());
  if (made) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat("object ", ToAbsl(key), " exists already in ", root_));
}

absl::Status DirectoryStore::Write(PublishFunction publish, std::string_view key,
                                   std::string_view data, const RequestOptions& options) {
  const Call call(*this, options);
  MOORING_RETURN_IF_ERROR(call.Begin(key));
  MOORING_RETURN_IF_ERROR(ValidateInlineBytes(key, data.size()));
  TemporaryFile file(*this);
  MOORING_RETURN_IF_ERROR(file.Write(data));
  bytes_written_ += data.size();
  MOORING_RETURN_IF_ERROR(call.Check());
  return Publish(publish, file, key);
}

absl::Status DirectoryStore::Put(std::string_view key, std::string_view data,
                                 const RequestOptions& options) {
  return Write(&DirectoryStore::PublishReplacing, key, data, options);
}

absl::Status DirectoryStore::Create(std::string_view key, std::string_view data,
                                    const RequestOptions& options) {
  return Write(&DirectoryStore::PublishExclusively, key, data, options);
}

namespace {

// Copies between two descriptors inside the kernel where that is possible, by hand where not.
absl::StatusOr<int64_t> CopySome(const PosixFile& from, PosixFile& to, int64_t offset) {
  off64_t in = offset;
  off64_t out = offset;
  const ssize_t copied = ::copy_file_range(from.fd(), &in, to.fd(), &out, kCopyBytes, 0);
  if (copied >= 0) return copied;
  if (errno == EINTR) return CopySome(from, to, offset);
  if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
    return ErrnoError("copy", absl::StrCat(from.path(), " to ", to.path()), errno);
  }
  std::string buffer(kCopyBytes, '\0');
  const ssize_t read = ::pread(from.fd(), buffer.data(), buffer.size(), offset);
  if (read < 0) return ErrnoError("read", from.path(), errno);
  MOORING_RETURN_IF_ERROR(to.WriteAt(offset, std::string_view(buffer).substr(0, read)));
  return read;
}

}  // namespace

absl::Status DirectoryStore::PutFile(std::string_view key, std::string_view path,
                                     const RequestOptions& options) {
  const Call call(*this, options);
  MOORING_RETURN_IF_ERROR(call.Begin(key));
  MOORING_ASSIGN_OR_RETURN(const PosixFile source, OpenLocal(path, O_RDONLY));
  MOORING_ASSIGN_OR_RETURN(const uint64_t size, source.Size());
  TemporaryFile file(*this);
  MOORING_RETURN_IF_ERROR(file.Open());
  int64_t done = 0;
  for (;;) {
    MOORING_RETURN_IF_ERROR(call.Check());
    MOORING_ASSIGN_OR_RETURN(const int64_t copied, CopySome(source, file.file(), done));
    if (copied == 0) break;
    done += copied;
    bytes_written_ += copied;
  }
  if (done != static_cast<int64_t>(size)) {
    return absl::FailedPreconditionError(absl::StrCat(ToAbsl(path), " changed from ", size, " to ",
                                                      done, " bytes while it was copied"));
  }
  MOORING_RETURN_IF_ERROR(file.file().Sync());
  return Publish(&DirectoryStore::PublishReplacing, file, key);
}

absl::StatusOr<std::string> DirectoryStore::Get(std::string_view key,
                                                const RequestOptions& options) {
  const Call call(*this, options);
  MOORING_RETURN_IF_ERROR(call.Begin(key));
  absl::StatusOr<PosixFile> file = PosixFile::Open(PathOf(key), O_RDONLY);
  if (!file.ok()) return Explain(file.status(), key);
  MOORING_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  MOORING_RETURN_IF_ERROR(ValidateInlineBytes(key, size));
  std::string data(size, '\0');
  MOORING_RETURN_IF_ERROR(file->ReadAt(0, size, data.data()));
  bytes_read_ += size;
  return data;
}

absl::StatusOr<std::string> DirectoryStore::GetRange(std::string_view key, int64_t offset,
                                                     int64_t size, const RequestOptions& options) {
  const Call call(*this, options);
  MOORING_RETURN_IF_ERROR(call.Begin(key));
  MOORING_RETURN_IF_ERROR(ValidateRange(key, offset, size));
  absl::StatusOr<PosixFile> file = PosixFile::Open(PathOf(key), O_RDONLY);
  if (!file.ok()) return Explain(file.status(), key);
  MOORING_ASSIGN_OR_RETURN(const uint64_t end, file->Size());
  if (offset >= static_cast<int64_t>(end)) return EndsBefore(key, offset);
  std::string data(std::min<int64_t>(size, end - offset), '\0');
  MOORING_RETURN_IF_ERROR(file->ReadAt(offset, data.size(), data.data()));
  bytes_read_ += data.size();
  return data;
}

absl::StatusOr<int64_t> DirectoryStore::GetToFile(std::string_view key, std::string_view path,
                                                  const RequestOptions& options) {
  const Call call(*this, options);
  MOORING_RETURN_IF_ERROR(call.Begin(key));
  absl::StatusOr<PosixFile> source = PosixFile::Open(PathOf(key), O_RDONLY);
  if (!source.ok()) return Explain(source.status(), key);
  MOORING_ASSIGN_OR_RETURN(PosixFile file, OpenLocal(path, O_WRONLY | O_CREAT | O_TRUNC));
  int64_t done = 0;
  const auto copy = [&]() -> absl::Status {
    for (;;) {
      MOORING_RETURN_IF_ERROR(call.Check());
      MOORING_ASSIGN_OR_RETURN(const int64_t copied, CopySome(*source, file, done));
      if (copied == 0) return absl::OkStatus();
      done += copied;
      bytes_read_ += copied;
    }
  };
  absl::Status status = copy();
  if (status.ok()) return done;
  ::unlink(std::string(path).c_str());
  return status;
}

absl::Status DirectoryStore::Delete(std::string_view key, const RequestOptions& options) {
  const Call call(*this, options);
  MOORING_RETURN_IF_ERROR(call.Begin(key));
  const std::string path = PathOf(key);
  if (::unlink(path.c_str()) != 0) {
    const int error = errno;
    return error == ENOENT || error == ENOTDIR ? CheckRoot() : ErrnoError("unlink", path, error);
  }
  return SyncDirectory(DirectoryOf(path));
}

struct DirectoryStore::Listing {
  std::string_view prefix;
  std::string_view after;
  size_t limit;
  std::vector<ObjectInfo> found;

  bool Full() const { return found.size() >= limit; }
  bool WantsKey(std::string_view key) const { return key > after && StartsWith(key, prefix); }
  // Whether a key below `directory`, which ends with '/', may be wanted.
  bool WantsDirectory(std::string_view directory) const {
    return (StartsWith(prefix, directory) || StartsWith(directory, prefix)) &&
           (directory > after || StartsWith(after, directory));
  }
};

// Adds the wanted keys below `directory`, which is empty or ends with '/'. Names are taken in the
// order of the keys that they begin: a directory sorts as if '/' ended its name.
absl::Status DirectoryStore::Walk(const std::string& directory, const Call& call,
                                  Listing& listing) const {
  MOORING_RETURN_IF_ERROR(call.Check());
  const std::string path = absl::StrCat(root_, "/", directory);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(path.c_str()), ::closedir);
  if (stream == nullptr) return ErrnoError("opendir", path, errno);
  std::vector<std::string> keys;
  errno = 0;
  for (const dirent* entry; (entry = ::readdir(stream.get())) != nullptr; errno = 0) {
    // What cannot be part of a key is not ours: `.tmp`, `lost+found`, names of the file system.
    if (!IsKeySegment(entry->d_name)) continue;
    bool is_directory = entry->d_type == DT_DIR;
    std::string key = absl::StrCat(directory, entry->d_name);
    if (entry->d_type == DT_UNKNOWN) {
      const absl::StatusOr<struct stat> info = Stat(PathOf(key));
      is_directory = info.ok() && S_ISDIR(info->st_mode);
    }
    if (is_directory) key += '/';
    if (is_directory ? listing.WantsDirectory(key) : listing.WantsKey(key)) {
      keys.push_back(std::move(key));
    }
  }
  if (errno != 0) return ErrnoError("readdir", path, errno);
  std::sort(keys.begin(), keys.end());
  for (std::string& key : keys) {
    if (listing.Full()) break;
    if (key.back() == '/') {
      MOORING_RETURN_IF_ERROR(Walk(key, call, listing));
      continue;
    }
    const absl::StatusOr<struct stat> info = Stat(PathOf(key));
    if (absl::IsNotFound(info.status())) continue;  // Deleted meanwhile.
    if (!info.ok()) return info.status();
    listing.found.push_back({std::move(key), static_cast<int64_t>(info->st_size)});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ObjectInfo>> DirectoryStore::List(std::string_view prefix,
                                                             std::string_view after, int limit,
                                                             const RequestOptions& options) {
  const Call call(*this, options);
  MOORING_RETURN_IF_ERROR(CheckRoot());
  Listing listing{prefix, after, static_cast<size_t>(std::max(limit, 0)), {}};
  MOORING_RETURN_IF_ERROR(Walk("", call, listing));
  MOORING_RETURN_IF_ERROR(CheckRoot());
  return std::move(listing.found);
}

Traffic DirectoryStore::traffic() const {
  Traffic traffic;
  traffic.requests = requests_;
  traffic.bytes_sent = bytes_written_;
  traffic.bytes_received = bytes_read_;
  return traffic;
}

}  // namespace mooring::objectstore
