#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::engine {

// A stretch of one log: whole groups of commits, all on the disk.
struct LogPiece {
  uint64_t log = 0;  // A later log has a larger number.
  uint64_t generation = 0;
  uint64_t begin = 0;  // In the log's logical bytes; where the piece before it ended.
  uint64_t end = 0;
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
  int64_t first_time_us = 0;  // Commit times, microseconds since 1970.
  int64_t last_time_us = 0;
  std::string bytes;  // end - begin of them.
};

// A file of a captured state.
struct CapturedFile {
  std::string path;   // In the engine's directory: "000012.sst".
  std::string local;  // Where its bytes are: a hard link that nobody changes or removes.
  uint64_t size = 0;
  uint32_t crc32c = 0;  // As the engine knows it since the file was made.
};

// A state that files alone hold, without any log.
struct CapturedState {
  std::vector<CapturedFile> files;
  std::string current;         // What the file CURRENT holds.
  std::string manifest_path;   // The file that it names, "MANIFEST-000005",
  std::string manifest;        // and what that holds.
  uint64_t max_sequence = 0;   // The files hold everything up to here, and nothing beyond.
  int64_t max_time_us = 0;     // The commit time of max_sequence; 0 where it is not known.
  uint64_t min_log = 0;        // What follows max_sequence begins with this log or a later one.
  uint64_t table_changes = 0;  // How many of them the state has; see ReadLog().
};

// What an archive needs of an engine: what is durable, in order, and whole states.
//
//   E1  ReadLog() gives only what is on the disk: what survives power loss of the node.
//   E2  Tables that are made and dropped are in no log. So what was committed after such a change
//       is given only to a reader whose last checkpoint has it: otherwise a restore would leave out
//       the new table's commits without a word.
//   E3  The first piece of a log that is given after a capture begins at its first byte.
//   E4  A captured state has the tables of the moment after its last commit: whoever goes on from
//       it to a later commit has no table more or less than there was.
//
// Thread-safe, but that ReadLog() and Release() are one reader's.
class LogSource {
 public:
  virtual ~LogSource() = default;

  // Everything up to here is on the disk.
  virtual uint64_t DurableSequence() const = 0;
  // Bytes of log on the disk that come after what Release() was told.
  virtual int64_t UnreleasedBytes() const = 0;
  // How many tables were made and dropped since the engine was opened.
  virtual uint64_t TableChanges() const = 0;

  // What follows the sequence `after` and is on the disk, about `max_bytes` of it; nothing where
  // there is nothing yet. `after` is 0, the max_sequence of a capture or the end of a piece.
  // `table_changes` is that of the last capture that was archived.
  //
  // OUT_OF_RANGE  a capture is needed first: these logs are no longer kept, or a table was made or
  //               dropped (E2).
  // DATA_LOSS     a log is damaged; the message says where.
  virtual absl::StatusOr<std::vector<LogPiece>> ReadLog(uint64_t after, uint64_t table_changes,
                                                        size_t max_bytes) = 0;

  // Logs up to this sequence need no longer be kept for ReadLog().
  virtual void Release(uint64_t sequence) = 0;

  // Runs `work` while no commit is under way.
  using Exclusively = std::function<absl::Status(const std::function<absl::Status()>& work)>;

  // The state as of a moment during the call, as hard links in `directory`, which is emptied first
  // and is the caller's afterwards. Writes go on but for a moment; memory is flushed to files.
  //
  // No table is made or dropped while `exclusively` runs.
  //
  // UNAVAILABLE  not now; try again.
  virtual absl::StatusOr<CapturedState> Capture(const std::string& directory,
                                                const Exclusively& exclusively) = 0;
};

}  // namespace mooring::engine
