#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "src/base/crc32c.h"
#include "src/engine/log_source.h"
#include "src/objectstore/object_store.h"

// What a shipper stands between: an engine's logs and files, and an object store that fails.
namespace mooring::archive {

// Objects in memory. A hook is told of each request and may fail it, before or after it took place.
class MemoryStore final : public objectstore::ObjectStore {
 public:
  struct Request {
    std::string_view kind;  // "create", "put", "file", "get", "list".
    std::string_view key;
    bool answered = false;  // The second call, after it took place.
  };
  using Hook = std::function<absl::Status(const Request&)>;

  void SetHook(Hook hook) {
    absl::MutexLock lock(&mutex_);
    hook_ = hook == nullptr ? nullptr : std::make_shared<Hook>(std::move(hook));
  }
  int Count(std::string_view kind, std::string_view prefix = "") const {
    absl::MutexLock lock(&mutex_);
    int count = 0;
    for (const auto& [one, key] : requests_) {
      count += one == kind && key.compare(0, prefix.size(), prefix) == 0 ? 1 : 0;
    }
    return count;
  }
  // Objects there are, which is no request.
  size_t Held(std::string_view prefix) const {
    absl::MutexLock lock(&mutex_);
    size_t count = 0;
    for (const auto& [key, data] : objects_) count += key.compare(0, prefix.size(), prefix) == 0;
    return count;
  }

  absl::Status Put(std::string_view key, std::string_view data,
                   const objectstore::RequestOptions&) override {
    return Do("put", key, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      objects_[std::string(key)] = std::string(data);
      return absl::OkStatus();
    });
  }
  absl::Status Create(std::string_view key, std::string_view data,
                      const objectstore::RequestOptions&) override {
    return Do("create", key, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      const bool made = objects_.emplace(key, data).second;
      return made ? absl::OkStatus() : absl::AlreadyExistsError("it is there");
    });
  }
  absl::Status PutFile(std::string_view key, std::string_view path,
                       const objectstore::RequestOptions&) override {
    std::ifstream file{std::string(path), std::ios::binary};
    std::string data{std::istreambuf_iterator<char>(file), {}};
    return Do("file", key, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      objects_[std::string(key)] = data;
      return absl::OkStatus();
    });
  }
  absl::StatusOr<std::string> Get(std::string_view key,
                                  const objectstore::RequestOptions&) override {
    std::string data;
    const absl::Status status = Do("get", key, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      const auto object = objects_.find(std::string(key));
      if (object == objects_.end()) return absl::NotFoundError("no such object");
      data = object->second;
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return data;
  }
  absl::StatusOr<std::string> GetRange(std::string_view, int64_t, int64_t,
                                       const objectstore::RequestOptions&) override {
    return absl::UnimplementedError("ranges");
  }
  absl::StatusOr<int64_t> GetToFile(std::string_view, std::string_view,
                                    const objectstore::RequestOptions&) override {
    return absl::UnimplementedError("files");
  }
  absl::StatusOr<std::vector<objectstore::ObjectInfo>> List(
      std::string_view prefix, std::string_view after, int limit,
      const objectstore::RequestOptions&) override {
    std::vector<objectstore::ObjectInfo> found;
    const absl::Status status = Do("list", prefix, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      for (auto object = objects_.upper_bound(std::string(after));
           object != objects_.end() && static_cast<int>(found.size()) < limit; ++object) {
        if (object->first.compare(0, prefix.size(), prefix) != 0) continue;
        found.push_back({object->first, static_cast<int64_t>(object->second.size())});
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return found;
  }
  absl::Status Delete(std::string_view key, const objectstore::RequestOptions&) override {
    return Do("delete", key, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      objects_.erase(std::string(key));
      return absl::OkStatus();
    });
  }
  absl::StatusOr<int64_t> RemoveAbandoned(std::string_view prefix, absl::Duration,
                                          const objectstore::RequestOptions&) override {
    const absl::Status status = Do("abandoned", prefix, [] { return absl::OkStatus(); });
    if (!status.ok()) return status;
    return 0;
  }
  void Cancel() override {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
  }
  // As another process sees it after one was killed.
  void Revive() {
    absl::MutexLock lock(&mutex_);
    cancelled_ = false;
  }
  bool cancelled() const {
    absl::MutexLock lock(&mutex_);
    return cancelled_;
  }
  objectstore::Traffic traffic() const override {
    absl::MutexLock lock(&mutex_);
    return {static_cast<int64_t>(requests_.size()), 0, 0, 0};
  }
  const std::string& name() const override { return name_; }

 private:
  absl::Status Do(std::string_view kind, std::string_view key,
                  const std::function<absl::Status()>& action) {
    std::shared_ptr<Hook> hook;
    {
      absl::MutexLock lock(&mutex_);
      if (cancelled_) return absl::CancelledError("cancelled");
      requests_.emplace_back(kind, key);
      hook = hook_;
    }
    if (hook != nullptr) {
      if (absl::Status failed = (*hook)({kind, key, false}); !failed.ok()) return failed;
    }
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      status = action();
    }
    if (hook != nullptr) {
      if (absl::Status failed = (*hook)({kind, key, true}); !failed.ok()) return failed;
    }
    return status;
  }

  const std::string name_ = "memory";
  mutable absl::Mutex mutex_;
  std::shared_ptr<Hook> hook_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::string> objects_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> requests_ ABSL_GUARDED_BY(mutex_);
};

// An engine of ten bytes a commit, each an operation of its own, on the disk as soon as it is made.
class FakeSource final : public engine::LogSource {
 public:
  uint64_t Commit() {
    absl::MutexLock lock(&mutex_);
    commits_.push_back({logs_.size(), table_changes_});
    return commits_.size();
  }
  void MakeTable() {
    absl::MutexLock lock(&mutex_);
    ++table_changes_;
  }
  // The next captures hold the file with other bytes than the engine wrote.
  void SetRot(bool rot) {
    absl::MutexLock lock(&mutex_);
    rot_ = rot;
  }
  void Reset() {
    absl::MutexLock lock(&mutex_);
    commits_.clear();
    logs_ = {1};
    files_.clear();
    flushed_ = table_changes_ = released_ = compacted_ = 0;
  }
  // What there is becomes one new file at the next capture.
  void Compact() {
    absl::MutexLock lock(&mutex_);
    compacted_ = files_.size();
  }
  int captures() const {
    absl::MutexLock lock(&mutex_);
    return captures_;
  }
  uint64_t released() const {
    absl::MutexLock lock(&mutex_);
    return released_;
  }

  uint64_t DurableSequence() const override {
    absl::MutexLock lock(&mutex_);
    return commits_.size();
  }
  int64_t UnreleasedBytes() const override {
    absl::MutexLock lock(&mutex_);
    return 10 * static_cast<int64_t>(commits_.size() - released_);
  }
  uint64_t TableChanges() const override {
    absl::MutexLock lock(&mutex_);
    return table_changes_;
  }
  absl::StatusOr<std::vector<engine::LogPiece>> ReadLog(uint64_t after, uint64_t table_changes,
                                                        size_t) override {
    absl::MutexLock lock(&mutex_);
    std::vector<engine::LogPiece> pieces;
    for (uint64_t sequence = after + 1; sequence <= commits_.size(); ++sequence) {
      const auto& [log, tables] = commits_[sequence - 1];
      if (tables > table_changes) {
        if (pieces.empty()) return absl::OutOfRangeError("a table was made");
        return pieces;
      }
      const uint64_t begin = 10 * (sequence - logs_[log - 1]);
      if (pieces.empty() || pieces.back().log != log) {
        pieces.push_back({log, 1000 + log, begin, begin, sequence, 0, Time(sequence), 0, ""});
      }
      engine::LogPiece& piece = pieces.back();
      piece.end += 10;
      piece.last_sequence = sequence;
      piece.last_time_us = Time(sequence);
      piece.bytes += absl::StrFormat("%10d", sequence);
    }
    return pieces;
  }
  void Release(uint64_t sequence) override {
    absl::MutexLock lock(&mutex_);
    released_ = sequence;
  }
  absl::StatusOr<engine::CapturedState> Capture(const std::string& directory,
                                                const Exclusively&) override {
    absl::MutexLock lock(&mutex_);
    ++captures_;
    logs_.push_back(commits_.size() + 1);  // Where the new log begins.
    if (commits_.size() > flushed_ || files_.size() == compacted_) {
      files_.push_back(absl::StrCat("operations up to ", commits_.size()));
      flushed_ = commits_.size();
    }
    engine::CapturedState state;
    for (size_t i = compacted_; i < files_.size(); ++i) {
      const std::string path = absl::StrFormat("%06d.sst", i + 10);
      const std::string local = directory + "/" + path;
      std::ofstream(local, std::ios::binary) << (rot_ ? "rotten" : files_[i]);
      state.files.push_back({path, local, files_[i].size(), Crc32c(files_[i])});
    }
    state.manifest_path = "MANIFEST-000005";
    state.current = "MANIFEST-000005\n";
    state.manifest = absl::StrCat("manifest ", captures_);
    state.max_sequence = commits_.size();
    state.max_time_us = commits_.empty() ? 0 : Time(commits_.size());
    state.min_log = logs_.size();
    state.table_changes = table_changes_;
    return state;
  }

 private:
  static int64_t Time(uint64_t sequence) { return 1000 + static_cast<int64_t>(sequence); }

  mutable absl::Mutex mutex_;
  // Log and table changes of each commit.
  std::vector<std::pair<uint64_t, uint64_t>> commits_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> logs_ ABSL_GUARDED_BY(mutex_) = {1};  // The first sequence of each.
  std::vector<std::string> files_ ABSL_GUARDED_BY(mutex_);
  uint64_t flushed_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t compacted_ ABSL_GUARDED_BY(mutex_) = 0;  // So many of the files are no more.
  uint64_t table_changes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t released_ ABSL_GUARDED_BY(mutex_) = 0;
  bool rot_ ABSL_GUARDED_BY(mutex_) = false;
  int captures_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mooring::archive
