#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/store.h"
#include "src/cli/output.h"
#include "src/cli/volume_view.h"

namespace mooring::cli {

// A store that this process owns for as long as a command takes.
class OwnedStore {
 public:
  static absl::StatusOr<std::unique_ptr<OwnedStore>> Open(const OwnFlags& flags,
                                                          const Output& output);

  explicit OwnedStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  Store& store() { return *store_; }
  // What was written is synced and, where there is an archive, archived.
  [[nodiscard]] absl::Status Close();

 private:
  std::unique_ptr<Store> store_;
};

void AddDurability(CLI::App* command, Durability* durability);

}  // namespace mooring::cli
