#include "examples/catalog/percent.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace catalog {
namespace {

using ::testing::Eq;
using ::testing::Optional;

TEST(PercentTest, EveryByteComesBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_THAT(PercentDecode(PercentEncode(bytes)), Optional(bytes));
}

TEST(PercentTest, OnlyUnreservedBytesStandForThemselves) {
  EXPECT_THAT(PercentEncode("bash_5.2-2+b1~x/y z%"), Eq("bash_5.2-2%2Bb1~x%2Fy%20z%25"));
}

TEST(PercentTest, DigitsOfBothCasesAreRead) {
  EXPECT_THAT(PercentDecode("%2f%2F"), Optional(Eq("//")));
}

TEST(PercentTest, WhatIsCutOrNotHexadecimalIsRefused) {
  for (const char* text : {"%", "%2", "a%", "%zz", "%2g", "100%25%"}) {
    EXPECT_THAT(PercentDecode(text), Eq(std::nullopt)) << text;
  }
}

}  // namespace
}  // namespace catalog
