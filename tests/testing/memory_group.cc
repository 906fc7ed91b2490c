#include "tests/testing/memory_group.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "src/base/posix_file.h"

namespace mooring::testing {
namespace {

// Whether `group` is there now, with a limit in `file`.
bool Make(const std::string& group, const std::string& file, int64_t bytes) {
  if (mkdir(group.c_str(), 0755) != 0) return false;
  auto limit = PosixFile::Open(group + file, O_WRONLY);
  if (limit.ok() && limit->WriteAt(0, absl::StrCat(bytes)).ok()) return true;
  rmdir(group.c_str());
  return false;
}

}  // namespace

MemoryGroup::MemoryGroup(int64_t bytes) {
  std::ifstream own("/proc/self/cgroup");
  for (std::string line; std::getline(own, line) && path_.empty();) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3 || (parts[1] != "memory" && !parts[1].empty())) continue;
    const bool first = parts[1] == "memory";  // The first version of control groups.
    const std::string mount = first ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
    for (const std::string& parent : {mount + parts[2], mount}) {
      const std::string group = absl::StrCat(parent, "/mooring-", getpid());
      if (!Make(group, first ? "/memory.limit_in_bytes" : "/memory.max", bytes)) continue;
      path_ = group;
      break;
    }
  }
}

MemoryGroup::~MemoryGroup() {
  for (int i = 0; i < 1000 && !path_.empty() && rmdir(path_.c_str()) != 0 && errno == EBUSY; ++i) {
    absl::SleepFor(absl::Milliseconds(5));
  }
}

std::vector<std::string> MemoryGroup::Launcher() const {
  return {"/bin/sh", "-c",
          absl::StrCat("echo $$ > ", path_, "/cgroup.procs && exec \"$0\" \"$@\"")};
}

}  // namespace mooring::testing
