#include "src/volume/epoch.h"

#include <fcntl.h>

#include <cstdint>
#include <random>
#include <string>

#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kId[] = "00112233445566778899aabbccddeeff";
constexpr char kOtherId[] = "ffffffffffffffffffffffffffffffff";
constexpr size_t kSlotBytes = 4096;

class EpochTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(CreateEpoch(path_, kId)); }

  uint64_t Raise() {
    const absl::StatusOr<uint64_t> epoch = RaiseEpoch(path_, kId);
    EXPECT_OK(epoch);
    return epoch.value_or(0);
  }

  std::string Bytes() { return *ReadFile(path_); }
  void Put(const std::string& bytes) { ASSERT_OK(WriteFileDurably(path_, bytes)); }
  // A slot as a torn write may leave it.
  void Tear(int slot) {
    ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path_, O_RDWR));
    ASSERT_OK(file.WriteAt(slot * kSlotBytes + 16, "torn"));
  }

  testing::TempDirectory directory_;
  const std::string path_ = directory_.File("EPOCH");
};

TEST_F(EpochTest, EachOpenRaisesItByOne) {
  EXPECT_EQ(*ReadEpoch(path_), 0u);
  for (uint64_t epoch = 1; epoch <= 10; ++epoch) {
    EXPECT_EQ(Raise(), epoch);
    EXPECT_EQ(*ReadEpoch(path_), epoch);
  }
}

TEST_F(EpochTest, AStateFromAnotherVolumeRaisesItAboveThatOne) {
  EXPECT_EQ(Raise(), 1u);
  EXPECT_EQ(*RaiseEpochAbove(path_, kId, 0), 1u);
  EXPECT_EQ(*RaiseEpochAbove(path_, kId, 40), 42u);
  // V5 holds again: with either slot damaged no number is given twice.
  Tear(0);
  EXPECT_GT(Raise(), 42u);
}

// V5. The raise that was torn never returned, but for all one can see it might have.
TEST_F(EpochTest, AfterATornRaiseTheNumberInDoubtIsSkipped) {
  EXPECT_EQ(Raise(), 1u);
  EXPECT_EQ(Raise(), 2u);
  const std::string before = Bytes();
  EXPECT_EQ(Raise(), 3u);
  const int written = Bytes().substr(0, kSlotBytes) != before.substr(0, kSlotBytes) ? 0 : 1;
  Tear(written);
  EXPECT_EQ(Raise(), 4u);
  EXPECT_EQ(Raise(), 5u);
}

// V5. Whatever slots are damaged between opens, one at a time, no number comes twice. The raise
// itself is also cut short between its two writes.
TEST_F(EpochTest, NumbersNeverRepeatUnderDamageOfOneSlotAtATime) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  uint64_t last = 0;
  for (int round = 0; round < 60; ++round) {
    const std::string before = Bytes();
    if (random() % 2 == 0) Tear(random() % 2);
    if (random() % 4 == 0) {
      // A crash leaves one slot of a raise written, and the other as it was.
      const std::string torn = Bytes();
      const absl::StatusOr<uint64_t> lost = RaiseEpoch(path_, kId);
      ASSERT_OK(lost);
      const std::string after = Bytes();
      const bool both = torn.substr(0, kSlotBytes) != after.substr(0, kSlotBytes) &&
                        torn.substr(kSlotBytes) != after.substr(kSlotBytes);
      if (both) {
        // The first write went to the slot whose epoch is the lower one afterwards.
        const bool first_is_0 = after.substr(16, 8) < after.substr(kSlotBytes + 16, 8);
        Put(first_is_0 ? after.substr(0, kSlotBytes) + torn.substr(kSlotBytes)
                       : torn.substr(0, kSlotBytes) + after.substr(kSlotBytes));
      } else {
        last = *lost;
      }
    }
    const uint64_t epoch = Raise();
    ASSERT_GT(epoch, last) << "round " << round;
    last = epoch;
  }
}

// The worked example of FORMAT.md.
TEST_F(EpochTest, TheBytesAreThoseOfTheFormatPage) {
  EXPECT_EQ(Raise(), 1u);
  std::string slot = std::string("MOOREPOC\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0", 24) + kId;
  slot.resize(kSlotBytes - 4, '\0');
  slot += "\x99\x3c\xce\x63";
  EXPECT_EQ(Bytes().substr(kSlotBytes), slot);
}

TEST_F(EpochTest, AMissingFileIsDataLossAndIsNotMade) {
  ASSERT_OK(RemoveFile(path_));
  EXPECT_THAT(ReadEpoch(path_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(RaiseEpoch(path_, kId),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_ + " is missing")));
  EXPECT_FALSE(*FileExists(path_));
}

TEST_F(EpochTest, TwoDamagedSlotsAreDataLossAndNothingIsWritten) {
  EXPECT_EQ(Raise(), 1u);
  Tear(0);
  Tear(1);
  const std::string before = Bytes();
  EXPECT_THAT(RaiseEpoch(path_, kId),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(path_), HasSubstr("offset 0 and at offset 4096"))));
  EXPECT_EQ(Bytes(), before);
}

TEST_F(EpochTest, AWrongSizeIsDataLoss) {
  const std::string whole = Bytes();
  for (const size_t size : {size_t{0}, size_t{100}, kSlotBytes, 2 * kSlotBytes - 1}) {
    Put(whole.substr(0, size));
    EXPECT_THAT(RaiseEpoch(path_, kId), StatusIs(absl::StatusCode::kDataLoss,
                                                 HasSubstr("at offset " + std::to_string(size))));
  }
  Put(whole + "x");
  EXPECT_THAT(RaiseEpoch(path_, kId), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(EpochTest, AnotherStoresFileIsDataLossWithBothIds) {
  EXPECT_THAT(RaiseEpoch(path_, kOtherId),
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(kId), HasSubstr(kOtherId))));
}

TEST_F(EpochTest, SwappedSlotsAreDamage) {
  const std::string whole = Bytes();
  Put(whole.substr(kSlotBytes) + whole.substr(0, kSlotBytes));
  EXPECT_THAT(ReadEpoch(path_), StatusIs(absl::StatusCode::kDataLoss));
}

// FAULTS row 10: each damaged byte of a slot makes it count as damaged, never as another number.
TEST_F(EpochTest, AnyDamagedByteOfTheNewestSlotIsNoticed) {
  EXPECT_EQ(Raise(), 1u);
  const std::string whole = Bytes();
  const size_t newest = whole.substr(16, 1) == std::string("\1", 1) ? 0 : kSlotBytes;
  for (size_t at = 0; at < kSlotBytes; at += at < 64 ? 1 : 97) {
    std::string damaged = whole;
    damaged[newest + at] = static_cast<char>(damaged[newest + at] ^ 0x40);
    ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path_, O_RDWR));
    ASSERT_OK(file.WriteAt(0, damaged));
    ASSERT_EQ(*ReadEpoch(path_), 0u) << "offset " << at;
  }
}

TEST_F(EpochTest, ANewerFormatIsRefusedByNameAndNumber) {
  std::string bytes = Bytes();
  bytes[8] = 9;
  const uint32_t crc = Crc32c(std::string_view(bytes).substr(0, kSlotBytes - 4));
  for (int i = 0; i < 4; ++i) bytes[kSlotBytes - 4 + i] = static_cast<char>(crc >> (8 * i));
  Put(bytes);
  EXPECT_THAT(RaiseEpoch(path_, kId),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("epoch format 9"), HasSubstr("up to format 1"))));
}

}  // namespace
}  // namespace mooring::volume
