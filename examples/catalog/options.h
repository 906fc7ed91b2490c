#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/options.h"
#include "mooring/version.h"

namespace catalog {

struct ServiceOptions {
  bool help = false;
  std::string volume;
  std::string host = "127.0.0.1";
  int port = 8080;         // 0: any that is free.
  std::string ready_file;  // Written with the port once the store serves. Empty: none.
  absl::Duration acquire_timeout = absl::Seconds(60);
  absl::Duration close_timeout = absl::Seconds(10);
  bool allow_unsafe_volume = false;
  std::string archive;  // Url. Empty: none.
  absl::Duration ship_interval = absl::Seconds(1);
  absl::Duration takeover_wait = absl::Seconds(3);

  // Instead of serving; see maintenance.h.
  std::optional<absl::Time> rewind_to;
  std::optional<mooring::Version> copy_of;
};

extern const char kUsage[];

// INVALID_ARGUMENT says what is wrong with the command line.
absl::StatusOr<ServiceOptions> ParseCommandLine(int argc, char** argv);

// What of it is the store's.
mooring::Options StoreOptions(const ServiceOptions& options);

}  // namespace catalog
