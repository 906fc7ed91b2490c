#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "mooring/rewind.h"
#include "mooring/store.h"
#include "src/cli/output.h"
#include "src/cli/volume_view.h"

namespace mooring::cli {

// The moment that a command goes to; empty: the newest.
struct TargetFlags {
  std::string version;
  std::string time;

  bool given() const { return !version.empty() || !time.empty(); }
};
void AddTarget(CLI::App* command, TargetFlags* flags);
absl::StatusOr<RewindTarget> TargetOf(const TargetFlags& flags);

// The store, taken back and open. What restores it is in the archive.
absl::StatusOr<std::unique_ptr<Store>> RewindStore(const OwnFlags& own, const TargetFlags& target,
                                                   const Output& output);

}  // namespace mooring::cli
