#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/objectstore/object_store.h"

// An object store over another one, with faults where a test wants them.
namespace mooring::archive {

class FaultyStore : public objectstore::ObjectStore {
 public:
  using Options = objectstore::RequestOptions;
  // What a call named "Get", "Create" and so on answers instead; OK lets it through.
  using Before = std::function<absl::Status(std::string_view call, std::string_view key)>;

  explicit FaultyStore(std::unique_ptr<ObjectStore> base) : base_(std::move(base)) {}

  void set_before(Before before) { before_ = std::move(before); }
  // The next `count` creates happen, but answer UNAVAILABLE.
  void LoseAnswersOfCreates(int count) { lost_creates_ = count; }
  int gets() const { return gets_; }

  absl::Status Put(std::string_view key, std::string_view data, const Options& options) override {
    if (absl::Status status = Check("Put", key); !status.ok()) return status;
    return base_->Put(key, data, options);
  }
  absl::Status Create(std::string_view key, std::string_view data,
                      const Options& options) override {
    if (absl::Status status = Check("Create", key); !status.ok()) return status;
    const absl::Status status = base_->Create(key, data, options);
    if (lost_creates_ > 0 && lost_creates_-- > 0) return absl::UnavailableError("no answer");
    return status;
  }
  absl::Status PutFile(std::string_view key, std::string_view path,
                       const Options& options) override {
    if (absl::Status status = Check("PutFile", key); !status.ok()) return status;
    return base_->PutFile(key, path, options);
  }
  absl::StatusOr<std::string> Get(std::string_view key, const Options& options) override {
    ++gets_;
    if (absl::Status status = Check("Get", key); !status.ok()) return status;
    return base_->Get(key, options);
  }
  absl::StatusOr<std::string> GetRange(std::string_view key, int64_t offset, int64_t size,
                                       const Options& options) override {
    if (absl::Status status = Check("GetRange", key); !status.ok()) return status;
    return base_->GetRange(key, offset, size, options);
  }
  absl::StatusOr<int64_t> GetToFile(std::string_view key, std::string_view path,
                                    const Options& options) override {
    if (absl::Status status = Check("GetToFile", key); !status.ok()) return status;
    return base_->GetToFile(key, path, options);
  }
  absl::StatusOr<std::vector<objectstore::ObjectInfo>> List(std::string_view prefix,
                                                            std::string_view after, int limit,
                                                            const Options& options) override {
    if (absl::Status status = Check("List", prefix); !status.ok()) return status;
    return base_->List(prefix, after, limit, options);
  }
  absl::Status Delete(std::string_view key, const Options& options) override {
    if (absl::Status status = Check("Delete", key); !status.ok()) return status;
    return base_->Delete(key, options);
  }
  absl::StatusOr<int64_t> RemoveAbandoned(std::string_view prefix, absl::Duration min_age,
                                          const Options& options) override {
    if (absl::Status status = Check("RemoveAbandoned", prefix); !status.ok()) return status;
    return base_->RemoveAbandoned(prefix, min_age, options);
  }
  void Cancel() override { base_->Cancel(); }
  objectstore::Traffic traffic() const override { return base_->traffic(); }
  const std::string& name() const override { return base_->name(); }

 private:
  absl::Status Check(std::string_view call, std::string_view key) const {
    return before_ ? before_(call, key) : absl::OkStatus();
  }

  const std::unique_ptr<ObjectStore> base_;
  Before before_;
  std::atomic<int> lost_creates_{0};
  std::atomic<int> gets_{0};
};

}  // namespace mooring::archive
