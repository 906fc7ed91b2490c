#pragma once

#include "absl/status/status.h"

namespace mooring::bench {

// One benchmark, from its arguments to its report; main.cc calls it. CANCELLED where only the usage
// was asked for.
[[nodiscard]] absl::Status Run(int argc, char** argv);

}  // namespace mooring::bench
