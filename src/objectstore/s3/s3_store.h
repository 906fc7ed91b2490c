#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "src/base/posix_file.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/object_store.h"
#include "src/objectstore/s3/client.h"
#include "src/objectstore/url.h"

namespace mooring::objectstore {

// Objects of a bucket of S3, or of a server that speaks it, below a prefix.
//
// Create() is one PUT with `If-None-Match: *`. It is sent again only where the first one surely had
// no effect; after a lost answer the outcome is unknown. Everything else may be sent again, and is.
// Large files go in parts, several at a time; their completion cannot be conditional.
class S3Store final : public ObjectStore {
 public:
  // Asks nothing of the server.
  static absl::StatusOr<std::unique_ptr<ObjectStore>> Open(
      const Url& url, const Environment& environment = ProcessEnvironment,
      const S3Tuning& tuning = {}, const S3Options& options = {});

  absl::Status Put(std::string_view key, std::string_view data,
                   const RequestOptions& options) override;
  absl::Status Create(std::string_view key, std::string_view data,
                      const RequestOptions& options) override;
  absl::Status PutFile(std::string_view key, std::string_view path,
                       const RequestOptions& options) override;
  absl::StatusOr<std::string> Get(std::string_view key, const RequestOptions& options) override;
  absl::StatusOr<std::string> GetRange(std::string_view key, int64_t offset, int64_t size,
                                       const RequestOptions& options) override;
  absl::StatusOr<int64_t> GetToFile(std::string_view key, std::string_view path,
                                    const RequestOptions& options) override;
  absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view prefix, std::string_view after,
                                               int limit, const RequestOptions& options) override;
  absl::Status Delete(std::string_view key, const RequestOptions& options) override;
  absl::StatusOr<int64_t> RemoveAbandoned(std::string_view prefix, absl::Duration min_age,
                                          const RequestOptions& options) override;
  void Cancel() override { client_.Cancel(); }
  Traffic traffic() const override { return client_.traffic(); }
  const std::string& name() const override { return name_; }

 private:
  // A part of an object, and of which object and version it is.
  struct Part {
    std::string bytes;
    int64_t object_bytes = 0;
    std::string etag;
  };

  S3Store(S3Location location, std::unique_ptr<CredentialsSource> credentials,
          const S3Tuning& tuning)
      : name_(location.Name()), client_(std::move(location), std::move(credentials), tuning) {}

  S3Request Request(std::string method, std::string_view key) const;
  absl::StatusOr<Part> ReadPart(std::string_view key, int64_t offset, int64_t size,
                                const Deadline& deadline);
  absl::StatusOr<int64_t> ReadParts(std::string_view key, PosixFile& file,
                                    const Deadline& deadline);
  absl::Status Upload(std::string_view key, const PosixFile& file, int64_t size,
                      const Deadline& deadline);
  absl::StatusOr<std::vector<std::string>> UploadParts(std::string_view key,
                                                       const std::string& upload_id,
                                                       const PosixFile& file, int64_t size,
                                                       const Deadline& deadline);
  absl::Status Complete(std::string_view key, const std::string& upload_id,
                        const std::vector<std::string>& etags, const Deadline& deadline);
  absl::StatusOr<absl::Time> TimeOf(const HttpResponse& response) const;
  absl::Status Abort(std::string_view key, const std::string& upload_id, const Deadline& deadline);

  const std::string name_;
  S3Client client_;
};

}  // namespace mooring::objectstore
