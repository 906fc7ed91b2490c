#include "src/volume/mount.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "tests/volume/child_process.h"

namespace mooring::volume {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::RunWithOwnMounts;
using ::testing::StartsWith;
using testing::StatusIs;

constexpr char kMounts[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "27 1 0:30 / / rw,relatime - overlay overlay rw,lowerdir=/a,upperdir=/b\n"
    "30 27 8:1 / /var/lib/orders rw,noatime shared:1 master:2 - ext4 /dev/sda1 rw\n"
    "31 27 8:2 /pods/7/volumes/kubernetes.io~empty-dir/scratch /scratch rw - ext4 /dev/sdb rw\n"
    "32 27 0:40 / /mnt/a\\040b\\134c rw - nfs4 server:/x rw,vers=4.2\n"
    "33 27 8:3 / /ro ro,relatime - xfs /dev/sdc rw\n"
    "34 27 8:4 / /broken rw,relatime - ext4 /dev/sdd ro,errors=remount-ro\n";

Mount MountOf(std::string_view path) { return *FindMount(ParseMountInfo(kMounts), path); }

Mount OfType(const std::string& type) { return {"/", "/v", "rw", type, "source", "rw"}; }

TEST(MountTest, LinesAreParsedWithOptionalFieldsAndEscapes) {
  const std::vector<Mount> mounts = ParseMountInfo(kMounts);
  ASSERT_EQ(mounts.size(), 7u);
  EXPECT_EQ(mounts[2].mount_point, "/var/lib/orders");
  EXPECT_EQ(mounts[2].type, "ext4");
  EXPECT_EQ(mounts[2].source, "/dev/sda1");
  EXPECT_EQ(mounts[2].options, "rw,noatime");
  EXPECT_EQ(mounts[3].root, "/pods/7/volumes/kubernetes.io~empty-dir/scratch");
  EXPECT_EQ(mounts[4].mount_point, "/mnt/a b\\c");
  EXPECT_EQ(mounts[6].super_options, "ro,errors=remount-ro");
}

TEST(MountTest, LinesThatAreNotMountsArePassedOver) {
  EXPECT_TRUE(ParseMountInfo("").empty());
  EXPECT_TRUE(ParseMountInfo("\n\nnonsense\n1 2 3 4 5 6 7 8 9 10 11\n").empty());
  EXPECT_TRUE(ParseMountInfo("1 2 8:1 / /v rw shared:1 shared:2 - ext4").empty());
}

TEST(MountTest, TheLongestMountPointHoldsAPath) {
  EXPECT_EQ(MountOf("/var/lib/orders").type, "ext4");
  EXPECT_EQ(MountOf("/var/lib/orders/data").type, "ext4");
  EXPECT_EQ(MountOf("/var/lib/orders-old").type, "overlay");
  EXPECT_EQ(MountOf("/").type, "overlay");
  EXPECT_EQ(FindMount({}, "/"), nullptr);
}

TEST(MountTest, OfTwoMountsOnOnePointTheLastIsSeen) {
  const std::string text = std::string(kMounts) + "40 30 0:50 / /var/lib/orders rw - tmpfs t rw\n";
  EXPECT_EQ(FindMount(ParseMountInfo(text), "/var/lib/orders")->type, "tmpfs");
}

TEST(MountTest, FileSystemsAreClassified) {
  for (const char* type : {"ext4", "xfs", "btrfs", "zfs", "fuse.something"}) {
    EXPECT_EQ(ClassifyMount(OfType(type)), MountKind::kLocal) << type;
  }
  for (const char* type : {"overlay", "tmpfs", "ramfs"}) {
    EXPECT_EQ(ClassifyMount(OfType(type)), MountKind::kEphemeral) << type;
  }
  for (const char* type : {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "glusterfs", "lustre",
                           "beegfs", "afs", "fuse.sshfs", "fuse.glusterfs"}) {
    EXPECT_EQ(ClassifyMount(OfType(type)), MountKind::kNetwork) << type;
  }
}

TEST(MountTest, AnEmptyDirIsEphemeralOnAnyFileSystem) {
  EXPECT_EQ(ClassifyMount(MountOf("/scratch")), MountKind::kEphemeral);
  Mount inside = OfType("xfs");
  inside.mount_point = "/var/lib/kubelet/pods/7/volumes/kubernetes.io~empty-dir/scratch";
  EXPECT_EQ(ClassifyMount(inside), MountKind::kEphemeral);
  EXPECT_THAT(CheckMountOf("/scratch/s", MountOf("/scratch"), MountPolicy::kDurable),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("/scratch/s is on ext4"), HasSubstr("emptyDir"))));
}

TEST(MountTest, RefusalsNamePathTypeAndRemedy) {
  EXPECT_THAT(CheckMountOf("/orders", MountOf("/orders"), MountPolicy::kDurable),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("/orders is on overlay (the container's own layer): it is "
                                       "lost when the pod moves. Mount a persistent volume there"),
                             HasSubstr("allow_unsafe_volume"))));
  EXPECT_THAT(CheckMountOf("/mnt/a b\\c", MountOf("/mnt/a b\\c"), MountPolicy::kDurable),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("/mnt/a b\\c is on nfs4"), HasSubstr("server:/x"),
                             HasSubstr("Mount a block volume"))));
  EXPECT_OK(CheckMountOf("/var/lib/orders", MountOf("/var/lib/orders"), MountPolicy::kDurable));
}

TEST(MountTest, AllowUnsafeLetsAllPassButReadOnlyMounts) {
  for (const char* type : {"ext4", "overlay", "tmpfs", "nfs4"}) {
    EXPECT_OK(CheckMountOf("/v", OfType(type), MountPolicy::kAny)) << type;
  }
  EXPECT_OK(CheckMountOf("/v", OfType("tmpfs"), MountPolicy::kAnyThatLocks));
  EXPECT_THAT(CheckMountOf("/v", OfType("nfs4"), MountPolicy::kAnyThatLocks),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("network")));
  for (const char* path : {"/ro", "/broken"}) {
    EXPECT_THAT(CheckMountOf(path, MountOf(path), MountPolicy::kAny),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr(path), HasSubstr("read-only"), HasSubstr("Mount it"))));
  }
}

TEST(MountTest, AMissingPathIsNotFound) {
  EXPECT_THAT(CheckMount("/nowhere/at/all", MountPolicy::kDurable),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(MountTest, ASymbolicLinkIsFollowedToItsMount) {
  struct stat info;
  if (::stat("/dev/shm", &info) != 0) GTEST_SKIP() << "this machine has no /dev/shm";
  testing::TempDirectory directory;
  std::filesystem::create_directory_symlink("/dev/shm", directory.File("link"));
  EXPECT_THAT(CheckMount(directory.File("link"), MountPolicy::kDurable),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(directory.File("link")), HasSubstr("tmpfs"))));
}

// Runs `body`, which returns "cannot: ..." where a mount is not permitted, and checks its answer.
#define EXPECT_WITH_OWN_MOUNTS(body, matcher)                     \
  do {                                                            \
    const std::string answer = RunWithOwnMounts(body);            \
    if (answer.rfind("cannot: ", 0) == 0) GTEST_SKIP() << answer; \
    EXPECT_THAT(answer, matcher);                                 \
  } while (false)

std::string Cannot(const char* what) {
  return std::string("cannot: ") + what + ": " + ::strerror(errno);
}

TEST(MountTest, ARealTmpfsIsRefused) {
  testing::TempDirectory directory;
  EXPECT_WITH_OWN_MOUNTS(
      [&]() -> std::string {
        if (::mount("none", directory.path().c_str(), "tmpfs", 0, nullptr) != 0) {
          return Cannot("mount tmpfs");
        }
        return CheckMount(directory.path(), MountPolicy::kDurable).ToString();
      },
      AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr(directory.path() + " is on tmpfs")));
}

TEST(MountTest, ARealOverlayIsRefused) {
  testing::TempDirectory directory;
  for (const char* name : {"lower", "upper", "work", "merged"}) {
    std::filesystem::create_directory(directory.File(name));
  }
  EXPECT_WITH_OWN_MOUNTS(
      [&]() -> std::string {
        const std::string options = "lowerdir=" + directory.File("lower") +
                                    ",upperdir=" + directory.File("upper") +
                                    ",workdir=" + directory.File("work");
        if (::mount("overlay", directory.File("merged").c_str(), "overlay", 0, options.c_str()) !=
            0) {
          return Cannot("mount overlay");
        }
        return CheckMount(directory.File("merged"), MountPolicy::kDurable).ToString();
      },
      AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("is on overlay (the container's own")));
}

TEST(MountTest, AMountTurnedReadOnlyIsRefusedEvenIfUnsafeIsAllowed) {
  testing::TempDirectory directory;
  EXPECT_WITH_OWN_MOUNTS(
      [&]() -> std::string {
        const char* path = directory.path().c_str();
        if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0) return Cannot("bind mount");
        if (::mount("none", path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
          return Cannot("remount read-only");
        }
        return CheckMount(directory.path(), MountPolicy::kAny).ToString();
      },
      AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("read-only")));
}

}  // namespace
}  // namespace mooring::volume
