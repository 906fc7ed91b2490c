#include "src/base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace mooring {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

uint32_t ExtendPortable(uint32_t crc, std::string_view data) {
  static constexpr std::array<uint32_t, 256> kTable = MakeTable();
  for (const char c : data) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return crc;
}

#if defined(__x86_64__)
// Of two polynomials modulo that of the CRC; bit 31 is the coefficient of x^0.
constexpr uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (int bit = 31; bit >= 0; --bit) {
    product ^= b & (0 - ((a >> bit) & 1));
    b = (b >> 1) ^ (kPolynomial & (0 - (b & 1)));
  }
  return product;
}

constexpr uint32_t PowerOfX(size_t exponent) {
  uint32_t power = uint32_t{1} << 31;
  for (uint32_t square = power >> 1; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) power = Multiply(power, square);
    square = Multiply(square, square);
  }
  return power;
}

// The instruction takes three cycles and can begin in each, so three lanes go side by side.
constexpr size_t kLane = 4096;
constexpr uint32_t kBehindALane = PowerOfX(8 * kLane);

inline uint64_t WordAt(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

__attribute__((target("sse4.2"))) uint32_t ExtendThreeLanes(uint32_t crc, const char* at) {
  uint64_t first = crc;
  uint64_t second = 0;
  uint64_t third = 0;
  for (const char* const end = at + kLane; at < end; at += 8) {
    first = _mm_crc32_u64(first, WordAt(at));
    second = _mm_crc32_u64(second, WordAt(at + kLane));
    third = _mm_crc32_u64(third, WordAt(at + 2 * kLane));
  }
  const uint32_t two =
      Multiply(static_cast<uint32_t>(first), kBehindALane) ^ static_cast<uint32_t>(second);
  return Multiply(two, kBehindALane) ^ static_cast<uint32_t>(third);
}

__attribute__((target("sse4.2"))) uint32_t ExtendSse42(uint32_t crc, std::string_view data) {
  const char* at = data.data();
  size_t left = data.size();
  for (; left >= 3 * kLane; at += 3 * kLane, left -= 3 * kLane) crc = ExtendThreeLanes(crc, at);
  uint64_t wide = crc;
  for (; left >= 8; at += 8, left -= 8) wide = _mm_crc32_u64(wide, WordAt(at));
  crc = static_cast<uint32_t>(wide);
  for (; left > 0; ++at, --left) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*at));
  return crc;
}
#endif

using Extend = uint32_t (*)(uint32_t, std::string_view);

Extend ChooseExtend() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ExtendSse42;
#endif
  return ExtendPortable;
}

}  // namespace

uint32_t ExtendCrc32c(uint32_t crc, std::string_view data) {
  static const Extend extend = ChooseExtend();
  return ~extend(~crc, data);
}

}  // namespace mooring
