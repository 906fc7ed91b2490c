#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "rocksdb/file_system.h"
#include "rocksdb/options.h"
#include "src/engine/engine.h"

namespace mooring::engine {

// How we run RocksDB, and why: DESIGN rules that the packaged release forces. `env` and `listener`
// outlive the database.
rocksdb::DBOptions MakeDbOptions(const EngineOptions& options, rocksdb::Env* env,
                                 std::shared_ptr<rocksdb::EventListener> listener);
rocksdb::ColumnFamilyOptions MakeTableOptions(const EngineOptions& options);

}  // namespace mooring::engine
