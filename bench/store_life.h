#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/child.h"
#include "bench/scratch.h"
#include "bench/workload.h"

// What store_bench does with one peer in one round.
namespace mooring::bench {

struct LifeSettings {
  double seconds = 1;  // For each workload, after a quarter of it unmeasured.
  int records = 200'000;
  int value_bytes = 1000;
};

struct Workload {
  std::string_view name;
  int threads;
  int records;  // Of one call.
};
// In the order of a life.
const std::vector<Workload>& Workloads();

struct Measured {
  CallRate rate;
  double processor_us = 0;  // Of one call, of all threads of the process.
};

struct Life {
  std::vector<Measured> workloads;  // As Workloads().
  double disk_ratio = 0;            // What the closed store takes of the volume, to its data.
  double most_mib = 0;              // Of memory, at once.
};

// In a process of its own, on a volume that is synced.
absl::StatusOr<Life> Live(const std::string& peer, const LifeSettings& settings,
                          const Scratch& scratch);

}  // namespace mooring::bench
