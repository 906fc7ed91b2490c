#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace mooring::testing {

// What befalls the requests to a directory archive, each in percent of them.
struct ObjectFaults {
  bool writes_only = false;  // Reads neither fail nor lose replies.
  int failed = 0;            // Refused before anything happens.
  int reply_lost = 0;        // Done, and answered UNAVAILABLE.
  int late = 0;              // A Create answered UNAVAILABLE, and done up to `late_us` later.
  int late_us = 0;
  int delay_us = 0;          // Each request waits for up to so long, half of it before it is done.
  bool away = false;         // Every request is refused.
  bool two_winners = false;  // Create replaces an entry of the journal and says OK.
};

// Makes "fault:///path" known as the url of an archive: the directory /path, with the faults that
// the file /path.faults asks for at the time of each request.
void RegisterFaultScheme(uint64_t seed);

// For the process of the test.
[[nodiscard]] absl::Status SetObjectFaults(const std::string& directory,
                                           const ObjectFaults& faults);

}  // namespace mooring::testing
