#pragma once

#include <memory>

#include "rocksdb/file_system.h"
#include "src/engine/engine.h"

namespace mooring::engine {

// What the log and RocksDB stand on: the operating system's file system, watched for stalls, behind
// the gate that keeps a full volume away from them.
std::shared_ptr<rocksdb::FileSystem> NewBaseFileSystem(const EngineOptions& options);

// Every engine opened from now on stands on `file_system` instead of the operating system's; null
// for that one again. For tests.
void SetOperatingSystemForTesting(std::shared_ptr<rocksdb::FileSystem> file_system);

}  // namespace mooring::engine
