#pragma once

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "src/engine/engine.h"
#include "src/store/store_core.h"

namespace mooring::internal {

// What a Table is a handle of.
class TableState {
 public:
  TableState(std::shared_ptr<StoreCore> core, engine::TablePtr table)
      : core_(std::move(core)), table_(std::move(table)) {}

  StoreCore& core() const { return *core_; }
  const std::shared_ptr<StoreCore>& shared_core() const { return core_; }
  const engine::EngineTable& table() const { return *table_; }

  // Whether reads may begin: `token` stands inside the gate and the table is there.
  absl::Status CheckReadable(const ReaderToken& token) const;
  absl::Status DroppedError() const;

 private:
  const std::shared_ptr<StoreCore> core_;
  const engine::TablePtr table_;
};

}  // namespace mooring::internal
