#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mooring {

class Table;
namespace internal {
struct BatchAccess;
}  // namespace internal

// The longest key, and the most one batch may hold with keys, values and about 16 bytes for each
// operation. Larger ones are refused with INVALID_ARGUMENT by Store::Commit().
inline constexpr size_t kMaxKeyBytes = size_t{64} << 10;
inline constexpr size_t kMaxBatchBytes = size_t{256} << 20;

// Operations on any tables of one store that Store::Commit() applies as one: all of them or none,
// in the order they were added. Keys and values are copied. Nothing is checked before the commit.
//
// A batch may be committed again, cleared and reused; it keeps its memory. Not thread-safe.
class WriteBatch {
 public:
  void Put(const Table& table, std::string_view key, std::string_view value);
  void Delete(const Table& table, std::string_view key);
  // Deletes every key in [begin, end). begin == end deletes nothing; begin > end makes the commit
  // INVALID_ARGUMENT.
  void DeleteRange(const Table& table, std::string_view begin, std::string_view end);
  void Clear();

  bool empty() const { return count_ == 0; }
  // Operations added.
  size_t size() const { return count_; }
  // Bytes held, as counted against kMaxBatchBytes.
  size_t bytes() const { return encoded_.size(); }

 private:
  friend struct internal::BatchAccess;
  void Add(uint8_t kind, const Table& table, std::string_view key, std::string_view value);

  std::string encoded_;  // As src/engine/batch_operations.h says.
  size_t count_ = 0;
  uint64_t store_tag_ = 0;  // Of the store whose tables are used; 0 while there are none.
  bool mixed_stores_ = false;
};

}  // namespace mooring
