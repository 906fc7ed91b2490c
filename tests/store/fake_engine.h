#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/engine/engine.h"

namespace mooring::testing {

// An engine that only records the groups it is given, and that a test can hold and fail. Its
// commits hold any bytes as their operations. Thread-safe.
class FakeEngine : public engine::Engine {
 public:
  struct Group {
    std::vector<std::string> commits;
    std::vector<int64_t> times_us;
    bool sync = false;
    bool written = false;  // Its WriteGroup() has answered OK.
  };

  // Makes WriteGroup() wait, from the `allowed + 1`-th group on.
  void HoldAfter(size_t allowed) {
    absl::MutexLock lock(&mutex_);
    allowed_ = allowed;
  }
  void Release() { HoldAfter(SIZE_MAX); }
  // Makes the `number`-th group (from 1) and all later ones fail with `error`.
  void FailFrom(size_t number, absl::Status error) {
    absl::MutexLock lock(&mutex_);
    fail_from_ = number;
    error_ = std::move(error);
  }
  // Makes AddToGroup() answer NOT_FOUND for commits of these bytes.
  void Refuse(const std::string& commit) {
    absl::MutexLock lock(&mutex_);
    refused_.insert(commit);
  }

  // Waits until WriteGroup() was entered `count` times. False after a long time.
  bool AwaitGroups(size_t count) const {
    absl::MutexLock lock(&mutex_);
    const auto entered = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return groups_.size() >= count;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&entered), absl::Minutes(2));
  }
  std::vector<Group> groups() const {
    absl::MutexLock lock(&mutex_);
    return groups_;
  }
  // What each group held: "a+b" without a sync, "a+b!" with one.
  std::vector<std::string> GroupNames() const {
    std::vector<std::string> names;
    for (const Group& group : groups()) {
      std::string name;
      for (const std::string& commit : group.commits) {
        absl::StrAppend(&name, name.empty() ? "" : "+", commit);
      }
      names.push_back(name + (group.sync ? "!" : ""));
    }
    return names;
  }

  void BeginGroup() override { group_ = Group(); }
  absl::Status AddToGroup(const engine::Commit& commit) override {
    std::string bytes(commit.operations);
    absl::MutexLock lock(&mutex_);
    if (refused_.count(bytes) > 0) return absl::NotFoundError("its table was dropped");
    group_.commits.push_back(std::move(bytes));
    group_.times_us.push_back(commit.time_us);
    group_count_ += commit.count;
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> WriteGroup(bool sync) override {
    absl::MutexLock lock(&mutex_);
    group_.sync = sync;
    groups_.push_back(group_);
    const size_t number = groups_.size();
    const uint64_t count = std::exchange(group_count_, 0);
    const auto released = [&]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return number <= allowed_; };
    mutex_.Await(absl::Condition(&released));
    if (number >= fail_from_) return error_;
    groups_[number - 1].written = true;
    return std::exchange(next_sequence_, next_sequence_ + count);
  }

  absl::StatusOr<engine::TablePtr> CreateTable(std::string_view) override { return Unused(); }
  absl::Status DropTable(engine::EngineTable&) override { return Unused(); }
  std::vector<engine::TablePtr> Tables() const override { return {}; }
  absl::Status Sync() override { return Unused(); }
  absl::Status Get(const engine::EngineTable&, std::string_view, const engine::EngineSnapshot*,
                   Value*) const override {
    return Unused();
  }
  std::vector<absl::StatusOr<Value>> MultiGet(const engine::EngineTable&,
                                              const std::vector<std::string_view>&,
                                              const engine::EngineSnapshot*) const override {
    return {};
  }
  std::unique_ptr<engine::Cursor> NewCursor(const engine::EngineTable&,
                                            engine::CursorOptions) const override {
    return nullptr;
  }
  std::unique_ptr<engine::EngineSnapshot> TakeSnapshot() const override { return nullptr; }
  uint64_t LastSequence() const override {
    absl::MutexLock lock(&mutex_);
    return next_sequence_ - 1;
  }
  absl::Status Close() override { return absl::OkStatus(); }

 private:
  static absl::Status Unused() { return absl::UnimplementedError("no test needs it"); }

  mutable absl::Mutex mutex_;
  std::vector<Group> groups_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> refused_ ABSL_GUARDED_BY(mutex_);
  size_t allowed_ ABSL_GUARDED_BY(mutex_) = SIZE_MAX;
  size_t fail_from_ ABSL_GUARDED_BY(mutex_) = SIZE_MAX;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t group_count_ ABSL_GUARDED_BY(mutex_) = 0;
  Group group_;  // Of the one thread that makes a group.
};

}  // namespace mooring::testing
