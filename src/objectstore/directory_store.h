#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/object_store.h"

namespace mooring::objectstore {

// Objects as files below a directory; the segments of a key are directories. Every write goes to a
// file in `.tmp`, is synced, gets its name at once and for good (rename(2) for Put, link(2) for
// Create), and then the directory of the name is synced.
//
// Works on a network file system too: an answer to link(2) that got lost is told from a lost race
// by the link count. For O2 between two machines mount it with `actimeo=0,lookupcache=none`, or
// List() may show another machine's object late; no two creates win there either way.
//
// Where the directory is no longer the one that was opened (unmounted, removed, replaced), every
// call answers FAILED_PRECONDITION, and an object is never said to be absent for that reason.
class DirectoryStore final : public ObjectStore {
 public:
  // Makes `root`, where only that last directory is missing, and removes what writers that died
  // left in `.tmp` more than a day ago.
  static absl::StatusOr<std::unique_ptr<ObjectStore>> Open(std::string_view root);

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
  void Cancel() override { cancelled_ = true; }
  Traffic traffic() const override;
  const std::string& name() const override { return root_; }

 private:
  class Call;
  class TemporaryFile;
  struct Listing;

  explicit DirectoryStore(std::string root) : root_(std::move(root)) {}
  absl::Status Prepare();
  absl::StatusOr<int64_t> RemoveLeftovers(absl::Duration min_age, const Call& call);
  absl::Status CheckRoot() const;
  std::string PathOf(std::string_view key) const;
  absl::Status EnsureDirectory(const std::string& directory);
  using PublishFunction = absl::Status (DirectoryStore::*)(TemporaryFile&, std::string_view);
  absl::Status Write(PublishFunction publish, std::string_view key, std::string_view data,
                     const RequestOptions& options);
  absl::Status Publish(PublishFunction publish, TemporaryFile& file, std::string_view key);
  absl::Status PublishReplacing(TemporaryFile& file, std::string_view key);
  absl::Status PublishExclusively(TemporaryFile& file, std::string_view key);
  absl::Status Explain(const absl::Status& status, std::string_view key) const;
  absl::Status Walk(const std::string& directory, const Call& call, Listing& listing) const;

  const std::string root_;
  dev_t device_ = 0;
  ino_t inode_ = 0;

  std::atomic<bool> cancelled_{false};
  std::atomic<int64_t> requests_{0};
  std::atomic<int64_t> bytes_written_{0};
  std::atomic<int64_t> bytes_read_{0};

  absl::Mutex mutex_;
  // Directories whose names, up to the root, were synced by this process.
  absl::flat_hash_set<std::string> durable_directories_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::objectstore
