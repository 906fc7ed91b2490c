#pragma once

#include <string>

namespace mooring::testing {

// The S3 gateway that rgw.sh started in MOORING_RGW_DIR, else in the directory of the CTest
// fixture.
struct Gateway {
  std::string endpoint;  // "http://127.0.0.1:7480"
  std::string bucket;
  std::string access_key_id;
  std::string secret_access_key;
  // Why there is none; empty where there is one. A test that needs it skips with these words, or
  // fails where MOORING_REQUIRE_SERVERS=1.
  std::string missing;
};

Gateway FindGateway();
bool ServersAreRequired();

}  // namespace mooring::testing

// Ends the test where there is no gateway: skipped, or failed where one is required.
#define MOORING_NEED_GATEWAY(gateway)                                            \
  do {                                                                           \
    if (!(gateway).missing.empty()) {                                            \
      if (::mooring::testing::ServersAreRequired()) FAIL() << (gateway).missing; \
      GTEST_SKIP() << (gateway).missing;                                         \
    }                                                                            \
  } while (false)
