#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "src/objectstore/object_store.h"

namespace mooring::bench {

// Requests, as a bucket would count them: a listing is one for each 1,000 keys.
struct Requests {
  int64_t writes = 0;
  int64_t reads = 0;
  int64_t lists = 0;
  int64_t deletes = 0;

  int64_t all() const { return writes + reads + lists + deletes; }
};

// Objects in memory, which cost nothing but what is counted. Thread-safe.
class MemoryObjects final : public objectstore::ObjectStore {
 public:
  Requests requests() const;
  // Of objects with `prefix`.
  int64_t Count(std::string_view prefix) const;
  int64_t Bytes(std::string_view prefix) const;

  absl::Status Put(std::string_view key, std::string_view data,
                   const objectstore::RequestOptions& options = {}) override;
  absl::Status Create(std::string_view key, std::string_view data,
                      const objectstore::RequestOptions& options = {}) override;
  absl::Status PutFile(std::string_view key, std::string_view path,
                       const objectstore::RequestOptions& options = {}) override;
  absl::StatusOr<std::string> Get(std::string_view key,
                                  const objectstore::RequestOptions& options = {}) override;
  absl::StatusOr<std::string> GetRange(std::string_view key, int64_t offset, int64_t size,
                                       const objectstore::RequestOptions& options = {}) override;
  absl::StatusOr<int64_t> GetToFile(std::string_view key, std::string_view path,
                                    const objectstore::RequestOptions& options = {}) override;
  absl::StatusOr<std::vector<objectstore::ObjectInfo>> List(
      std::string_view prefix, std::string_view after, int limit,
      const objectstore::RequestOptions& options = {}) override;
  absl::Status Delete(std::string_view key,
                      const objectstore::RequestOptions& options = {}) override;
  absl::StatusOr<int64_t> RemoveAbandoned(std::string_view prefix, absl::Duration min_age,
                                          const objectstore::RequestOptions& options = {}) override;
  void Cancel() override {}
  objectstore::Traffic traffic() const override { return {requests().all(), 0, 0, 0}; }
  const std::string& name() const override { return name_; }

 private:
  const std::string name_ = "memory";
  mutable absl::Mutex mutex_;
  std::map<std::string, std::string, std::less<>> objects_ ABSL_GUARDED_BY(mutex_);
  Requests requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::bench
