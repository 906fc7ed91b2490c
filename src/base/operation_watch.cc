#include "src/base/operation_watch.h"

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "src/base/steady_clock.h"

namespace mooring {
namespace {

// The two low bits of a slot's word; the others count its uses.
constexpr uint64_t kFree = 0;
constexpr uint64_t kFilling = 1;
constexpr uint64_t kUnderWay = 2;
constexpr uint64_t kStateMask = 3;
constexpr uint64_t kNextUse = 4;

int64_t NowNanoseconds() { return absl::ToInt64Nanoseconds(SteadyNow()); }

// Spreads threads over slots, so that each finds its own one free and in its cache.
size_t HomeOfThread() {
  static std::atomic<size_t> next{0};
  thread_local const size_t home = next.fetch_add(1, std::memory_order_relaxed);
  return home;
}

}  // namespace

// Written by one thread, read by any. What a reader has read counts only if the word was the same,
// and said kUnderWay, before and after. Every field is stored with release and loaded with acquire,
// which orders them against the word without a fence.
struct alignas(64) OperationWatch::Slot {
  std::atomic<uint64_t> word{kFree};
  std::atomic<int64_t> begin_ns{0};
  std::atomic<const char*> call{nullptr};
  std::array<std::atomic<uint64_t>, Path::kBytes / 8> path{};
};

struct OperationWatch::Block {
  static constexpr size_t kSlots = 64;
  std::array<Slot, kSlots> slots;
  Block* next = nullptr;
};

OperationWatch::Path::Path(std::string_view path) {
  if (path.size() > kBytes) path = path.substr(path.size() - kBytes);
  std::memcpy(words_.data(), path.data(), path.size());
}

OperationWatch::~OperationWatch() {
  for (Block* block = blocks_.load(); block != nullptr;) {
    Block* const next = block->next;
    delete block;
    block = next;
  }
}

// A slot in state kFilling that is the caller's.
OperationWatch::Slot* OperationWatch::FreeSlot() {
  const size_t home = HomeOfThread();
  for (Block* block = blocks_.load(std::memory_order_acquire); block != nullptr;
       block = block->next) {
    for (size_t i = 0; i < Block::kSlots; ++i) {
      Slot& slot = block->slots[(home + i) % Block::kSlots];
      uint64_t word = slot.word.load(std::memory_order_relaxed);
      if ((word & kStateMask) != kFree) continue;
      if (slot.word.compare_exchange_strong(word, word | kFilling, std::memory_order_acq_rel)) {
        return &slot;
      }
    }
  }
  auto* const block = new Block();
  Slot* const slot = &block->slots[home % Block::kSlots];
  slot->word.store(kFilling, std::memory_order_relaxed);
  block->next = blocks_.load(std::memory_order_acquire);
  while (!blocks_.compare_exchange_weak(block->next, block, std::memory_order_acq_rel)) {
  }
  return slot;
}

OperationWatch::Slot* OperationWatch::Enter(const char* call, const Path& path) {
  Slot* const slot = FreeSlot();
  slot->begin_ns.store(NowNanoseconds(), std::memory_order_release);
  slot->call.store(call, std::memory_order_release);
  for (size_t i = 0; i < slot->path.size(); ++i) {
    slot->path[i].store(path.words_[i], std::memory_order_release);
  }
  const uint64_t use = slot->word.load(std::memory_order_relaxed) & ~kStateMask;
  slot->word.store(use | kUnderWay, std::memory_order_release);
  return slot;
}

void OperationWatch::Leave(Slot* slot) {
  const uint64_t use = slot->word.load(std::memory_order_relaxed) & ~kStateMask;
  slot->word.store((use + kNextUse) | kFree, std::memory_order_release);
}

std::optional<OperationWatch::Operation> OperationWatch::Oldest() const {
  return OldestBeyond(absl::ZeroDuration());
}

std::optional<OperationWatch::Operation> OperationWatch::OldestBeyond(absl::Duration age) const {
  const int64_t now_ns = NowNanoseconds();
  int64_t oldest_ns = std::numeric_limits<int64_t>::max();
  const char* call = nullptr;
  Path path("");
  for (Block* block = blocks_.load(std::memory_order_acquire); block != nullptr;
       block = block->next) {
    for (const Slot& slot : block->slots) {
      const uint64_t word = slot.word.load(std::memory_order_acquire);
      if ((word & kStateMask) != kUnderWay) continue;
      const int64_t begin_ns = slot.begin_ns.load(std::memory_order_acquire);
      if (begin_ns >= oldest_ns) continue;
      const char* const slot_call = slot.call.load(std::memory_order_acquire);
      Path slot_path("");
      for (size_t i = 0; i < slot.path.size(); ++i) {
        slot_path.words_[i] = slot.path[i].load(std::memory_order_acquire);
      }
      if (slot.word.load(std::memory_order_relaxed) != word) continue;
      oldest_ns = begin_ns;
      call = slot_call;
      path = slot_path;
    }
  }
  if (call == nullptr) return std::nullopt;
  const absl::Duration oldest_age = absl::Nanoseconds(now_ns - oldest_ns);
  if (oldest_age < age) return std::nullopt;
  char text[Path::kBytes + 1] = {};
  std::memcpy(text, path.words_.data(), Path::kBytes);
  return Operation{absl::StrCat(call, " ", text), oldest_age};
}

}  // namespace mooring
