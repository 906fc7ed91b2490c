#include "tests/servers/gateway.h"

#include <stdlib.h>

#include <fstream>
#include <map>

namespace mooring::testing {

bool ServersAreRequired() {
  const char* value = ::getenv("MOORING_REQUIRE_SERVERS");
  return value != nullptr && std::string(value) == "1";
}

Gateway FindGateway() {
  Gateway gateway;
  const char* given = ::getenv("MOORING_RGW_DIR");
  const std::string directory = given != nullptr ? given : MOORING_RGW_DIR;
  std::ifstream file(directory + "/env");
  std::map<std::string, std::string> settings;
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    if (equals != std::string::npos) settings[line.substr(0, equals)] = line.substr(equals + 1);
  }
  gateway.endpoint = settings["MOORING_RGW_ENDPOINT"];
  gateway.bucket = settings["MOORING_RGW_BUCKET"];
  gateway.access_key_id = settings["AWS_ACCESS_KEY_ID"];
  gateway.secret_access_key = settings["AWS_SECRET_ACCESS_KEY"];
  if (gateway.endpoint.empty()) {
    gateway.missing =
        "no S3 gateway serves from " + directory +
        ": run this through ctest, or `tests/servers/rgw.sh start DIR` with MOORING_RGW_DIR=DIR; "
        "cmake/install-deps.sh --servers installs what it needs";
  }
  return gateway;
}

}  // namespace mooring::testing
