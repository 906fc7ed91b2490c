#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace catalog {

struct ClientOptions {
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string input;
  std::string acks;
  int threads = 16;
  size_t stop_after = 0;       // End the load when so many records are acknowledged; 0: all.
  size_t archive_every = 0;    // Ask for archive durability for each so manyth record; 0: never.
  bool keep_going = false;     // Go on with a load after a refusal.
  int64_t volume_lost_ms = 0;  // When the volume was lost, since 1970; 0: it was not.
  int64_t lag_ms = 0;          // How far the archive may then have been behind.
  uint64_t after = 0;          // Only what has a later sequence; 0: all.
  uint64_t rewound_to = 0;     // The sequence that the service was taken back to; 0: it was not.
  int64_t rewound_ms = 0;      // The time that it was taken back to, since 1970.
  absl::Duration timeout = absl::Seconds(60);
};

// The exit codes of the client.
enum ExitCode {
  kDone = 0,
  kLost = 1,         // What Verify() and Absent() look for does not hold.
  kMisused = 2,      // The command line or a file is wrong.
  kServiceGone = 3,  // The service did not answer, or not with success.
};

// Puts every record of the input that is not acknowledged yet, and logs each acknowledgement.
// Returns when all are, or kServiceGone at the first request that fails: run it again to go on.
// With `keep_going` it asks for all of them and prints "acknowledged N  refused N".
ExitCode Load(const ClientOptions& options);

// Compares every acknowledged record with the service's byte for byte and prints
// "acknowledged N  recovered N  lost N".
//
// Where the volume was lost it tells what was acknowledged at the archive, or before something that
// was, from what was acknowledged on the volume only. Of the latter those of the last `lag_ms` may
// be missing: they are counted, and taken off the log. Then it prints
// "at the archive: acknowledged N  recovered N  lost N" and
// "on the volume only: acknowledged N  recovered N  lost N, of the last N ms".
//
// Where the service was taken back in time, nothing may be there of what it acknowledged later.
// That is taken off the log, and it prints "acknowledged N  recovered N  lost N; of N later ones
// found N".
ExitCode Verify(const ClientOptions& options);

// Sees that no record of the input is there, and that none was acknowledged at archive durability:
// else kLost. Prints "acknowledged at the archive N, on the volume only N; found N of N".
ExitCode Absent(const ClientOptions& options);

// Prints how many records the input holds.
ExitCode Count(const ClientOptions& options);

// Waits until the service is ready and prints how many milliseconds that took.
ExitCode WaitReady(const ClientOptions& options);

// Prints what GET or DELETE `path` answers: code and body. kServiceGone where there is no answer.
ExitCode Probe(const ClientOptions& options, const std::string& path);
ExitCode Delete(const ClientOptions& options, const std::string& path);

}  // namespace catalog
