#include "src/base/memory_limit.h"

#include <algorithm>
#include <fstream>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "src/base/status.h"

namespace mooring {
namespace {

// Version 1 has no word for "no limit"; it says the most that pages can count.
constexpr int64_t kNoLimit = int64_t{1} << 60;

int64_t ReadLimit(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  int64_t limit = 0;
  if (!std::getline(file, text) || !absl::SimpleAtoi(text, &limit) || limit <= 0) return kNoLimit;
  return limit;
}

// From the group up to the root. A container often does not see the group's own folder, and finds
// its limit at the root.
int64_t LeastLimit(const std::string& mount, std::string group, std::string_view file) {
  int64_t least = kNoLimit;
  for (;;) {
    while (!group.empty() && group.back() == '/') group.pop_back();
    least = std::min(least, ReadLimit(absl::StrCat(mount, group, "/", ToAbsl(file))));
    if (group.empty()) return least;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

}  // namespace

int64_t ContainerMemoryLimit(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  int64_t least = kNoLimit;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // The hierarchy's number, its controllers, and the group; version 2 is 0 without controllers.
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() < 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    if (parts[0] == "0" && parts[1].empty()) {
      least = std::min(least, LeastLimit(mount, parts[2], "memory.max"));
    } else if (std::find(controllers.begin(), controllers.end(), "memory") != controllers.end()) {
      least = std::min(least, LeastLimit(mount + "/memory", parts[2], "memory.limit_in_bytes"));
    }
  }
  return least >= kNoLimit ? 0 : least;
}

}  // namespace mooring
