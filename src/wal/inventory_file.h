#pragma once

#include <rocksdb/file_system.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/wal/format.h"

namespace mooring::wal {

// The inventory of logs that must exist: two slots, written in turn, so that a torn write leaves
// the other. Not thread-safe.
//
// RocksDB takes any name that begins with "LOG" for its information log, and one that goes on with
// neither "" nor ".old" leaves its type unset; so the file has a name that RocksDB ignores.
class InventoryFile {
 public:
  static constexpr char kName[] = "MOORING-LOGS";

  // NOT_FOUND where there is none, DATA_LOSS where neither slot is whole, FAILED_PRECONDITION for
  // another store's or a newer format. No reach is known (W9) where only one slot is whole.
  static absl::StatusOr<Inventory> Load(rocksdb::FileSystem* fs, const std::string& directory,
                                        const StoreId& store_id);

  // DATA_LOSS where either slot is damaged, which Load() passes over; the message has its offset.
  static absl::Status CheckSlots(rocksdb::FileSystem* fs, const std::string& directory);

  // Makes a file with `inventory`, whole or not at all; its name is durable only after the
  // directory is synced.
  static absl::Status Create(rocksdb::FileSystem* fs, const std::string& directory,
                             const Inventory& inventory);

  // `sequence` is that of the inventory last loaded or created.
  static absl::StatusOr<std::unique_ptr<InventoryFile>> Open(rocksdb::FileSystem* fs,
                                                             const std::string& directory,
                                                             uint64_t sequence);

  // Writes the next slot; with `sync` it is durable when OK is returned. Sets its sequence.
  absl::Status Write(Inventory inventory, bool sync);

 private:
  InventoryFile(std::string path, std::unique_ptr<rocksdb::FSRandomRWFile> file, uint64_t sequence);

  const std::string path_;
  const std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  uint64_t sequence_;
};

}  // namespace mooring::wal
