#include "src/volume/space_reserve.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/posix_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TempDirectory;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// A volume of 200 MiB whose free space, the ballast not counted, the test decides.
class SpaceReserveTest : public ::testing::Test {
 protected:
  SpaceLevel Check(uint64_t free_bytes, bool blocked = false) {
    free_without_ballast_ = free_bytes;
    const absl::StatusOr<SpaceLevel> level = reserve_.Check(blocked);
    EXPECT_OK(level.status());
    return level.value_or(SpaceLevel::kPlenty);
  }
  bool HasBallast() { return FileExists(directory_.path() + "/BALLAST").value_or(false); }

  TempDirectory directory_;
  uint64_t free_without_ballast_ = 0;
  SpaceReserve reserve_{directory_.path(), [this](const std::string&) {
                          VolumeSpace space;
                          space.total_bytes = 200 * kMiB;
                          space.free_bytes = free_without_ballast_ - (HasBallast() ? 4 * kMiB : 0);
                          return absl::StatusOr<VolumeSpace>(space);
                        }};
};

TEST_F(SpaceReserveTest, MarksSuitSmallAndLargeVolumes) {
  const SpaceMarks small = SpaceMarks::For(200 * kMiB);
  EXPECT_EQ(small.ballast_bytes, 4 * kMiB);
  EXPECT_EQ(small.low_bytes, 6 * kMiB);
  EXPECT_EQ(small.resume_bytes, 9 * kMiB);
  EXPECT_EQ(small.floor_bytes, 1 * kMiB);
  const SpaceMarks large = SpaceMarks::For(kMiB << 20);
  EXPECT_EQ(large.ballast_bytes, 64 * kMiB);
  EXPECT_EQ(large.low_bytes, 256 * kMiB);
  EXPECT_EQ(large.floor_bytes, 16 * kMiB);
}

TEST_F(SpaceReserveTest, GoesThroughTheLevelsAndBack) {
  EXPECT_EQ(Check(100 * kMiB), SpaceLevel::kPlenty);
  EXPECT_TRUE(HasBallast());
  EXPECT_EQ(Check(11 * kMiB), SpaceLevel::kPlenty);
  EXPECT_EQ(Check(9 * kMiB), SpaceLevel::kLow);
  EXPECT_TRUE(HasBallast());
  EXPECT_EQ(Check(11 * kMiB), SpaceLevel::kLow) << "writes would begin and end by turns";
  EXPECT_EQ(Check(4 * kMiB), SpaceLevel::kLow);
  EXPECT_FALSE(HasBallast()) << "deletes need its room";
  EXPECT_EQ(Check(kMiB / 2), SpaceLevel::kOut);
  EXPECT_EQ(Check(2 * kMiB), SpaceLevel::kLow);
  EXPECT_EQ(Check(14 * kMiB), SpaceLevel::kPlenty);
  EXPECT_TRUE(HasBallast());
}

// A quota shows in no free bytes, only in writes that fail.
TEST_F(SpaceReserveTest, WritesThatWaitCountMoreThanFreeBytes) {
  EXPECT_EQ(Check(100 * kMiB), SpaceLevel::kPlenty);
  EXPECT_EQ(Check(100 * kMiB, /*blocked=*/true), SpaceLevel::kOut);
  EXPECT_FALSE(HasBallast());
  EXPECT_THAT(reserve_.Explain(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(Check(100 * kMiB), SpaceLevel::kPlenty);
}

TEST_F(SpaceReserveTest, SaysWhatWhereTheNumbersAndTheRemedy) {
  Check(100 * kMiB);
  Check(8 * kMiB);
  EXPECT_THAT(std::string(reserve_.Explain().message()),
              AllOf(HasSubstr(directory_.path()), HasSubstr("4.0 MiB of 200.0 MiB are free"),
                    HasSubstr("Nothing was applied"), HasSubstr("grow the volume")));
}

TEST_F(SpaceReserveTest, AsksTheFileSystem) {
  const absl::StatusOr<VolumeSpace> space = ReadVolumeSpace(directory_.path());
  ASSERT_OK(space.status());
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_FALSE(space->read_only);
  EXPECT_THAT(ReadVolumeSpace(directory_.path() + "/none").status(),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace mooring::volume
