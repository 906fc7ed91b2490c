#pragma once

#include <string>
#include <string_view>

namespace mooring::testing {

// A directory of the test's own on the disk that tests run on (TEST_TMPDIR, else /var/tmp, for /tmp
// may be tmpfs), removed with all that is in it at the end.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  // `name` inside the directory.
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace mooring::testing
