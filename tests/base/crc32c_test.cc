#include "src/base/crc32c.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace mooring {
namespace {

// The test vectors of RFC 3720, appendix B.4.
TEST(Crc32cTest, AgreesWithTheStandard) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, ExtendsPieceByPiece) {
  const std::string text = "a log that proves what it synced";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(ExtendCrc32c(Crc32c(text.substr(0, cut)), text.substr(cut)), Crc32c(text));
  }
}

// Long ones are cut into lanes; what is short is not.
TEST(Crc32cTest, IsTheSameForLongAndShortPieces) {
  std::string text;
  for (uint32_t i = 1; text.size() < 100'000; i = i * 1664525 + 1013904223) {
    text.push_back(static_cast<char>(i >> 24));
  }
  for (const size_t size : {12'287, 12'288, 12'289, 24'576, 24'583, 100'000}) {
    uint32_t piecewise = 0;
    for (size_t at = 0; at < size; at += 1'000) {
      piecewise = ExtendCrc32c(piecewise, text.substr(at, std::min<size_t>(1'000, size - at)));
    }
    EXPECT_EQ(Crc32c(text.substr(0, size)), piecewise) << size;
  }
}

}  // namespace
}  // namespace mooring
