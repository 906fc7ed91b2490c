// The large files of S3Store: in parts, several at a time.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/objectstore/s3/s3_store.h"
#include "src/objectstore/s3/xml.h"

namespace mooring::objectstore {
namespace {

// S3's own limits.
constexpr int64_t kMaxParts = 10000;
constexpr int64_t kMinPartBytes = int64_t{5} << 20;

// Calls `work` for 0 to `count` - 1 on up to `threads` threads. The first error stops the rest.
absl::Status InParallel(int64_t count, int threads,
                        const std::function<absl::Status(int64_t)>& work) {
  std::atomic<int64_t> next{0};
  absl::Mutex mutex;
  absl::Status result;
  const auto run = [&] {
    for (int64_t i; (i = next++) < count;) {
      absl::Status status = work(i);
      if (status.ok()) continue;
      next = count;
      absl::MutexLock lock(&mutex);
      result.Update(std::move(status));
    }
  };
  std::vector<std::thread> helpers;
  for (int i = 1; i < std::min<int64_t>(threads, count); ++i) helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
  return result;
}

// NOT_FOUND would speak of the object.
absl::StatusOr<PosixFile> OpenLocal(std::string_view path, int flags) {
  absl::StatusOr<PosixFile> file = PosixFile::Open(path, flags);
  if (!absl::IsNotFound(file.status())) return file;
  return absl::FailedPreconditionError(file.status().message());
}

}  // namespace

absl::Status S3Store::PutFile(std::string_view key, std::string_view path,
                              const RequestOptions& options) {
  MOORING_RETURN_IF_ERROR(ValidateKey(key));
  const Deadline deadline(options.timeout);
  MOORING_ASSIGN_OR_RETURN(const PosixFile file, OpenLocal(path, O_RDONLY));
  MOORING_ASSIGN_OR_RETURN(const int64_t size, file.Size());
  if (size <= client_.tuning().part_bytes) {
    std::string bytes(size, '\0');
    MOORING_RETURN_IF_ERROR(file.ReadAt(0, size, bytes.data()));
    return Put(key, bytes, options);
  }
  absl::Status status = Upload(key, file, size, deadline);
  // A completion whose answer got lost ends the upload, and repeating it finds none.
  if (absl::IsAborted(status)) status = Upload(key, file, size, deadline);
  return absl::IsAborted(status) ? absl::UnavailableError(status.message()) : status;
}

absl::Status S3Store::Upload(std::string_view key, const PosixFile& file, int64_t size,
                             const Deadline& deadline) {
  S3Request begin = Request("POST", key);
  begin.query["uploads"] = "";
  MOORING_ASSIGN_OR_RETURN(const HttpResponse response, client_.Send(begin, deadline));
  MOORING_ASSIGN_OR_RETURN(const std::string upload_id, ParseUploadId(response.body));
  const absl::StatusOr<std::vector<std::string>> etags =
      UploadParts(key, upload_id, file, size, deadline);
  absl::Status status = etags.ok() ? Complete(key, upload_id, *etags, deadline) : etags.status();
  if (!status.ok() && !absl::IsAborted(status)) {
    // Its parts cost money until they are removed; whether that succeeds changes nothing here.
    const Deadline grace(std::min(deadline.Left(), absl::Seconds(10)));
    Abort(key, upload_id, grace).IgnoreError();
  }
  return status;
}

absl::StatusOr<std::vector<std::string>> S3Store::UploadParts(std::string_view key,
                                                              const std::string& upload_id,
                                                              const PosixFile& file, int64_t size,
                                                              const Deadline& deadline) {
  const int64_t part_bytes =
      std::max({client_.tuning().part_bytes, kMinPartBytes, (size + kMaxParts - 1) / kMaxParts});
  std::vector<std::string> etags((size + part_bytes - 1) / part_bytes);
  const auto send = [&](int64_t part) -> absl::Status {
    const int64_t offset = part * part_bytes;
    std::string bytes(std::min(part_bytes, size - offset), '\0');
    MOORING_RETURN_IF_ERROR(file.ReadAt(offset, bytes.size(), bytes.data()));
    S3Request request = Request("PUT", key);
    request.query = {{"partNumber", absl::StrCat(part + 1)}, {"uploadId", upload_id}};
    request.body = bytes;
    MOORING_ASSIGN_OR_RETURN(HttpResponse response, client_.Send(request, deadline));
    etags[part] = response.headers["etag"];
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(InParallel(etags.size(), client_.tuning().parallel_parts, send));
  return etags;
}

absl::Status S3Store::Complete(std::string_view key, const std::string& upload_id,
                               const std::vector<std::string>& etags, const Deadline& deadline) {
  const std::string body = CompleteUploadBody(etags);
  S3Request request = Request("POST", key);
  request.query["uploadId"] = upload_id;
  request.body = body;
  request.may_fail_late = true;
  return client_.Send(request, deadline).status();
}

absl::Status S3Store::Abort(std::string_view key, const std::string& upload_id,
                            const Deadline& deadline) {
  S3Request request = Request("DELETE", key);
  request.query["uploadId"] = upload_id;
  const absl::Status status = client_.Send(request, deadline).status();
  return absl::IsAborted(status) ? absl::OkStatus() : status;
}

absl::StatusOr<int64_t> S3Store::GetToFile(std::string_view key, std::string_view path,
                                           const RequestOptions& options) {
  MOORING_RETURN_IF_ERROR(ValidateKey(key));
  MOORING_ASSIGN_OR_RETURN(PosixFile file, OpenLocal(path, O_WRONLY | O_CREAT | O_TRUNC));
  absl::StatusOr<int64_t> size = ReadParts(key, file, Deadline(options.timeout));
  if (!size.ok()) ::unlink(std::string(path).c_str());
  return size;
}

absl::StatusOr<int64_t> S3Store::ReadParts(std::string_view key, PosixFile& file,
                                           const Deadline& deadline) {
  const int64_t part_bytes = client_.tuning().part_bytes;
  const absl::StatusOr<Part> first = ReadPart(key, 0, part_bytes, deadline);
  if (absl::IsOutOfRange(first.status())) return 0;  // An empty object has no range.
  if (!first.ok()) return first.status();
  MOORING_RETURN_IF_ERROR(file.WriteAt(0, first->bytes));
  const auto read = [&](int64_t index) -> absl::Status {
    const int64_t offset = (index + 1) * part_bytes;
    MOORING_ASSIGN_OR_RETURN(const Part part, ReadPart(key, offset, part_bytes, deadline));
    if (part.etag != first->etag || part.object_bytes != first->object_bytes) {
      return absl::UnavailableError(
          absl::StrCat(ToAbsl(key), " of ", name_, " was replaced while it was read. Try again."));
    }
    return file.WriteAt(offset, part.bytes);
  };
  const int64_t others = (first->object_bytes + part_bytes - 1) / part_bytes - 1;
  MOORING_RETURN_IF_ERROR(InParallel(others, client_.tuning().parallel_parts, read));
  return first->object_bytes;
}

}  // namespace mooring::objectstore
