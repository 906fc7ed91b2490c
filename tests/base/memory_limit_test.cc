#include "src/base/memory_limit.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

using mooring::testing::TempDirectory;

class MemoryLimitTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = directory_.path() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << "\n";
  }
  int64_t Limit() const { return ContainerMemoryLimit(directory_.path()); }

  TempDirectory directory_;
};

TEST_F(MemoryLimitTest, WithoutControlGroupsThereIsNone) { EXPECT_EQ(Limit(), 0); }

TEST_F(MemoryLimitTest, OfVersion2TheLeastFromTheGroupUpCounts) {
  Write("/proc/self/cgroup", "0::/pods/service");
  Write("/sys/fs/cgroup/memory.max", "max");
  EXPECT_EQ(Limit(), 0);
  Write("/sys/fs/cgroup/pods/memory.max", "500000000");
  EXPECT_EQ(Limit(), 500000000);
  Write("/sys/fs/cgroup/pods/service/memory.max", "900000000");
  EXPECT_EQ(Limit(), 500000000);
  Write("/sys/fs/cgroup/pods/service/memory.max", "100000000");
  EXPECT_EQ(Limit(), 100000000);
}

TEST_F(MemoryLimitTest, OfVersion1TheGroupOfTheMemoryControllerCounts) {
  Write("/proc/self/cgroup", "5:cpu,cpuacct:/elsewhere\n4:hugetlb,memory:/pods\n0::/");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  Write("/sys/fs/cgroup/memory/elsewhere/memory.limit_in_bytes", "1000");
  EXPECT_EQ(Limit(), 0);
  Write("/sys/fs/cgroup/memory/pods/memory.limit_in_bytes", "268435456");
  EXPECT_EQ(Limit(), 268435456);
}

TEST_F(MemoryLimitTest, AGroupThatTheContainerDoesNotSeeIsAtTheRoot) {
  Write("/proc/self/cgroup", "4:memory:/kubepods/pod1/container\n0::/kubepods/pod1/container");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728");
  EXPECT_EQ(Limit(), 134217728);
  Write("/sys/fs/cgroup/memory.max", "67108864");
  EXPECT_EQ(Limit(), 67108864);
}

TEST_F(MemoryLimitTest, WhatIsNoNumberIsNoLimit) {
  Write("/proc/self/cgroup", "nonsense\n0::/a");
  Write("/sys/fs/cgroup/a/memory.max", "lots");
  EXPECT_EQ(Limit(), 0);
}

}  // namespace
}  // namespace mooring
