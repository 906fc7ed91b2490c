#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace mooring::engine {

enum class OperationKind : uint8_t { kPut = 1, kDelete = 2, kDeleteRange = 3 };

// One operation of a batch. `key` is the begin of a range, `value` its end.
struct Operation {
  OperationKind kind;
  uint32_t table;
  std::string_view key;
  std::string_view value;
};

// A batch in memory is its operations one after the other, each
//
//   kind u8 | table u32 | key bytes u32 | value bytes u32 | key | value
//
// in the processor's byte order: it never leaves the process.
inline void AppendOperation(const Operation& operation, std::string* encoded) {
  char head[13];
  const auto key_bytes = static_cast<uint32_t>(operation.key.size());
  const auto value_bytes = static_cast<uint32_t>(operation.value.size());
  head[0] = static_cast<char>(operation.kind);
  std::memcpy(head + 1, &operation.table, 4);
  std::memcpy(head + 5, &key_bytes, 4);
  std::memcpy(head + 9, &value_bytes, 4);
  encoded->append(head, sizeof(head));
  encoded->append(operation.key);
  encoded->append(operation.value);
}

// Reads the operations of an encoded batch:
//
//   for (OperationReader reader(encoded); reader.Next(&operation);) ...
class OperationReader {
 public:
  explicit OperationReader(std::string_view encoded) : left_(encoded) {}

  bool Next(Operation* operation) {
    if (left_.empty()) return false;
    uint32_t key_bytes;
    uint32_t value_bytes;
    operation->kind = static_cast<OperationKind>(left_[0]);
    std::memcpy(&operation->table, left_.data() + 1, 4);
    std::memcpy(&key_bytes, left_.data() + 5, 4);
    std::memcpy(&value_bytes, left_.data() + 9, 4);
    operation->key = left_.substr(13, key_bytes);
    operation->value = left_.substr(13 + key_bytes, value_bytes);
    left_.remove_prefix(13 + key_bytes + value_bytes);
    return true;
  }

 private:
  std::string_view left_;
};

}  // namespace mooring::engine
