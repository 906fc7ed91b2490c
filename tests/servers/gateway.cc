#include "tests/servers/gateway.h"

#include <stdio.h>
#include <stdlib.h>

#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "mooring/s3.h"
#include "src/base/random_id.h"
#include "src/base/status.h"

namespace mooring::testing {
namespace {

Gateway Find(const char* variable, const char* otherwise, std::string_view how) {
  Gateway gateway;
  const char* given = ::getenv(variable);
  gateway.directory = given != nullptr ? given : otherwise;
  std::ifstream file(gateway.directory + "/env");
  std::map<std::string, std::string> settings;
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    if (equals != std::string::npos) settings[line.substr(0, equals)] = line.substr(equals + 1);
  }
  gateway.endpoint = settings["MOORING_RGW_ENDPOINT"];
  gateway.tls_endpoint = settings["MOORING_RGW_TLS_ENDPOINT"];
  gateway.ca_file = settings["MOORING_RGW_CA"];
  gateway.bucket = settings["MOORING_RGW_BUCKET"];
  gateway.access_key_id = settings["AWS_ACCESS_KEY_ID"];
  gateway.secret_access_key = settings["AWS_SECRET_ACCESS_KEY"];
  if (gateway.endpoint.empty()) {
    gateway.missing = absl::StrCat("no S3 gateway serves from ", gateway.directory,
                                   ": run this through ctest, or `tests/servers/rgw.sh start ",
                                   ToAbsl(how), "` with ", variable,
                                   "=DIR; cmake/install-deps.sh --servers installs what it needs");
  }
  return gateway;
}

}  // namespace

bool ServersAreRequired() {
  const char* value = ::getenv("MOORING_REQUIRE_SERVERS");
  return value != nullptr && std::string(value) == "1";
}

Gateway FindGateway() { return Find("MOORING_RGW_DIR", MOORING_RGW_DIR, "DIR"); }

Gateway FindCluster() {
  return Find("MOORING_RGW_CLUSTER_DIR", MOORING_RGW_CLUSTER_DIR, "DIR 3 bluestore");
}

std::string MakeGatewayUrl(const Gateway& gateway, std::string_view name,
                           std::string_view endpoint) {
  EnableS3();
  ::setenv("AWS_ACCESS_KEY_ID", gateway.access_key_id.c_str(), 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", gateway.secret_access_key.c_str(), 1);
  ::unsetenv("AWS_SESSION_TOKEN");
  return absl::StrCat("s3://", gateway.bucket, "/", ToAbsl(name), "/", RandomId(),
                      "?endpoint=", endpoint.empty() ? gateway.endpoint : ToAbsl(endpoint));
}

absl::StatusOr<std::string> RunGatewayCommand(const Gateway& gateway, std::string_view command,
                                              const std::vector<std::string>& arguments) {
  std::string line =
      absl::StrCat("'", MOORING_RGW_SCRIPT, "' ", ToAbsl(command), " '", gateway.directory, "'");
  for (const std::string& argument : arguments) absl::StrAppend(&line, " '", argument, "'");
  FILE* const pipe = ::popen(line.c_str(), "re");
  if (pipe == nullptr) return ErrnoError("popen", line, errno);
  std::string printed;
  char buffer[4096];
  for (size_t got; (got = ::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    printed.append(buffer, got);
  }
  const int code = ::pclose(pipe);
  if (code == 0) return printed;
  return absl::InternalError(absl::StrCat(line, " failed with ", code, ": ", printed));
}

}  // namespace mooring::testing
