#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace mooring::internal {

// Counts the readers of an engine, so that closing waits for them and new ones are refused.
// Entering and leaving touch one cache line that few threads share.
class ReaderGate {
 public:
  // The shard that a reader entered by, to leave by the same; kRefused once the gate is shut.
  static constexpr int kRefused = -1;
  int Enter() {
    const int shard = ShardOfThread();
    shards_[shard].readers.fetch_add(1, std::memory_order_seq_cst);
    if (!shut_.load(std::memory_order_seq_cst)) return shard;
    Leave(shard);
    return kRefused;
  }
  void Leave(int shard) { shards_[shard].readers.fetch_sub(1, std::memory_order_seq_cst); }

  void Shut() { shut_.store(true, std::memory_order_seq_cst); }
  // Readers inside. Zero once shut stays zero, but for one that is about to be refused.
  int Readers() const {
    int64_t readers = 0;
    for (const Shard& shard : shards_) readers += shard.readers.load(std::memory_order_seq_cst);
    return static_cast<int>(readers);
  }

 private:
  struct alignas(64) Shard {
    std::atomic<int64_t> readers{0};
  };
  static constexpr int kShards = 16;
  static int ShardOfThread() {
    static std::atomic<int> next{0};
    thread_local const int shard = next.fetch_add(1, std::memory_order_relaxed) % kShards;
    return shard;
  }

  std::array<Shard, kShards> shards_;
  std::atomic<bool> shut_{false};
};

// One reader inside a gate, from construction to destruction. Movable, so that an iterator can
// carry it to another thread.
class ReaderToken {
 public:
  explicit ReaderToken(ReaderGate* gate) : gate_(gate), shard_(gate->Enter()) {}
  ~ReaderToken() {
    if (gate_ != nullptr && shard_ != ReaderGate::kRefused) gate_->Leave(shard_);
  }
  ReaderToken(ReaderToken&& other) noexcept : gate_(other.gate_), shard_(other.shard_) {
    other.gate_ = nullptr;
  }
  ReaderToken& operator=(ReaderToken&&) = delete;

  bool entered() const { return shard_ != ReaderGate::kRefused; }

 private:
  ReaderGate* gate_;
  const int shard_;
};

}  // namespace mooring::internal
