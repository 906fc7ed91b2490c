#include "tests/testing/fault_file_contents.h"

#include <string.h>

#include <algorithm>
#include <utility>

namespace mooring::testing {
namespace {

constexpr size_t kSizesKept = 64;

}  // namespace

std::shared_ptr<FaultFileContents::Block> FaultFileContents::CopyOf(const BlockPtr& block) {
  if (block == nullptr) return std::make_shared<Block>(Block{});
  return std::make_shared<Block>(*block);
}

FaultFileContents::BlockPtr FaultFileContents::ZeroedFrom(const BlockPtr& block, uint64_t from) {
  if (block == nullptr || from >= kPageBytes) return block;
  if (from == 0) return nullptr;
  std::shared_ptr<Block> copy = CopyOf(block);
  memset(copy->data() + from, 0, kPageBytes - from);
  return copy;
}

FaultFileContents::BlockPtr FaultFileContents::CutToSize(const BlockPtr& block, uint64_t index,
                                                         uint64_t size) {
  const uint64_t start = index * kPageBytes;
  return ZeroedFrom(block, size > start ? size - start : 0);
}

FaultFileContents::BlockPtr FaultFileContents::MixOfSectors(const BlockPtr& a, const BlockPtr& b,
                                                            FaultRandom& random) {
  std::shared_ptr<Block> mix = CopyOf(a);
  const std::shared_ptr<Block> other = CopyOf(b);
  for (uint64_t at = 0; at < kPageBytes; at += kSectorBytes) {
    if (random.OneIn(2)) memcpy(mix->data() + at, other->data() + at, kSectorBytes);
  }
  return mix;
}

void FaultFileContents::MarkDirty(uint64_t index) {
  if (pages_[index].dirty) return;
  pages_[index].dirty = true;
  dirty_.push_back(index);
}

void FaultFileContents::SizeChanged(uint64_t size) {
  size_ = size;
  smallest_size_ = std::min(smallest_size_, size);
  if (pages_.size() < PagesOf(size)) pages_.resize(PagesOf(size));
  if (sizes_.size() < kSizesKept) {
    sizes_.push_back(size);
  } else {
    sizes_[size_changes_ * 37 % kSizesKept] = size;
  }
  ++size_changes_;
}

void FaultFileContents::Write(uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  if (offset + data.size() > size_) SizeChanged(offset + data.size());
  while (!data.empty()) {
    const uint64_t index = offset / kPageBytes;
    const uint64_t within = offset % kPageBytes;
    const uint64_t length = std::min<uint64_t>(data.size(), kPageBytes - within);
    std::shared_ptr<Block> block = CopyOf(pages_[index].cached);
    memcpy(block->data() + within, data.data(), length);
    pages_[index].cached = std::move(block);
    MarkDirty(index);
    offset += length;
    data.remove_prefix(length);
  }
}

void FaultFileContents::Truncate(uint64_t size) {
  if (size == size_) return;
  for (uint64_t index = size / kPageBytes; size < size_ && index < PagesOf(size_); ++index) {
    pages_[index].cached = CutToSize(pages_[index].cached, index, size);
    MarkDirty(index);
  }
  SizeChanged(size);
}

size_t FaultFileContents::Read(uint64_t offset, size_t length, char* out) const {
  if (offset >= size_) return 0;
  const size_t total = std::min<uint64_t>(length, size_ - offset);
  for (size_t done = 0; done < total;) {
    const uint64_t within = (offset + done) % kPageBytes;
    const size_t part = std::min<uint64_t>(total - done, kPageBytes - within);
    const BlockPtr& block = pages_[(offset + done) / kPageBytes].cached;
    if (block == nullptr) {
      memset(out + done, 0, part);
    } else {
      memcpy(out + done, block->data() + within, part);
    }
    done += part;
  }
  return total;
}

std::string FaultFileContents::ReadAll() const {
  std::string all(size_, '\0');
  Read(0, all.size(), all.data());
  return all;
}

void FaultFileContents::Sync() {
  for (const uint64_t index : dirty_) {
    pages_[index].durable = pages_[index].cached;
    pages_[index].dirty = false;
  }
  dirty_.clear();
  pages_.resize(PagesOf(size_));
  durable_size_ = smallest_size_ = size_;
  sizes_.clear();
}

void FaultFileContents::LoseDirtyPages() {
  for (const uint64_t index : dirty_) pages_[index].dirty = false;
  dirty_.clear();
}

void FaultFileContents::DropCleanPages() {
  for (uint64_t index = 0; index < pages_.size(); ++index) {
    Page& page = pages_[index];
    if (!page.dirty) page.cached = CutToSize(page.durable, index, size_);
  }
}

FaultFileContents FaultFileContents::DurableImage() const {
  FaultFileContents image;
  image.pages_.resize(PagesOf(durable_size_));
  for (uint64_t index = 0; index < image.pages_.size(); ++index) {
    image.pages_[index].durable = image.pages_[index].cached = pages_[index].durable;
  }
  image.size_ = image.durable_size_ = image.smallest_size_ = durable_size_;
  return image;
}

uint64_t FaultFileContents::SizeAfterPowerCut(FaultRandom& random) const {
  if (sizes_.empty() || random.Percent(40)) return size_;
  const bool truncated = smallest_size_ < durable_size_;
  if (!truncated && random.Percent(25)) return durable_size_;
  if (random.OneIn(2)) return sizes_[random.Below(sizes_.size())];
  const uint64_t pages = PagesOf(size_) - PagesOf(smallest_size_);
  if (size_ <= smallest_size_ || pages == 0) return size_;
  return std::min(size_, (PagesOf(smallest_size_) + random.Below(pages)) * kPageBytes);
}

FaultFileContents FaultFileContents::AfterPowerCut(FaultRandom& random) const {
  if (smallest_size_ < durable_size_ && random.OneIn(2)) return DurableImage();
  static constexpr uint64_t kSurvivalPercent[] = {0, 20, 50, 80, 100};
  const uint64_t survival = kSurvivalPercent[random.Below(5)];
  const uint64_t torn = random.OneIn(2) ? 15 : 0;

  FaultFileContents image;
  image.size_ = SizeAfterPowerCut(random);
  image.durable_size_ = image.smallest_size_ = image.size_;
  image.pages_.resize(PagesOf(image.size_));
  for (uint64_t index = 0; index < image.pages_.size(); ++index) {
    const Page& page = pages_[index];
    BlockPtr block = page.durable;
    if (page.dirty) {
      const BlockPtr old = CutToSize(page.durable, index, smallest_size_);
      block = random.Percent(survival) ? page.cached : old;
      if (random.Percent(torn)) block = MixOfSectors(old, page.cached, random);
    }
    block = CutToSize(block, index, image.size_);
    image.pages_[index] = {block, block, false};
  }
  return image;
}

template <typename Change>
void FaultFileContents::Damage(uint64_t offset, uint64_t length, Change change) {
  const uint64_t end = std::min(offset + length, size_);
  while (offset < end) {
    Page& page = pages_[offset / kPageBytes];
    const uint64_t within = offset % kPageBytes;
    const uint64_t part = std::min(end - offset, kPageBytes - within);
    const bool same = page.cached == page.durable;
    std::shared_ptr<Block> cached = CopyOf(page.cached);
    std::shared_ptr<Block> durable = same ? cached : CopyOf(page.durable);
    change(cached->data() + within, part);
    if (!same) change(durable->data() + within, part);
    page.cached = std::move(cached);
    page.durable = std::move(durable);
    offset += part;
  }
}

void FaultFileContents::FlipBits(uint64_t offset, uint64_t length) {
  Damage(offset, length, [](char* data, uint64_t size) {
    for (uint64_t i = 0; i < size; ++i) data[i] = static_cast<char>(data[i] ^ 0x10);
  });
}

void FaultFileContents::Zero(uint64_t offset, uint64_t length) {
  Damage(offset, length, [](char* data, uint64_t size) { memset(data, 0, size); });
}

void FaultFileContents::CutAt(uint64_t size) {
  if (size >= size_) return;
  for (uint64_t index = 0; index < pages_.size(); ++index) {
    pages_[index].cached = CutToSize(pages_[index].cached, index, size);
    pages_[index].durable = CutToSize(pages_[index].durable, index, size);
  }
  size_ = size;
  durable_size_ = std::min(durable_size_, size);
  smallest_size_ = std::min(smallest_size_, size);
  for (uint64_t& past : sizes_) past = std::min(past, size);
}

}  // namespace mooring::testing
