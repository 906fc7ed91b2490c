#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/engine/engine.h"

namespace mooring::engine {

struct LookOptions {
  std::string directory;
  std::string store_id;
  // Another process has it open: then what is seen is one moment of its life, with commits that it
  // may not have acknowledged yet, and no proof that the log is whole.
  bool live = false;
  int64_t cache_bytes = int64_t{64} << 20;
  std::function<void(int64_t done, int64_t total)> progress;  // Of reading the log; may be empty.
};

struct TableFigures {
  std::string name;
  int64_t files = 0;
  int64_t bytes = 0;  // Of the files.
  uint64_t keys = 0;  // An estimate.
};

struct LogFigures {
  std::string path;
  uint64_t log = 0;
  uint64_t file_bytes = 0;
  uint64_t bytes = 0;     // Of log that it holds.
  bool obsolete = false;  // All of it is in files.
};

// The state in an engine's directory, its logs replayed in memory, with nothing changed, nothing
// locked and nobody disturbed. Thread-safe but for its destructor.
class Look {
 public:
  // DATA_LOSS    as Open(): the log, or what names the files, lacks what was acknowledged.
  // UNAVAILABLE  a living owner changed it faster than it could be read; try again.
  static absl::StatusOr<std::unique_ptr<Look>> Open(const LookOptions& options);
  virtual ~Look() = default;

  virtual uint64_t LastSequence() const = 0;
  virtual std::vector<TableFigures> Tables() const = 0;  // Sorted by name.
  virtual const std::vector<LogFigures>& Logs() const = 0;

  // NOT_FOUND, with a message, where there is no such table; with an empty one where the table has
  // no such key.
  virtual absl::StatusOr<std::string> Get(std::string_view table, std::string_view key) const = 0;
  // The cursor must go before this. `options.snapshot` must be null.
  virtual absl::StatusOr<std::unique_ptr<Cursor>> Scan(std::string_view table,
                                                       CursorOptions options) const = 0;
};

// Reads every log of an engine that is not open, and proves that nothing synced is missing; as
// Open(). Errors as Look::Open().
absl::StatusOr<std::vector<LogFigures>> ProveLogs(const LookOptions& options);

// What the engine would pass over, for one of two copies is whole: DATA_LOSS for each that is not.
// Of an engine that is not open.
std::vector<absl::Status> CheckCopies(const std::string& directory);

}  // namespace mooring::engine
