#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/options.h"
#include "mooring/value.h"
#include "src/base/operation_watch.h"
#include "src/engine/file_keeper.h"
#include "src/engine/log_source.h"
#include "src/engine/space_gate.h"

namespace mooring::engine {

// One table of an engine, alive for as long as anyone refers to it.
class EngineTable {
 public:
  EngineTable(std::string name, uint32_t id) : name_(std::move(name)), id_(id) {}
  virtual ~EngineTable() = default;

  const std::string& name() const { return name_; }
  uint32_t id() const { return id_; }  // Never used again in the life of the store.
  bool dropped() const { return dropped_.load(std::memory_order_acquire); }
  void MarkDropped() { dropped_.store(true, std::memory_order_release); }

 private:
  const std::string name_;
  const uint32_t id_;
  std::atomic<bool> dropped_{false};
};
using TablePtr = std::shared_ptr<EngineTable>;

// One moment of all tables; released by the destructor.
class EngineSnapshot {
 public:
  virtual ~EngineSnapshot() = default;
  virtual uint64_t sequence() const = 0;
};

// The keys of one table in [lower, upper), in order or in reverse order. An empty upper is no
// bound.
struct CursorOptions {
  std::string lower;
  std::string upper;
  bool reverse = false;
  const EngineSnapshot* snapshot = nullptr;  // Must outlive the cursor.
};

class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool Valid() const = 0;
  virtual void Next() = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual absl::Status status() const = 0;
};

// One commit, as it goes into a group.
struct Commit {
  std::string_view operations;  // As batch_operations.h says; borrowed until the group is written.
  uint32_t count = 0;
  int64_t time_us = 0;  // Microseconds since 1970.
};

// What an engine counts of its memory. The write buffers are a part of the cache.
struct MemoryUse {
  int64_t cache_bytes = 0;
  int64_t pinned_bytes = 0;  // Of the cache: in use, so that they cannot go.
  int64_t write_buffer_bytes = 0;
  int64_t open_file_bytes = 0;  // What open files hold that is no block; counted in the cache too.
};

struct EngineOptions {
  std::string directory;
  std::string store_id;
  bool create = false;  // Make a new engine; otherwise one must be there.
  // The logs go beyond what the files were restored from: replay them up to the first commit to a
  // table that was made since, so that no later one is there without it.
  bool stop_at_unknown_tables = false;
  int64_t cache_bytes = 0;  // These two as MemoryPlan (memory_plan.h) says.
  int64_t write_buffer_bytes = 0;
  int64_t wal_file_bytes = 0;
  int64_t max_wal_bytes = 0;
  std::function<void(const Progress&)> progress;
  std::function<void(LogSeverity, std::string_view)> log;
  // Called once, from any thread, when the engine finds that it can take no more writes.
  std::function<void(const absl::Status&)> failed;
  // Where calls on the volume are entered; null for none.
  std::shared_ptr<OperationWatch> watch;
  // Keep logs for log_source() until they are released, up to max_wal_bytes of them.
  bool keep_logs = false;
  // Called when DurableSequence() has grown, from any thread; must be quick and not call back.
  std::function<void()> durable;
  // Where writes that meet a full volume wait; null: they fail.
  std::shared_ptr<SpaceGate> space_gate;
};

// An ordered key-value engine. It knows tables, groups of commits, ordered scans and snapshots, and
// nothing of volumes and owners. Thread-safe, but for the group calls, which one thread makes at a
// time, and Close(), after which nothing may be called and before which all readers must be gone.
class Engine {
 public:
  virtual ~Engine() = default;

  // Durable when they return OK. Not at the same time as a group.
  virtual absl::StatusOr<TablePtr> CreateTable(std::string_view name) = 0;
  virtual absl::Status DropTable(EngineTable& table) = 0;
  virtual std::vector<TablePtr> Tables() const = 0;

  // One atomic write of several commits. AddToGroup() answers NOT_FOUND, and adds nothing, where a
  // table of the commit is gone. WriteGroup() returns the sequence of the group's first operation,
  // each following one having the next; after an error the outcome is unknown and no write is
  // accepted any more.
  virtual void BeginGroup() = 0;
  virtual absl::Status AddToGroup(const Commit& commit) = 0;
  virtual absl::StatusOr<uint64_t> WriteGroup(bool sync) = 0;

  // Makes every write so far durable.
  virtual absl::Status Sync() = 0;

  // NOT_FOUND with an empty message where there is no such key. `snapshot` may be null.
  virtual absl::Status Get(const EngineTable& table, std::string_view key,
                           const EngineSnapshot* snapshot, Value* value) const = 0;
  virtual std::vector<absl::StatusOr<Value>> MultiGet(const EngineTable& table,
                                                      const std::vector<std::string_view>& keys,
                                                      const EngineSnapshot* snapshot) const = 0;
  virtual std::unique_ptr<Cursor> NewCursor(const EngineTable& table,
                                            CursorOptions options) const = 0;
  virtual std::unique_ptr<EngineSnapshot> TakeSnapshot() const = 0;

  // The sequence of the newest visible operation.
  virtual uint64_t LastSequence() const = 0;

  virtual MemoryUse memory_use() const { return {}; }

  // What archives and snapshots read, for as long as the engine is open; null where the engine has
  // no such thing. Without EngineOptions::keep_logs it has states and no logs.
  virtual LogSource* log_source() { return nullptr; }

  // What proves and repairs its files while it is open; null where it has no such thing.
  virtual FileKeeper* file_keeper() { return nullptr; }

  virtual absl::Status Close() = 0;
};

}  // namespace mooring::engine
