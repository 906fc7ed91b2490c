#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"

namespace mooring::bench {

// Numbers that were measured, in an order that the measurer knows.
using Numbers = std::vector<double>;

// Runs `work` in a child process and returns its numbers. A peer's threads never meet fork() this
// way, its memory is its own, and a child that kills itself with SIGKILL after it reported is what
// a crash is. `most_bytes`, where it is not null, gets the most memory that the child had at once.
absl::StatusOr<Numbers> InChild(const std::function<absl::StatusOr<Numbers>()>& work, bool crash,
                                double* most_bytes = nullptr);

// Seconds of processors that this process took, for itself and in the kernel.
double ProcessorSeconds();

// Waits until this process does next to nothing, for at most 30 s: what a store does by itself,
// compacting above all, is over.
void AwaitIdle();

}  // namespace mooring::bench
