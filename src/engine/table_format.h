#pragma once

#include <memory>

#include "rocksdb/cache.h"
#include "rocksdb/table.h"

namespace mooring::engine {

// How the files of tables are made and read: blocks, indexes and filters live in `cache`, all
// within its capacity.
//
// T1  While less than `most_kept_bytes` of the cache is in use, files keep their index and filter
//     there for as long as they are open: a read looks up its data block only.
// T2  Beyond, indexes and filters come and go as data blocks do, and new files have them in parts,
//     so that a read fetches the part that it needs.
std::shared_ptr<rocksdb::TableFactory> NewTableFormat(std::shared_ptr<rocksdb::Cache> cache,
                                                      size_t most_kept_bytes);

}  // namespace mooring::engine
