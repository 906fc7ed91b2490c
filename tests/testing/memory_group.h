#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mooring::testing {

// A control group of its own with a limit of memory, for children.
class MemoryGroup {
 public:
  explicit MemoryGroup(int64_t bytes);
  // After the processes in it.
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  // Empty where this process may make no such group.
  const std::string& path() const { return path_; }

  // What runs a program in the group, to be put before its arguments.
  std::vector<std::string> Launcher() const;

 private:
  std::string path_;
};

}  // namespace mooring::testing
