#include "tests/testing/loop_volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

constexpr char kChildVariable[] = "MOORING_TEST_OWN_MOUNTS";
constexpr int kSkipped = 77;
constexpr unsigned kThawSeconds = 30;
constexpr int kNoLimit = 0;

pid_t Spawn(const std::vector<std::string>& arguments) {
  std::vector<char*> raw;
  for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  pid_t pid = -1;
  return posix_spawnp(&pid, raw[0], nullptr, nullptr, raw.data(), environ) == 0 ? pid : -1;
}

// The child's wait status; nothing where it has not ended in time, dead or not.
std::optional<int> AwaitChild(pid_t pid, absl::Duration limit) {
  const Deadline deadline(limit);
  for (;;) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) return status;
    if (deadline.Passed()) return std::nullopt;
    absl::SleepFor(absl::Milliseconds(2));
  }
}

absl::Status Run(const std::vector<std::string>& arguments) {
  const pid_t pid = Spawn(arguments);
  if (pid < 0) return absl::UnavailableError(absl::StrCat("there is no ", arguments[0]));
  const std::optional<int> status = AwaitChild(pid, absl::Minutes(1));
  if (!status.has_value()) kill(pid, SIGKILL);
  if (status == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(absl::StrJoin(arguments, " "), " failed"));
}

void RunAsChild(const std::string& directory,
                const std::function<void(const std::string& directory)>& body) {
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    std::fprintf(stderr, "no mount namespace may be made here\n");
    _exit(kSkipped);
  }
  body(directory);
}

}  // namespace

void RunInOwnMounts(absl::Duration limit,
                    const std::function<void(const std::string& directory)>& body) {
  const char* const of_child = getenv(kChildVariable);
  if (of_child != nullptr) return RunAsChild(of_child, body);
  if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0) {
    GTEST_SKIP() << "needs root and loop devices";
  }
  const TempDirectory directory;
  const ::testing::TestInfo* const test = ::testing::UnitTest::GetInstance()->current_test_info();
  setenv(kChildVariable, directory.path().c_str(), 1);
  const pid_t pid =
      Spawn({"/proc/self/exe",
             absl::StrCat("--gtest_filter=", test->test_suite_name(), ".", test->name())});
  unsetenv(kChildVariable);
  ASSERT_GT(pid, 0) << "the test could not be started as a child";
  std::optional<int> status = AwaitChild(pid, limit);
  if (!status.has_value()) {
    kill(pid, SIGKILL);
    AwaitChild(pid, absl::Seconds(60));
    FAIL() << "the child has not ended within " << absl::FormatDuration(limit);
  }
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == kSkipped) {
    GTEST_SKIP() << "needs mount namespaces, loop devices and mkfs; see above";
  }
  EXPECT_EQ(*status, 0) << "the child failed; see above";
}

LoopVolume::LoopVolume(const Options& options, std::string image, std::string path)
    : options_(options), image_(std::move(image)), path_(std::move(path)) {}

absl::StatusOr<std::unique_ptr<LoopVolume>> LoopVolume::Make(const Options& options,
                                                             const std::string& directory) {
  std::unique_ptr<LoopVolume> volume(
      new LoopVolume(options, directory + "/image", directory + "/volume"));
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(volume->path_));
  MOORING_RETURN_IF_ERROR(Run({"truncate", "-s", absl::StrCat(options.bytes), volume->image_}));
  if (options.type == Type::kExt4) {
    std::vector<std::string> make = {"mkfs.ext4", "-q", "-m", "0"};
    if (options.whole_blocks) make.insert(make.end(), {"-b", "4096"});
    make.push_back(volume->image_);
    MOORING_RETURN_IF_ERROR(Run(make));
  } else {
    MOORING_RETURN_IF_ERROR(Run({"mkfs.xfs", "-q", volume->image_}));
  }
  MOORING_RETURN_IF_ERROR(volume->Mount());
  return volume;
}

absl::StatusOr<std::unique_ptr<LoopVolume>> LoopVolume::Attach(Type type, const std::string& image,
                                                               const std::string& directory,
                                                               bool check) {
  Options options;
  options.type = type;
  std::unique_ptr<LoopVolume> volume(new LoopVolume(options, image, directory + "/volume"));
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(volume->path_));
  if (check) MOORING_RETURN_IF_ERROR(volume->Check());
  MOORING_RETURN_IF_ERROR(volume->Mount());
  return volume;
}

absl::Status LoopVolume::Mount() {
  // A copy of a mounted xfs has its id, which `nouuid` lets pass.
  const std::string mount_options =
      options_.type == Type::kExt4 ? "loop,errors=remount-ro" : "loop,nouuid";
  MOORING_RETURN_IF_ERROR(Run({"mount", "-o", mount_options, image_, path_}));
  const std::string name_file = path_ + ".device";
  MOORING_RETURN_IF_ERROR(
      Run({"sh", "-c",
           absl::StrCat("findmnt -nro SOURCE --mountpoint '", path_, "' > '", name_file, "'")}));
  MOORING_ASSIGN_OR_RETURN(device_, ReadFile(name_file));
  absl::StripAsciiWhitespace(&device_);
  return options_.whole_blocks ? LimitRequests(4) : absl::OkStatus();
}

absl::Status LoopVolume::LimitRequests(int kib) {
  const std::string limit =
      absl::StrCat("/sys/block/", device_.substr(device_.rfind('/') + 1), "/queue/max_sectors_kb");
  MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(limit, O_WRONLY));
  return file.WriteAt(0, absl::StrCat(kib));
}

absl::Status LoopVolume::Check() const {
  if (options_.type == Type::kXfs) return absl::OkStatus();  // Its journal is replayed by mounting.
  // 1 means that it has mended something.
  return Run({"sh", "-c",
              absl::StrCat("e2fsck -p '", image_, "' > '", path_, ".fsck' 2>&1; test $? -le 1")});
}

absl::Status LoopVolume::Shutdown() {
  const int directory = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return ErrnoError("open", path_, errno);
  // XFS_IOC_GOINGDOWN, which ext4 has as well, without a flush of the file system's log.
  uint32_t without_log_flush = 2;
  const bool down = ioctl(directory, _IOR('X', 125, uint32_t), &without_log_flush) == 0;
  const int error = errno;
  ::close(directory);
  return down ? absl::OkStatus() : ErrnoError("shutdown", path_, error);
}

absl::Status LoopVolume::Remount(bool check) {
  // The limit would stay with the device for its next user.
  if (options_.whole_blocks) MOORING_RETURN_IF_ERROR(LimitRequests(kNoLimit));
  // What was closed a moment ago may still be busy in the kernel.
  const Deadline deadline(absl::Seconds(30));
  while (umount2(path_.c_str(), 0) != 0) {
    if (deadline.Passed()) return ErrnoError("umount", path_, errno);
    absl::SleepFor(absl::Milliseconds(5));
  }
  if (check) MOORING_RETURN_IF_ERROR(Check());
  return Mount();
}

LoopVolume::~LoopVolume() {
  Thaw().IgnoreError();
  if (options_.whole_blocks) LimitRequests(kNoLimit).IgnoreError();
  // Where something still has a file open, the end of the mount namespace does it.
  umount2(path_.c_str(), MNT_DETACH);
}

absl::Status LoopVolume::Fill() {
  MOORING_ASSIGN_OR_RETURN(PosixFile balloon,
                           PosixFile::Open(path_ + "/balloon", O_CREAT | O_WRONLY));
  MOORING_ASSIGN_OR_RETURN(uint64_t end, balloon.Size());
  for (uint64_t step = uint64_t{64} << 20; step >= 4096;) {
    if (::fallocate(balloon.fd(), 0, static_cast<off_t>(end), static_cast<off_t>(step)) == 0) {
      end += step;
    } else if (errno == ENOSPC) {
      step /= 2;
    } else {
      return ErrnoError("fallocate", balloon.path(), errno);
    }
  }
  return absl::OkStatus();
}

absl::Status LoopVolume::Free() { return RemoveFile(path_ + "/balloon"); }

absl::Status LoopVolume::Grow(int64_t bytes) {
  MOORING_RETURN_IF_ERROR(Run({"truncate", "-s", absl::StrCat(bytes), image_}));
  MOORING_RETURN_IF_ERROR(Run({"losetup", "-c", device_}));
  if (options_.type == Type::kExt4) return Run({"resize2fs", device_});
  return Run({"sh", "-c", absl::StrCat("xfs_growfs '", path_, "' > /dev/null")});
}

absl::Status LoopVolume::TurnReadOnly() {
  const std::string trigger =
      absl::StrCat("/sys/fs/ext4/", device_.substr(device_.rfind('/') + 1), "/trigger_fs_error");
  MOORING_ASSIGN_OR_RETURN(PosixFile file, PosixFile::Open(trigger, O_WRONLY));
  return file.WriteAt(0, "1");
}

absl::Status LoopVolume::Freeze() {
  const int directory = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return ErrnoError("open", path_, errno);
  // A process that waits for a frozen volume cannot even be killed: another one sees to its end.
  thawer_ = fork();
  if (thawer_ == 0) {
    sleep(kThawSeconds);
    ioctl(directory, FITHAW, 0);
    _exit(0);
  }
  const bool frozen = ioctl(directory, FIFREEZE, 0) == 0;
  const int error = errno;
  ::close(directory);
  return frozen ? absl::OkStatus() : ErrnoError("FIFREEZE", path_, error);
}

absl::Status LoopVolume::Thaw() {
  if (thawer_ < 0) return absl::OkStatus();
  const int directory = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return ErrnoError("open", path_, errno);
  const bool thawed = ioctl(directory, FITHAW, 0) == 0;
  const int error = errno;
  ::close(directory);
  kill(thawer_, SIGKILL);
  waitpid(thawer_, nullptr, 0);
  thawer_ = -1;
  return thawed || error == EINVAL ? absl::OkStatus() : ErrnoError("FITHAW", path_, error);
}

}  // namespace mooring::testing
