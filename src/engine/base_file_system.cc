#include "src/engine/base_file_system.h"

#include <utility>

#include "absl/base/const_init.h"
#include "absl/synchronization/mutex.h"
#include "src/engine/space_gate_file_system.h"
#include "src/engine/watched_file_system.h"

namespace mooring::engine {
namespace {

ABSL_CONST_INIT absl::Mutex replacement_mutex(absl::kConstInit);

std::shared_ptr<rocksdb::FileSystem>& Replacement() {
  static auto* const replacement = new std::shared_ptr<rocksdb::FileSystem>();
  return *replacement;
}

std::shared_ptr<rocksdb::FileSystem> OperatingSystem() {
  absl::MutexLock lock(&replacement_mutex);
  return Replacement() != nullptr ? Replacement() : rocksdb::FileSystem::Default();
}

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewBaseFileSystem(const EngineOptions& options) {
  std::shared_ptr<rocksdb::FileSystem> files = OperatingSystem();
  // The gate stands above the watch: waiting for room is no stall.
  if (options.watch != nullptr) files = std::make_shared<WatchedFileSystem>(files, options.watch);
  if (options.space_gate != nullptr) {
    files = std::make_shared<SpaceGateFileSystem>(files, options.space_gate);
  }
  return files;
}

void SetOperatingSystemForTesting(std::shared_ptr<rocksdb::FileSystem> file_system) {
  absl::MutexLock lock(&replacement_mutex);
  Replacement() = std::move(file_system);
}

}  // namespace mooring::engine
