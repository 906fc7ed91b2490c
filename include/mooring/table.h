#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/iterator.h"
#include "mooring/snapshot.h"
#include "mooring/value.h"
#include "mooring/version.h"

namespace mooring {

namespace internal {
class TableState;
}  // namespace internal

// What an acknowledged commit survives.
enum class Durability {
  kProcess = 1,  // The end of the process, also by SIGKILL. No wait for the device.
  kVolume = 2,   // Power loss of the node. One device sync, shared with other writers.
  kArchive = 3,  // Loss of the volume. As kVolume, and then one request to the archive, shared with
                 // other writers. Readable before it is archived.
};

struct CommitOptions {
  Durability durability = Durability::kVolume;
  // How long to wait for the answer. When it is over the commit returns DEADLINE_EXCEEDED: whether
  // it happens is unknown; where it is only unknown whether it is archived, UnarchivedVersion() of
  // mooring/archive.h has its version. Infinite by default.
  absl::Duration timeout = absl::InfiniteDuration();
};

// One ordered map from keys to values in a store; made by Store::OpenTable(). A copyable handle:
// all copies mean the same table. Keys are any bytes, at most kMaxKeyBytes, ordered as unsigned
// bytes.
//
// Every call answers FAILED_PRECONDITION once the store is closed, and NOT_FOUND, naming the table,
// once the table was dropped. Thread-safe.
class Table {
 public:
  Table() = default;  // No table: every call answers FAILED_PRECONDITION.
  explicit Table(std::shared_ptr<internal::TableState> state) : state_(std::move(state)) {}

  std::string_view name() const;

  // Commits of one operation; errors as for Store::Commit().
  absl::StatusOr<Version> Put(std::string_view key, std::string_view value,
                              const CommitOptions& options = {});
  absl::StatusOr<Version> Delete(std::string_view key, const CommitOptions& options = {});
  absl::StatusOr<Version> DeleteRange(std::string_view begin, std::string_view end,
                                      const CommitOptions& options = {});

  // Reads the value of `key` into `value`, without a copy where it lies in memory.
  //
  // NOT_FOUND    there is none; the message is empty, for absence is an answer, not a fault.
  // DATA_LOSS    the block that holds it is damaged.
  // UNAVAILABLE  a read of the volume failed; the message says which. Retrying may help.
  [[nodiscard]] absl::Status Get(std::string_view key, Value* value,
                                 const Snapshot& snapshot = {}) const;
  absl::StatusOr<Value> Get(std::string_view key, const Snapshot& snapshot = {}) const;

  // As many answers as `keys`, in their order, all as of one moment. Faster than as many Get()
  // calls.
  std::vector<absl::StatusOr<Value>> MultiGet(const std::vector<std::string_view>& keys,
                                              const Snapshot& snapshot = {}) const;

  Iterator Scan(const ScanOptions& options = {}) const;

  internal::TableState* state() const { return state_.get(); }

 private:
  std::shared_ptr<internal::TableState> state_;
};

}  // namespace mooring
