#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace mooring::testing {

// The seed of a random test: MOORING_SEED of the environment, to replay one, else a new one.
// Printed, so that a failure can be replayed.
inline uint64_t TestSeed() {
  const char* given = std::getenv("MOORING_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device()();
  std::cout << "replay with MOORING_SEED=" << seed << std::endl;
  return seed;
}

// How often a random test tries: MOORING_TRIALS of the environment, else `usual`.
inline int TestTrials(int usual) {
  const char* given = std::getenv("MOORING_TRIALS");
  return given != nullptr ? std::atoi(given) : usual;
}

}  // namespace mooring::testing
