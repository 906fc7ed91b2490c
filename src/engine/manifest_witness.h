#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"

namespace mooring::engine {

// Bears witness of how much of RocksDB's MANIFEST was synced (FORMAT.md): RocksDB takes one that
// was cut, or zeroed at its end, for a shorter one, and then deletes the data that it does not
// know of.
class ManifestWitness {
 public:
  static constexpr char kName[] = "MOORING-MANIFEST";
  static constexpr uint64_t kSlotBytes = 4096;

  struct Entry {
    uint64_t manifest = 0;
    uint64_t length = 0;
    uint32_t crc = 0;  // of so many bytes
  };

  // Proves the MANIFEST that CURRENT names, where there is one. Changes nothing.
  //
  // DATA_LOSS    synced bytes of it are gone or damaged, or there is none; the message names the
  //              file.
  // UNAVAILABLE  a file could not be read.
  static absl::StatusOr<std::unique_ptr<ManifestWitness>> Load(rocksdb::FileSystem* files,
                                                               const std::string& directory);

  // DATA_LOSS where either copy is damaged, which Load() passes over; the message has its offset.
  static absl::Status CheckSlots(rocksdb::FileSystem* files, const std::string& directory);

  // Durable when OK is returned. Thread-safe.
  absl::Status Record(const Entry& entry) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  ManifestWitness(rocksdb::FileSystem* files, const std::string& directory)
      : files_(files), directory_(directory) {}

  absl::Status LoadSlots() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Prove(const std::string& manifest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  rocksdb::FileSystem* const files_;
  const std::string directory_;
  absl::Mutex mutex_;
  bool found_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<rocksdb::FSRandomRWFile> file_ ABSL_GUARDED_BY(mutex_);
};

// `base`, on which each sync of a MANIFEST of `directory` is recorded before it answers OK.
absl::StatusOr<std::shared_ptr<rocksdb::FileSystem>> NewManifestFileSystem(
    std::shared_ptr<rocksdb::FileSystem> base, const std::string& directory);

}  // namespace mooring::engine
