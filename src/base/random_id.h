#pragma once

#include <cstdint>
#include <string>

namespace mooring {

// From the kernel's generator; never waits after boot.
uint64_t RandomUint64();

// 128 random bits as 32 lower-case hexadecimal digits.
std::string RandomId();

}  // namespace mooring
