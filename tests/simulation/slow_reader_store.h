#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "src/objectstore/object_store.h"

namespace mooring::testing {

// Another store, from which files take as long to fetch as `pause` says before each begins.
class SlowReaderStore final : public objectstore::ObjectStore {
 public:
  SlowReaderStore(std::unique_ptr<ObjectStore> base, std::function<absl::Duration()> pause)
      : base_(std::move(base)), pause_(std::move(pause)) {}

  absl::StatusOr<int64_t> GetToFile(std::string_view key, std::string_view path,
                                    const objectstore::RequestOptions& options) override {
    absl::SleepFor(pause_());
    return base_->GetToFile(key, path, options);
  }

  absl::Status Put(std::string_view key, std::string_view data,
                   const objectstore::RequestOptions& options) override {
    return base_->Put(key, data, options);
  }
  absl::Status Create(std::string_view key, std::string_view data,
                      const objectstore::RequestOptions& options) override {
    return base_->Create(key, data, options);
  }
  absl::Status PutFile(std::string_view key, std::string_view path,
                       const objectstore::RequestOptions& options) override {
    return base_->PutFile(key, path, options);
  }
  absl::StatusOr<std::string> Get(std::string_view key,
                                  const objectstore::RequestOptions& options) override {
    return base_->Get(key, options);
  }
  absl::StatusOr<std::string> GetRange(std::string_view key, int64_t offset, int64_t size,
                                       const objectstore::RequestOptions& options) override {
    return base_->GetRange(key, offset, size, options);
  }
  absl::StatusOr<std::vector<objectstore::ObjectInfo>> List(
      std::string_view prefix, std::string_view after, int limit,
      const objectstore::RequestOptions& options) override {
    return base_->List(prefix, after, limit, options);
  }
  absl::Status Delete(std::string_view key, const objectstore::RequestOptions& options) override {
    return base_->Delete(key, options);
  }
  absl::StatusOr<int64_t> RemoveAbandoned(std::string_view prefix, absl::Duration min_age,
                                          const objectstore::RequestOptions& options) override {
    return base_->RemoveAbandoned(prefix, min_age, options);
  }
  void Cancel() override { base_->Cancel(); }
  objectstore::Traffic traffic() const override { return base_->traffic(); }
  const std::string& name() const override { return base_->name(); }

 private:
  const std::unique_ptr<ObjectStore> base_;
  const std::function<absl::Duration()> pause_;
};

}  // namespace mooring::testing
