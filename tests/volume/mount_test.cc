#include "src/volume/mount.h"

#include <string>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kMounts[] =
    "22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/l\n"
    "30 22 8:1 / /var/lib/orders rw,noatime shared:3 - ext4 /dev/sda1 rw\n"
    "31 22 8:1 / /var/lib/orders\\040old ro,noatime - ext4 /dev/sda1 rw\n"
    "32 22 0:44 / /shared rw - nfs4 server:/export rw\n"
    "33 22 8:2 /var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/cache /cache rw - xfs "
    "/dev/sdb rw\n"
    "34 22 0:50 / /hidden rw - ext4 /dev/sdc rw\n"
    "35 34 0:51 / /hidden rw - tmpfs tmpfs rw\n"
    "36 22 8:9 / /broken rw - xfs /dev/sdd ro\n";

Mount Find(std::string_view path) { return *FindMount(kMounts, path); }

TEST(MountTest, TheDeepestMountHoldsAPath) {
  EXPECT_EQ(Find("/var/lib/orders/data").type, "ext4");
  EXPECT_EQ(Find("/var/lib/orders").kind(), MountKind::kLocal);
  EXPECT_EQ(Find("/var/lib").type, "overlay");
  EXPECT_EQ(Find("/var/lib/orders2").type, "overlay");
}

TEST(MountTest, TheLastMountOnAPointHidesTheOthers) { EXPECT_EQ(Find("/hidden/a").type, "tmpfs"); }

TEST(MountTest, EscapedNamesAreRead) {
  EXPECT_EQ(Find("/var/lib/orders old/x").point, "/var/lib/orders old");
}

TEST(MountTest, ReadOnlyIsSeenInBothPlaces) {
  EXPECT_TRUE(Find("/var/lib/orders old").read_only);
  EXPECT_TRUE(Find("/broken").read_only);
  EXPECT_FALSE(Find("/var/lib/orders").read_only);
}

TEST(MountTest, KindsAreToldApart) {
  EXPECT_EQ(Find("/").kind(), MountKind::kEphemeral);
  EXPECT_EQ(Find("/hidden").kind(), MountKind::kEphemeral);
  EXPECT_EQ(Find("/shared").kind(), MountKind::kNetwork);
  EXPECT_EQ(Find("/cache").kind(), MountKind::kEphemeral);
  EXPECT_TRUE(Find("/cache").empty_dir());
}

TEST(MountTest, MountsOfThisMachineAreUnderstood) {
  testing::TempDirectory directory;
  EXPECT_OK(CheckMount(directory.path(), /*allow_unsafe=*/true));
}

TEST(MountTest, TmpfsIsRefusedByName) {
  EXPECT_THAT(CheckMount("/dev/shm", false),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("/dev/shm"), HasSubstr("tmpfs"), HasSubstr("Mount a"))));
  EXPECT_OK(CheckMount("/dev/shm", true));
}

}  // namespace
}  // namespace mooring::volume
