#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "rocksdb/file_system.h"

namespace mooring::engine {

// RocksDB writes its options to a file at each opening and for each new table, reads them back and
// syncs twice, a quarter of the time that opening takes. Nobody reads them: they are chosen anew in
// rocksdb_options.cc. This file system refuses the file in `directory`, and RocksDB goes on
// without, but for a warning.
std::shared_ptr<rocksdb::FileSystem> WithoutOptionsFile(std::shared_ptr<rocksdb::FileSystem> base,
                                                        std::string directory);

// That warning.
bool WarnsOfOptionsFile(std::string_view message);

}  // namespace mooring::engine
