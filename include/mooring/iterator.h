#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "mooring/snapshot.h"

namespace mooring {

namespace internal {
class IteratorState;
}  // namespace internal

// What to read of a table. Bounds and prefix together mean the keys within all of them.
struct ScanOptions {
  std::string prefix;                                     // Only keys that begin with it.
  std::string begin;                                      // Only keys >= it.
  std::string end;                                        // Only keys < it; empty: no bound.
  bool reverse = false;                                   // From the last key to the first.
  uint64_t limit = std::numeric_limits<uint64_t>::max();  // At most so many keys.
  Snapshot snapshot;  // As of then; default: as of the scan's start.
};

// The keys and values of one table in the order of their bytes, as of one moment:
//
//   for (mooring::Iterator it = carts.Scan(options); it.Valid(); it.Next()) Use(it.key(),
//   it.value()); if (!it.status().ok()) ...
//
// Not thread-safe. Holds what it reads on the volume until it is destroyed, and Close() waits for
// it.
class Iterator {
 public:
  explicit Iterator(std::unique_ptr<internal::IteratorState> state);
  Iterator(Iterator&&) noexcept;
  Iterator& operator=(Iterator&&) noexcept;
  ~Iterator();

  // False at the end, and after an error: see status().
  bool Valid() const;
  void Next();  // Needs Valid().

  // Valid until the next Next(). Both need Valid().
  std::string_view key() const;
  std::string_view value() const;

  // OK at a clean end. UNAVAILABLE: a read of the volume failed. DATA_LOSS: a block is damaged.
  // FAILED_PRECONDITION: the store is closed. INVALID_ARGUMENT: begin > end.
  [[nodiscard]] absl::Status status() const;

 private:
  std::unique_ptr<internal::IteratorState> state_;
};

}  // namespace mooring
