#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "src/objectstore/s3/credentials.h"

namespace mooring::objectstore {

// Credentials of a role for whoever holds a token, from an STS (AssumeRoleWithWebIdentity).
struct WebIdentity {
  std::string endpoint;
  std::string role;
  std::string session;
  std::string token_file;
};
std::unique_ptr<CredentialsSource> MakeWebIdentitySource(WebIdentity identity, std::string ca_file);

// Credentials of the place where a container runs, from an agent beside it.
struct ContainerEndpoint {
  std::string uri;
  std::string token_file;  // Comes before `token`; both may be empty.
  std::string token;
};
std::unique_ptr<CredentialsSource> MakeContainerSource(ContainerEndpoint container,
                                                       std::string ca_file);

// The answers of the two. UNAVAILABLE where a document is not whole.
absl::StatusOr<Credentials> ParseSts(std::string_view body);
absl::StatusOr<Credentials> ParseContainerCredentials(std::string_view body);

}  // namespace mooring::objectstore
