#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace mooring::testing {

// A random source whose draws depend on nothing but the seed.
class FaultRandom {
 public:
  explicit FaultRandom(uint64_t seed) : engine_(seed) {}
  uint64_t Next() { return engine_(); }
  // From 0 to `limit` - 1.
  uint64_t Below(uint64_t limit) { return engine_() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  // True in `percent` of 100 draws.
  bool Percent(uint64_t percent) { return Below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

// The bytes of one file, twice: as programs read them (the page cache), and as the device holds
// them. Pages are 4 KiB; a page is dirty from a write until a sync. Not thread-safe.
class FaultFileContents {
 public:
  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint64_t kSectorBytes = 512;

  uint64_t size() const { return size_; }
  static uint64_t PagesOf(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes; }

  // Writing past the end leaves a hole of zeros.
  void Write(uint64_t offset, std::string_view data);
  void Truncate(uint64_t size);
  // The number of bytes read, less than `length` at the end of the file.
  size_t Read(uint64_t offset, size_t length, char* out) const;
  std::string ReadAll() const;

  // Makes the dirty pages and the size durable.
  void Sync();
  // What a failed fsync does on ext4: dirty pages are marked clean though the device does not hold
  // them. They read well from the cache, and no later sync writes them.
  void LoseDirtyPages();
  // Forgets clean pages, so that the next read shows what the device holds.
  void DropCleanPages();

  // What a power cut may leave, everything in it durable. Each dirty page survives as old, new, or
  // a mix of 512-byte sectors; beyond the durable size old means zeros. The size is the durable
  // one, one that the file had since, or a page boundary between. An unsynced truncation is lost
  // whole or kept whole.
  FaultFileContents AfterPowerCut(FaultRandom& random) const;

  // Damage of the medium, in the cache and on the device alike.
  void FlipBits(uint64_t offset, uint64_t length);
  void Zero(uint64_t offset, uint64_t length);
  void CutAt(uint64_t size);

 private:
  using Block = std::array<char, kPageBytes>;
  using BlockPtr = std::shared_ptr<const Block>;  // null: all zeros
  struct Page {
    BlockPtr cached;
    BlockPtr durable;
    bool dirty = false;
  };

  static std::shared_ptr<Block> CopyOf(const BlockPtr& block);
  static BlockPtr ZeroedFrom(const BlockPtr& block, uint64_t from);
  static BlockPtr MixOfSectors(const BlockPtr& a, const BlockPtr& b, FaultRandom& random);
  // `block` as the page `index` of a file that ends at `size`.
  static BlockPtr CutToSize(const BlockPtr& block, uint64_t index, uint64_t size);

  void MarkDirty(uint64_t index);
  void SizeChanged(uint64_t size);
  uint64_t SizeAfterPowerCut(FaultRandom& random) const;
  FaultFileContents DurableImage() const;
  template <typename Change>
  void Damage(uint64_t offset, uint64_t length, Change change);

  std::vector<Page> pages_;
  std::vector<uint64_t> dirty_;
  uint64_t size_ = 0;
  uint64_t durable_size_ = 0;
  // Since the last sync: the sizes that the file had (a sample of them), and the smallest.
  std::vector<uint64_t> sizes_;
  uint64_t size_changes_ = 0;
  uint64_t smallest_size_ = 0;
};

}  // namespace mooring::testing
