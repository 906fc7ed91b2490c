// What the options of retention may be, and what comes of them.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/options.h"
#include "src/store/archiver.h"
#include "src/store/validation.h"
#include "tests/testing/status_matchers.h"

namespace mooring::internal {
namespace {

using ::testing::HasSubstr;

absl::Status Validate(absl::Duration retention, int checkpoints) {
  Options options;
  options.volume = "/volume";
  options.archive.url = "file:///archive";
  options.archive.retention = retention;
  options.archive.min_checkpoints = checkpoints;
  return ValidateOptions(options);
}

TEST(RetentionOptionsTest, WithinTheirLimitsTheyAreTaken) {
  for (const absl::Duration retention :
       {absl::ZeroDuration(), absl::Milliseconds(1), absl::Hours(24 * 365 * 100)}) {
    for (const int checkpoints : {2, 1000}) EXPECT_OK(Validate(retention, checkpoints));
  }
}

TEST(RetentionOptionsTest, BeyondThemTheyAreRefusedByName) {
  for (const absl::Duration retention :
       {-absl::Nanoseconds(1), absl::Hours(24 * 365 * 100 + 1), absl::InfiniteDuration()}) {
    const absl::Status status = Validate(retention, 2);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << retention;
    EXPECT_THAT(status.ToString(), HasSubstr("archive.retention"));
  }
  for (const int checkpoints : {-1, 0, 1, 1001}) {
    const absl::Status status = Validate(absl::Hours(1), checkpoints);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << checkpoints;
    EXPECT_THAT(status.ToString(), HasSubstr("archive.min_checkpoints"));
  }
}

TEST(RetentionOptionsTest, AShortRetentionMakesNoCheckpointAfterCheckpoint) {
  EXPECT_EQ(CheckpointInterval(absl::Hours(7)), absl::Hours(1));
  EXPECT_EQ(CheckpointInterval(absl::Hours(24 * 365)), absl::Hours(24));
  EXPECT_EQ(CheckpointInterval(absl::Milliseconds(1)), absl::Minutes(1));
  // Nothing but `min_checkpoints` is asked for.
  EXPECT_EQ(CheckpointInterval(absl::ZeroDuration()), absl::Hours(24));
}

}  // namespace
}  // namespace mooring::internal
