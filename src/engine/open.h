#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "src/engine/engine.h"

namespace mooring::engine {

// Opens the engine in `options.directory`. DATA_LOSS: the log or the files lack what was
// acknowledged.
absl::StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options);

}  // namespace mooring::engine
