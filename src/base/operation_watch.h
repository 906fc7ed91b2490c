#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace mooring {

// Knows the input and output operations that are under way, so that a stalled device can be named
// while every thread that touches it hangs.
//
//   H1  An operation is in the watch from before its call until after it.
//   H2  Entering and leaving cost tens of nanoseconds and, unless more operations than ever before
//       are under way at once, no memory.
//   H3  The oldest operation can be read from any thread, and nobody waits for anybody.
//
//   const OperationWatch::Path path("/var/lib/orders/data/000012.log");   // once per file
//   const OperationWatch::Scope scope(&watch, "fdatasync", path);         // around each call
//
// Thread-safe.
class OperationWatch {
 public:
  // A path as the watch keeps it: its last kBytes bytes.
  class Path {
   public:
    static constexpr size_t kBytes = 128;
    explicit Path(std::string_view path);

   private:
    friend class OperationWatch;
    std::array<uint64_t, kBytes / 8> words_{};
  };

  class Scope;

  struct Operation {
    std::string name;  // "fdatasync /var/lib/orders/data/000012.log"
    absl::Duration age;
  };

  OperationWatch() = default;
  ~OperationWatch();
  OperationWatch(const OperationWatch&) = delete;
  OperationWatch& operator=(const OperationWatch&) = delete;

  // The oldest operation under way. One that begins or ends meanwhile may be missed.
  std::optional<Operation> Oldest() const;
  // The same, where it is of `age` or older: what Health::stall shows.
  std::optional<Operation> OldestBeyond(absl::Duration age) const;

 private:
  struct Slot;
  struct Block;

  Slot* Enter(const char* call, const Path& path);
  static void Leave(Slot* slot);
  Slot* FreeSlot();

  std::atomic<Block*> blocks_{nullptr};  // Grows, and shrinks only with the watch.
};

// One operation, from construction to destruction, by one thread. `call` lives for ever.
class OperationWatch::Scope {
 public:
  Scope(OperationWatch* watch, const char* call, const Path& path)
      : slot_(watch == nullptr ? nullptr : watch->Enter(call, path)) {}
  ~Scope() {
    if (slot_ != nullptr) Leave(slot_);
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Slot* const slot_;
};

}  // namespace mooring
