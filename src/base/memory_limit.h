#pragma once

#include <cstdint>
#include <string>

namespace mooring {

// What the control groups of this process let it have of memory, in bytes: the least of its own and
// their parents', of version 2 (memory.max), else of version 1. 0 where there is no limit. `root`
// is for tests.
int64_t ContainerMemoryLimit(const std::string& root = "");

}  // namespace mooring
