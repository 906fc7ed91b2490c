#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "rocksdb/listener.h"
#include "src/engine/rocksdb_status.h"

namespace mooring::engine {

// Vetoes RocksDB's automatic recovery, which re-enables file deletions and can acknowledge writes
// after a failed sync, and reports the first error that ends writing.
class ErrorListener : public rocksdb::EventListener {
 public:
  explicit ErrorListener(std::function<void(const absl::Status&)> failed)
      : failed_(std::move(failed)) {}

  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    if (reported_.exchange(true) || !failed_) return;
    failed_(FromRocksDb(*error, "background work on the volume failed"));
  }

 private:
  const std::function<void(const absl::Status&)> failed_;
  std::atomic<bool> reported_{false};
};

}  // namespace mooring::engine
