#include "src/base/random_id.h"

#include <sys/random.h>

#include <random>

#include "absl/strings/str_format.h"

namespace mooring {

uint64_t RandomUint64() {
  uint64_t bits = 0;
  if (::getrandom(&bits, sizeof(bits), 0) == sizeof(bits)) return bits;
  // A kernel or a sandbox without that call. It is not the first choice: its constructor asks the
  // processor what it can do, which traps in a virtual machine.
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

std::string RandomId() { return absl::StrFormat("%016x%016x", RandomUint64(), RandomUint64()); }

}  // namespace mooring
