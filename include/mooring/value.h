#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace mooring {

// A value that was read, without a copy where the engine can lend its own memory: it stays valid
// for as long as this object lives and is not read into again, whatever is written meanwhile.
// Reusing one object for many reads is fastest. Holding one keeps the store's memory of it alive,
// so let it go before Close(). Not thread-safe.
class Value {
 public:
  Value() = default;
  ~Value() { Reset(); }
  Value(Value&& other) noexcept;
  Value& operator=(Value&& other) noexcept;

  std::string_view view() const { return data_; }
  operator std::string_view() const { return data_; }  // NOLINT: a Value is read as its bytes.
  std::string ToString() const { return std::string(data_); }
  void Reset();

  // For the engine: raw memory for its own pinned form, and how to move (`to` not null) or destroy
  // it.
  static constexpr size_t kStorageBytes = 160;
  using Manage = std::string_view (*)(void* storage, void* to);
  void* storage() { return storage_; }
  Manage manage() const { return manage_; }
  void Adopt(Manage manage, std::string_view data) {
    manage_ = manage;
    data_ = data;
  }

 private:
  std::string_view data_;
  Manage manage_ = nullptr;  // Null while `storage_` holds nothing.
  alignas(std::max_align_t) std::byte storage_[kStorageBytes];
};

}  // namespace mooring
