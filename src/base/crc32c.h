#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mooring {

// CRC-32C (Castagnoli, reflected, as in iSCSI) of `data`. `crc` is the value of what stands before
// it, so that ExtendCrc32c(Crc32c(a), b) == Crc32c(a + b). Uses the processor's instruction where
// it has one.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view data);
inline uint32_t Crc32c(std::string_view data) { return ExtendCrc32c(0, data); }

}  // namespace mooring
