#include "src/volume/identity.h"

#include <string>

#include "absl/strings/str_format.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::StatusIs;

constexpr char kId[] = "00112233445566778899aabbccddeeff";
constexpr char kOtherId[] = "ffffffffffffffffffffffffffffffff";

std::string Sample() { return EncodeIdentity({kId, true}); }

// `data` with a right checksum line in place of its own.
std::string Resealed(const std::string& data) {
  const std::string body = data.substr(0, data.rfind("crc32c "));
  return body + absl::StrFormat("crc32c %08x\n", Crc32c(body));
}

std::string Replaced(std::string data, const std::string& from, const std::string& to) {
  return Resealed(data.replace(data.find(from), from.size(), to));
}

TEST(IdentityTest, WhatIsWrittenIsRead) {
  testing::TempDirectory directory;
  const std::string path = directory.File("MOORING");
  EXPECT_THAT(ReadIdentity(path), StatusIs(absl::StatusCode::kNotFound));
  for (const bool complete : {false, true}) {
    ASSERT_OK(WriteIdentity(path, {kId, complete}));
    ASSERT_OK_AND_ASSIGN(const Identity identity, ReadIdentity(path));
    EXPECT_EQ(identity.store_id, kId);
    EXPECT_EQ(identity.complete, complete);
  }
}

// The worked example of FORMAT.md.
TEST(IdentityTest, TheBytesAreThoseOfTheFormatPage) {
  EXPECT_EQ(EncodeIdentity({kId, false}),
            "mooring store: do not change, move or remove this file\n"
            "format 1\n"
            "store 00112233445566778899aabbccddeeff\n"
            "data new\n"
            "crc32c 63f3c6b9\n");
}

// FAULTS row 10.
TEST(IdentityTest, EveryFlippedBitIsDataLossThatNamesFileAndOffset) {
  const std::string whole = Sample();
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_THAT(
        DecodeIdentity("/v/MOORING", damaged),
        StatusIs(absl::StatusCode::kDataLoss, StartsWith("/v/MOORING is damaged at offset ")))
        << "bit " << bit;
  }
}

TEST(IdentityTest, EveryTruncationAndAnExtensionIsDataLoss) {
  const std::string whole = Sample();
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_THAT(DecodeIdentity("/v/MOORING", whole.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("/v/MOORING")))
        << size;
  }
  EXPECT_THAT(DecodeIdentity("/v/MOORING", whole + "x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodeIdentity("/v/MOORING", whole + std::string(8192, ' ')),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("4096")));
  EXPECT_THAT(DecodeIdentity("/v/MOORING", std::string(whole.size(), '\0')),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("offset 0:")));
}

// V3.
TEST(IdentityTest, ANewerFormatIsRefusedByNameAndNumberWhateverItHolds) {
  const std::string newer = Replaced(Sample(), "format 1\n", "format 7\nkey of a later time\n");
  EXPECT_THAT(DecodeIdentity("/v/MOORING", newer),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("/v/MOORING"), HasSubstr("volume format 7"),
                             HasSubstr("reads up to format 1"))));
}

// V3.
TEST(IdentityTest, LinesAddedByALaterVersionOfThisFormatAreIgnored) {
  ASSERT_OK_AND_ASSIGN(
      const Identity identity,
      DecodeIdentity("/v/MOORING", Replaced(Sample(), "data complete\n",
                                            "data complete\nwritten-by mooring 9\n")));
  EXPECT_EQ(identity.store_id, kId);
}

TEST(IdentityTest, ARightChecksumDoesNotExcuseWrongLines) {
  const std::string whole = Sample();
  const std::string lines[] = {Replaced(whole, "format 1\n", "format x\n"),
                               Replaced(whole, "format 1\n", "format 0\n"),
                               Replaced(whole, "format 1\n", ""),
                               Replaced(whole, kId, "0011"),
                               Replaced(whole, "aabb", "AABB"),
                               Replaced(whole, "data complete\n", ""),
                               Replaced(whole, "data complete\n", "data perhaps\n")};
  for (const std::string& data : lines) {
    EXPECT_THAT(DecodeIdentity("/v/MOORING", data), StatusIs(absl::StatusCode::kDataLoss)) << data;
  }
}

TEST(IdentityTest, AnotherStoreIsRefusedWithBothIds) {
  EXPECT_OK(CheckStoreId("/v/MOORING", {kId, true}, ""));
  EXPECT_OK(CheckStoreId("/v/MOORING", {kId, true}, kId));
  EXPECT_THAT(
      CheckStoreId("/v/MOORING", {kId, true}, kOtherId),
      StatusIs(absl::StatusCode::kFailedPrecondition, AllOf(HasSubstr(kId), HasSubstr(kOtherId))));
}

TEST(IdentityTest, AStoreIdIs32HexadecimalDigits) {
  EXPECT_EQ(*ParseStoreId("00112233445566778899AABBCCDDEEFF"), kId);
  for (const char* bad :
       {"", "0011", "00112233445566778899aabbccddeefg", "00112233445566778899aabbccddeeff0"}) {
    EXPECT_THAT(ParseStoreId(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

}  // namespace
}  // namespace mooring::volume
