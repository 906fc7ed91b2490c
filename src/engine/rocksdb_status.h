#pragma once

#include "absl/status/status.h"
#include "rocksdb/status.h"

namespace mooring::engine {

// RocksDB's answer in our codes: NotFound is NOT_FOUND, Corruption DATA_LOSS, NoSpace
// RESOURCE_EXHAUSTED, an input or output error UNAVAILABLE, InvalidArgument INVALID_ARGUMENT, all
// else INTERNAL. The message keeps its words and begins with `what`.
absl::Status FromRocksDb(const rocksdb::Status& status, std::string_view what);

}  // namespace mooring::engine
