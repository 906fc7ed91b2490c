#include "src/base/random_id.h"

#include <random>

#include "absl/strings/str_format.h"

namespace mooring {

uint64_t RandomUint64() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

std::string RandomId() { return absl::StrFormat("%016x%016x", RandomUint64(), RandomUint64()); }

}  // namespace mooring
