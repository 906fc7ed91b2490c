#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "rocksdb/cache.h"
#include "rocksdb/file_system.h"
#include "rocksdb/options.h"
#include "src/engine/engine.h"

namespace mooring::engine {

// How we run RocksDB, and why: each choice has its reason beside it in the source file. One cache
// serves the database and all its tables. `env` and `listener` outlive the database.
std::shared_ptr<rocksdb::Cache> MakeCache(const EngineOptions& options);
rocksdb::DBOptions MakeDbOptions(const EngineOptions& options, rocksdb::Env* env,
                                 std::shared_ptr<rocksdb::EventListener> listener,
                                 const std::shared_ptr<rocksdb::Cache>& cache);
rocksdb::ColumnFamilyOptions MakeTableOptions(const EngineOptions& options,
                                              const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace mooring::engine
