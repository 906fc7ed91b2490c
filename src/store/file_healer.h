#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mooring/options.h"
#include "src/archive/remote.h"
#include "src/engine/file_keeper.h"

namespace mooring::internal {

// Repairs files of an engine, one at a time, with copies that are fetched from elsewhere. Not
// thread-safe.
class FileHealer {
 public:
  // Puts a copy with the file's size and checksum, proved and synced, at `to`. NOT_FOUND: there is
  // none.
  using Fetch = std::function<absl::Status(const engine::LiveFile& file, const std::string& to)>;
  using Log = std::function<void(LogSeverity, std::string_view)>;

  // What is fetched lies in `scratch`, which is made and removed as needed, on the engine's volume.
  // `keeper` outlives it.
  FileHealer(engine::FileKeeper* keeper, std::string scratch, Fetch fetch, Log log);

  // `damage` is what FileKeeper::Check() said of it.
  //
  // DATA_LOSS           it cannot be repaired; the message says what is damaged and what to do.
  // RESOURCE_EXHAUSTED  there is no room for a copy of it; the message has the numbers.
  // UNAVAILABLE         not now.
  [[nodiscard]] absl::Status Heal(const engine::LiveFile& file, const absl::Status& damage);

 private:
  [[nodiscard]] absl::Status CheckSpace(const engine::LiveFile& file) const;
  [[nodiscard]] absl::Status FetchAndRepair(const engine::LiveFile& file, const std::string& copy);

  engine::FileKeeper* const keeper_;
  const std::string scratch_;
  const Fetch fetch_;
  const Log log_;
};

// Proves every file of an engine that cannot be opened, and repairs what is missing or damaged from
// the files that checkpoints of the archive name. Reads the archive only, so nobody need own it.
// Answers how many were repaired. Errors are those of Heal().
absl::StatusOr<int> HealFromArchive(engine::FileKeeper& keeper, archive::Remote& remote,
                                    const std::string& scratch, const FileHealer::Log& log);

}  // namespace mooring::internal
