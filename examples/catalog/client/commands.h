#pragma once

#include <string>

#include "absl/time/time.h"

namespace catalog {

struct ClientOptions {
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string input;
  std::string acks;
  int threads = 16;
  size_t stop_after = 0;  // End the load when so many records are acknowledged; 0: all.
  absl::Duration timeout = absl::Seconds(60);
};

// The exit codes of the client.
enum ExitCode {
  kDone = 0,
  kLost = 1,         // Verify: an acknowledged record is missing or differs.
  kMisused = 2,      // The command line or a file is wrong.
  kServiceGone = 3,  // The service did not answer, or not with success.
};

// Puts every record of the input that is not acknowledged yet, and logs each acknowledgement.
// Returns when all are, or kServiceGone at the first request that fails: run it again to go on.
ExitCode Load(const ClientOptions& options);

// Compares every acknowledged record with the service's byte for byte and prints
// "acknowledged N  recovered N  lost N".
ExitCode Verify(const ClientOptions& options);

// Prints how many records the input holds.
ExitCode Count(const ClientOptions& options);

// Waits until the service is ready and prints how many milliseconds that took.
ExitCode WaitReady(const ClientOptions& options);

// Prints what GET `path` answers: code and body. kServiceGone where there is no answer.
ExitCode Probe(const ClientOptions& options, const std::string& path);

}  // namespace catalog
