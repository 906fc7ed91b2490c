#include "src/base/crc32c.h"

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

}  // namespace
}  // namespace mooring
