#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::testing {

// The S3 gateway that rgw.sh started. A test program that wants one is made with
//
//     mooring_add_test(NAME SOURCES ... LIBRARIES mooring_test_servers GATEWAY)
//
// and gets an archive's url, of an empty place, with
//
//     const Gateway gateway = FindGateway();
//     MOORING_NEED_GATEWAY(gateway);
//     options.archive.url = MakeGatewayUrl(gateway, "takeover");
//
// With CLUSTER in place of GATEWAY and FindCluster() it is a gateway of its own before three
// storage daemons that survive being killed, for tests that kill them; those run one at a time.
struct Gateway {
  std::string directory;     // That rgw.sh was given.
  std::string endpoint;      // "http://127.0.0.1:7480"
  std::string tls_endpoint;  // "https://localhost:7481", the same gateway
  std::string ca_file;       // The certificate to trust there.
  std::string bucket;
  std::string access_key_id;
  std::string secret_access_key;
  // Why there is none; empty where there is one. A test that needs it skips with these words, or
  // fails where MOORING_REQUIRE_SERVERS=1.
  std::string missing;
};

// In MOORING_RGW_DIR, else in the directory of the CTest fixture.
Gateway FindGateway();
// In MOORING_RGW_CLUSTER_DIR, else in the directory of the CTest fixture.
Gateway FindCluster();
bool ServersAreRequired();

// "s3://bucket/<name>/<random>?endpoint=...", another one each time, to be given to a store or to
// OpenObjectStore(). Makes s3 known in this process, and puts the gateway's credentials into its
// environment, where the processes that it starts find them too. Call it before starting threads.
// `endpoint`: where it is not the gateway's own, as that of a FaultProxy before it.
std::string MakeGatewayUrl(const Gateway& gateway, std::string_view name,
                           std::string_view endpoint = "");

// `rgw.sh <command> <gateway.directory> <arguments>`; answers what it prints.
absl::StatusOr<std::string> RunGatewayCommand(const Gateway& gateway, std::string_view command,
                                              const std::vector<std::string>& arguments);

}  // namespace mooring::testing

// Ends the test where there is no gateway: skipped, or failed where one is required.
#define MOORING_NEED_GATEWAY(gateway)                                            \
  do {                                                                           \
    if (!(gateway).missing.empty()) {                                            \
      if (::mooring::testing::ServersAreRequired()) FAIL() << (gateway).missing; \
      GTEST_SKIP() << (gateway).missing;                                         \
    }                                                                            \
  } while (false)
