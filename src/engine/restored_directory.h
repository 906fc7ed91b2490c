#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/engine/log_source.h"

namespace mooring::engine {

// Makes an engine's directory out of what came from elsewhere: files, which the caller puts there
// under their own names, and logs. Until Finish() it is no engine's. Not thread-safe.
class RestoredDirectory {
 public:
  // `directory` exists; what an earlier attempt left there but for files is removed.
  static absl::StatusOr<std::unique_ptr<RestoredDirectory>> Begin(const std::string& directory,
                                                                  const std::string& store_id);
  virtual ~RestoredDirectory() = default;

  // Appends to a log, which begins where its number first comes. Numbers never fall.
  [[nodiscard]] virtual absl::Status AppendToLog(uint64_t log, std::string_view bytes) = 0;

  // Writes the MANIFEST and, last, CURRENT; all files, logs and names are durable when it answers
  // OK.
  [[nodiscard]] virtual absl::Status Finish(std::string_view manifest_path,
                                            std::string_view manifest,
                                            std::string_view current) = 0;
};

// What the logs of a damaged or closed directory hold, those kept for an archive among them, each
// from its first byte to its first damage, ascending: whole groups only. Logs that cannot be read
// at all are left out. Changes nothing.
absl::StatusOr<std::vector<LogPiece>> ReadIntactLogs(const std::string& directory,
                                                     const std::string& store_id);

}  // namespace mooring::engine
