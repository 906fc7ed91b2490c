#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::engine {

struct EngineOptions;

// A file that the engine made and never changes again, as its MANIFEST knows it.
struct LiveFile {
  std::string path;  // In the engine's directory: "000012.sst".
  uint64_t size = 0;
  uint32_t crc32c = 0;
};

// Proves the files that hold an engine's tables, and replaces what rotted. Thread-safe.
class FileKeeper {
 public:
  virtual ~FileKeeper() = default;

  virtual absl::StatusOr<std::vector<LiveFile>> List() = 0;

  // Told of bytes that are about to be read; it may wait. False ends the reading.
  using Pace = std::function<bool(int64_t bytes)>;

  // Reads the file past the page cache, where the file system allows that.
  //
  // DATA_LOSS  it is missing, short or damaged; the message says where, as far as that can be told.
  // CANCELLED  `pace` ended it.
  [[nodiscard]] virtual absl::Status Check(const LiveFile& file, const Pace& pace) = 0;

  // Makes the file hold what `good` holds, another file on the same volume that was proved to have
  // its size and checksum. Only what differs is written, and in place: whoever reads the file, or
  // has another name of it, reads on. A file that is missing gets a copy whole or not at all.
  // Durable when OK; the answer is the first byte that differed. Killed, it is done again.
  virtual absl::StatusOr<uint64_t> Repair(const LiveFile& file, const std::string& good) = 0;

  // What the kernel holds of it in memory is read again.
  virtual void Forget(const LiveFile& file) = 0;
};

// That of an engine that is not open. Changes nothing but by Repair().
//
// DATA_LOSS  what names the files is damaged itself.
absl::StatusOr<std::unique_ptr<FileKeeper>> OpenFileKeeper(const EngineOptions& options);

}  // namespace mooring::engine
