#pragma once

#include "absl/status/status.h"
#include "mooring/version.h"

namespace mooring::archive {

// `status` for a commit that is on the volume but not known to be archived, with its version for
// UnarchivedVersion(). An OK stays as it is.
absl::Status WithVersion(absl::Status status, Version version);

}  // namespace mooring::archive
