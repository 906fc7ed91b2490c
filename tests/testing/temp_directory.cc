#include "tests/testing/temp_directory.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>

namespace mooring::testing {

TempDirectory::TempDirectory() {
  const char* root = getenv("TEST_TMPDIR");
  path_ = std::string(root == nullptr ? "/var/tmp" : root) + "/mooring-test-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) abort();
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace mooring::testing
