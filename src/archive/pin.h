#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
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
//   P3  A pin expires. A reader that was slower, or whose clock is late, finds an object missing,
//       and plans again: nothing is read wrongly.
struct Pin {
  std::string id;   // Random.
  std::string who;  // For people.
  int64_t expires_us = 0;
  // The slot of the checkpoint that is read, and where its log begins. 0: not known yet, so all.
  uint64_t checkpoint = 0;
  uint64_t replay_from = 0;
};

inline constexpr std::string_view kPinsPrefix = "pins/";

struct PinOptions {
  absl::Duration expiry = absl::Minutes(10);  // Renewed each third of it.
  std::function<int64_t()> now_us;            // The clock's, but in tests.
};

// Holds a pin, and renews it from a thread of its own, until it is destroyed.
class PinHolder {
 public:
  // Tries again for some seconds while the store is away.
  static absl::StatusOr<std::unique_ptr<PinHolder>> Take(objectstore::ObjectStore* store,
                                                         const std::string& who,
                                                         const PinOptions& options = {});
  virtual ~PinHolder() = default;  // A pin that cannot be removed expires.

  // Only what `plan` needs from now on.
  [[nodiscard]] virtual absl::Status Narrow(const RestorePlan& plan) = 0;
};

// Those that have not expired. Ones that have for an hour are removed; one that is damaged is
// passed over.
absl::StatusOr<std::vector<Pin>> ReadPins(objectstore::ObjectStore& store, int64_t now_us,
                                          const objectstore::RequestOptions& options = {});

}  // namespace mooring::archive
