#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/archive/restore_plan.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {

// What a reader that takes long asks the owner not to delete yet: an object below pins/.
//
//   P1  A reader pins first, and then reads the journal. The owner lists the pins after its COLLECT
//       stands and before its first delete. So a reader either sees that COLLECT, or is seen.
//   P2  What a pin holds back stays named by the COLLECT, and is deleted once the pin is gone.
//   P3  A pin expires. A reader that was slower finds an object missing, and plans again: nothing
//   is
//       read wrongly.
struct Pin {
  std::string id;   // Random.
  std::string who;  // For people.
  int64_t expires_us = 0;
  // The slot of the checkpoint that is read, and where its log begins. 0: not known yet, so all.
  uint64_t checkpoint = 0;
  uint64_t replay_from = 0;
};

// Holds a pin, and renews it from a thread of its own, until it is destroyed.
class PinHolder {
 public:
  static absl::StatusOr<std::unique_ptr<PinHolder>> Take(objectstore::ObjectStore* store,
                                                         const std::string& who);
  virtual ~PinHolder() = default;

  // Only what `plan` needs from now on.
  [[nodiscard]] virtual absl::Status Narrow(const RestorePlan& plan) = 0;
};

// Those that have not expired; ones that have are removed. One that cannot be read is passed over.
absl::StatusOr<std::vector<Pin>> ReadPins(objectstore::ObjectStore& store, int64_t now_us);

}  // namespace mooring::archive
