#pragma once

#include <stddef.h>
#include <stdint.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"

// What every fuzz target defines; libFuzzer calls it, and so does replay.cc.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace mooring::testing {

// Ends the process, as a finding.
inline void Require(bool holds, const char* what, const absl::Status& status = absl::OkStatus()) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s: %s\n", what, status.ToString().c_str());
  std::abort();
}

// A reader answers OK, or with one of the codes that its header promises.
inline void RequireClear(const absl::Status& status) {
  const bool promised = status.ok() || absl::IsDataLoss(status) ||
                        absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status);
  Require(promised, "an answer that no header promises", status);
  Require(status.ok() || !status.message().empty(), "an error without a word", status);
}

inline void PutLittleEndian(uint32_t value, std::string* bytes, size_t at) {
  for (size_t i = 0; i < 4; ++i) (*bytes)[at + i] = static_cast<char>(value >> (8 * i));
}

}  // namespace mooring::testing
