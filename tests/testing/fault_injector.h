#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mooring::testing {

// Kinds of calls, to be combined with |.
enum FaultCall : uint32_t {
  kReadCall = 1 << 0,
  kWriteCall = 1 << 1,  // append, write, truncate
  kSyncCall = 1 << 2,
  kDirectorySyncCall = 1 << 3,
  kCreateCall = 1 << 4,  // files, directories and links
  kRenameCall = 1 << 5,
  kDeleteCall = 1 << 6,
  kMutatingCalls =
      kWriteCall | kSyncCall | kDirectorySyncCall | kCreateCall | kRenameCall | kDeleteCall,
  kAllCalls = kMutatingCalls | kReadCall,
};

// Which calls fail, and how.
struct Fault {
  uint32_t calls = kAllCalls;  // kinds that are counted and fail
  std::string path_contains;   // only calls on such paths; empty: on any
  uint64_t nth = 1;            // the first call that fails, counted from 1 when the fault is set
  bool permanent = false;      // all later ones fail too
  int error = 0;               // EIO, ENOSPC, EDQUOT, EROFS
  bool loses_dirty_pages = false;  // a failing sync marks the dirty pages clean, as ext4 does
  bool writes_half = false;        // a failing write writes the first half of its bytes
};

// Decides about each call of a FaultFileSystem. Thread-safe.
class FaultInjector {
 public:
  ~FaultInjector();

  void Add(const Fault& fault);
  // Calls fail no more; stalled ones go on.
  void Clear();
  // Calls of any of these kinds so far, failed ones too.
  uint64_t CallCount(uint32_t calls) const;
  // Calls that a fault made fail.
  uint64_t FailureCount() const;

  // Calls of these kinds on such paths wait until Clear(), but never longer than `limit`, so that
  // no test hangs.
  void Stall(uint32_t calls, std::string_view path_contains,
             absl::Duration limit = absl::Seconds(60));
  // Whether a call is waiting, at the latest after `limit`.
  bool AwaitStalledCall(absl::Duration limit = absl::Seconds(60)) const;

  // Asked by the file system before each call. May wait. The fault that the call meets, if any.
  std::optional<Fault> Enter(FaultCall call, std::string_view path);

 private:
  struct Stalling {
    uint32_t calls;
    std::string path_contains;
    absl::Duration limit;
  };

  void WaitWhileStalled(FaultCall call, std::string_view path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::vector<Fault> faults_ ABSL_GUARDED_BY(mutex_);  // `nth` counts down
  std::optional<Stalling> stall_ ABSL_GUARDED_BY(mutex_);
  uint64_t stall_number_ ABSL_GUARDED_BY(mutex_) = 0;
  int stalled_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t counts_[7] ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace mooring::testing
