#include "mooring/write_batch.h"

#include "mooring/table.h"
#include "src/engine/batch_operations.h"
#include "src/store/table_state.h"

namespace mooring {

void WriteBatch::Add(uint8_t kind, const Table& table, std::string_view key,
                     std::string_view value) {
  const internal::TableState* const state = table.state();
  const uint64_t tag = state == nullptr ? 0 : state->core().tag();
  if (count_ == 0) store_tag_ = tag;
  mixed_stores_ |= tag != store_tag_;
  const uint32_t id = state == nullptr ? 0 : state->table().id();
  engine::AppendOperation({static_cast<engine::OperationKind>(kind), id, key, value}, &encoded_);
  ++count_;
}

void WriteBatch::Put(const Table& table, std::string_view key, std::string_view value) {
  Add(static_cast<uint8_t>(engine::OperationKind::kPut), table, key, value);
}

void WriteBatch::Delete(const Table& table, std::string_view key) {
  Add(static_cast<uint8_t>(engine::OperationKind::kDelete), table, key, {});
}

void WriteBatch::DeleteRange(const Table& table, std::string_view begin, std::string_view end) {
  // An empty range would be counted and yet take no sequence, so that versions would repeat.
  if (begin == end) return;
  Add(static_cast<uint8_t>(engine::OperationKind::kDeleteRange), table, begin, end);
}

void WriteBatch::Clear() {
  encoded_.clear();
  count_ = 0;
  store_tag_ = 0;
  mixed_stores_ = false;
}

}  // namespace mooring
