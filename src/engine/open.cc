#include "src/engine/open.h"

#include "src/engine/base_file_system.h"
#include "src/engine/rocksdb_engine.h"

namespace mooring::engine {

absl::StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options) {
  return RocksDbEngine::Open(options, NewBaseFileSystem(options));
}

}  // namespace mooring::engine
