#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/objectstore/object_store.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {

// An empty place for a test's archive: a directory or, where MOORING_TEST_ARCHIVE=s3 says so, a
// prefix in the bucket of the real gateway. The tests of a program made with
// mooring_add_test(... PLACES) run on both; their fixtures begin with MOORING_NEED_PLACE(place_).
class ArchivePlace {
 public:
  ArchivePlace();

  // For a store's options, or OpenObjectStore(). `name`: of several archives in one place.
  std::string Url(std::string_view name = "archive") const;
  // Another client of it.
  std::unique_ptr<objectstore::ObjectStore> Open(std::string_view name = "archive") const;
  // Why it cannot be used here; empty where it can.
  const std::string& missing() const { return missing_; }
  bool servers_are_required() const { return servers_are_required_; }

 private:
  TempDirectory directory_;
  std::string missing_;
  bool servers_are_required_ = false;
  // The url is `before_ + name + after_`.
  std::string before_;
  std::string after_;
};

}  // namespace mooring::testing

#define MOORING_NEED_PLACE(place)                                      \
  do {                                                                 \
    if (!(place).missing().empty()) {                                  \
      if ((place).servers_are_required()) FAIL() << (place).missing(); \
      GTEST_SKIP() << (place).missing();                               \
    }                                                                  \
  } while (false)
