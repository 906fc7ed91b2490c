#include "src/volume/volume.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "src/base/posix_file.h"
#include "src/volume/checked_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kOneId[] = "11111111111111111111111111111111";
constexpr char kOtherId[] = "22222222222222222222222222222222";

class VolumeTest : public ::testing::Test {
 protected:
  AcquireOptions Options() const {
    AcquireOptions options;
    options.path = directory_.path();
    options.allow_unsafe = true;
    return options;
  }
  // Acquires, finishes creation where there is any, and lets go.
  void OpenOnce() {
    ASSERT_OK_AND_ASSIGN(const auto volume, Volume::Acquire(Options()));
    ASSERT_OK(volume->FinishCreation());
  }

  testing::TempDirectory directory_;
};

TEST_F(VolumeTest, TheIdentityStaysAndTheEpochRises) {
  std::string id;
  for (uint64_t epoch = 1; epoch <= 3; ++epoch) {
    ASSERT_OK_AND_ASSIGN(const auto volume, Volume::Acquire(Options()));
    EXPECT_EQ(volume->creating(), epoch == 1);
    ASSERT_OK(volume->FinishCreation());
    EXPECT_EQ(volume->epoch(), epoch);
    if (epoch == 1) id = volume->store_id();
    EXPECT_EQ(volume->store_id(), id);
  }
}

TEST_F(VolumeTest, AnotherStoresVolumeIsRefusedUntouched) {
  AcquireOptions options = Options();
  options.expected_store_id = kOneId;
  {
    ASSERT_OK_AND_ASSIGN(const auto volume, Volume::Acquire(options));
    EXPECT_EQ(volume->store_id(), kOneId);
    ASSERT_OK(volume->FinishCreation());
  }
  const std::string epoch = *ReadFile(directory_.File("EPOCH"));
  options.expected_store_id = kOtherId;
  EXPECT_THAT(Volume::Acquire(options), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                 AllOf(HasSubstr(kOneId), HasSubstr(kOtherId))));
  EXPECT_EQ(*ReadFile(directory_.File("EPOCH")), epoch);
}

TEST_F(VolumeTest, AnIdThatIsNoneIsRefused) {
  AcquireOptions options = Options();
  options.expected_store_id = "orders";
  EXPECT_THAT(Volume::Acquire(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("orders")));
}

TEST_F(VolumeTest, WithoutCreateAnEmptyDirectoryIsNotStartedOn) {
  AcquireOptions options = Options();
  options.create_if_missing = false;
  EXPECT_THAT(Volume::Acquire(options),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("mounted")));
  EXPECT_THAT(*ListDirectory(directory_.path()), ::testing::ElementsAre("LOCK"));
}

TEST_F(VolumeTest, BadPathsAreRefusedByWhatTheyAre) {
  AcquireOptions options = Options();
  options.path = directory_.File("absent");
  EXPECT_THAT(Volume::Acquire(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("absent")));
  ASSERT_OK(WriteFileDurably(directory_.File("file"), "x"));
  options.path = directory_.File("file");
  EXPECT_THAT(Volume::Acquire(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a directory")));
}

TEST_F(VolumeTest, ADirectoryThatCannotBeWrittenIsRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  ASSERT_EQ(chmod(directory_.path().c_str(), 0555), 0);
  EXPECT_THAT(Volume::Acquire(Options()), StatusIs(absl::StatusCode::kPermissionDenied));
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
}

TEST_F(VolumeTest, ForeignFilesAreRefused) {
  ASSERT_OK(WriteFileDurably(directory_.File("photo.jpg"), "x"));
  EXPECT_THAT(Volume::Acquire(Options()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("photo.jpg")));
}

TEST_F(VolumeTest, TheRootOfAFreshFileSystemIsFit) {
  ASSERT_OK(MakeDirectoryDurably(directory_.File("lost+found")));
  EXPECT_OK(Volume::Acquire(Options()));
}

// V3.
TEST_F(VolumeTest, ACreationThatWasCutOffStartsOver) {
  { ASSERT_OK(Volume::Acquire(Options())); }
  ASSERT_OK(RemoveFile(directory_.File("EPOCH")));
  ASSERT_OK_AND_ASSIGN(const auto volume, Volume::Acquire(Options()));
  EXPECT_TRUE(volume->creating());
}

// V3, V4.
TEST_F(VolumeTest, AMissingEpochIsALoss) {
  OpenOnce();
  ASSERT_OK(RemoveFile(directory_.File("EPOCH")));
  EXPECT_THAT(Volume::Acquire(Options()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("EPOCH")));
}

TEST_F(VolumeTest, AMissingIdentityIsALoss) {
  OpenOnce();
  ASSERT_OK(RemoveFile(directory_.File("MOORING")));
  EXPECT_THAT(Volume::Acquire(Options()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("MOORING")));
}

TEST_F(VolumeTest, ANewerFormatIsRefused) {
  ASSERT_OK(WriteCheckedFile(directory_.File("MOORING"),
                             {"mooring volume", 2, {{"store", kOneId}, {"state", "complete"}}}));
  EXPECT_THAT(Volume::Acquire(Options()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format 2")));
}

// V1.
TEST_F(VolumeTest, AnUnfitMountIsLeftUntouched) {
  AcquireOptions options = Options();
  options.allow_unsafe = false;
  options.path = "/dev/shm";
  EXPECT_THAT(Volume::Acquire(options),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("tmpfs")));
  EXPECT_FALSE(*FileExists("/dev/shm/LOCK"));
}

}  // namespace
}  // namespace mooring::volume
