// Credentials that another server gives.
#include "src/objectstore/s3/credentials_servers.h"

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/objectstore/s3/http_client.h"
#include "src/objectstore/s3/signer.h"
#include "src/objectstore/s3/xml.h"

namespace mooring::objectstore {
namespace {

constexpr int64_t kMaxAnswerBytes = int64_t{64} << 10;

// A token, without the line end that editors leave.
absl::StatusOr<std::string> ReadToken(const std::string& path, std::string_view variable) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  const std::string token(text.ok() ? absl::StripAsciiWhitespace(*text) : "");
  if (!token.empty()) return token;
  return absl::UnauthenticatedError(absl::StrCat(
      "the token's file ", path, " is missing or empty; mount it, or correct ", ToAbsl(variable)));
}

class ServerSource : public CredentialsSource {
 public:
  ServerSource(std::string name, std::string ca_file)
      : name_(std::move(name)), http_(std::move(ca_file)) {}
  void Cancel() override { http_.Cancel(); }
  const std::string& name() const override { return name_; }

 protected:
  // The answer of status 200. Others are explained by status and code alone: what a server says
  // itself may hold what it was sent.
  absl::StatusOr<std::string> Ask(HttpRequest request, const Deadline& deadline) {
    request.max_response_bytes = kMaxAnswerBytes;
    request.timeout = request.stall_timeout = deadline.Left();
    Delivery delivery;
    absl::StatusOr<HttpResponse> answer = http_.Perform(request, &delivery);
    if (!answer.ok()) return Annotate(answer.status(), name_);
    if (answer->status == 200) return std::move(answer->body);
    const std::string code = ParseErrorCode(answer->body);
    const std::string words =
        absl::StrCat(name_, " answered HTTP ", answer->status, code.empty() ? "" : ", ", code);
    const bool later = answer->status >= 500 || answer->status == 429 || code == "Throttling" ||
                       code == "IDPCommunicationError";
    if (later) return absl::UnavailableError(absl::StrCat(words, ". Try again later."));
    return absl::UnauthenticatedError(absl::StrCat(words, "; ", Remedy()));
  }
  virtual std::string Remedy() const = 0;

 private:
  const std::string name_;
  HttpClient http_;
};

class WebIdentitySource final : public ServerSource {
 public:
  WebIdentitySource(WebIdentity identity, std::string ca_file)
      : ServerSource(
            absl::StrCat("web identity for role ", identity.role, " at ", identity.endpoint),
            std::move(ca_file)),
        identity_(std::move(identity)) {}

  absl::StatusOr<Credentials> Fetch(const Deadline& deadline) override {
    MOORING_ASSIGN_OR_RETURN(const std::string token,
                             ReadToken(identity_.token_file, "AWS_WEB_IDENTITY_TOKEN_FILE"));
    const std::string body = QueryString({{"Action", "AssumeRoleWithWebIdentity"},
                                          {"Version", "2011-06-15"},
                                          {"RoleArn", identity_.role},
                                          {"RoleSessionName", identity_.session},
                                          {"WebIdentityToken", token}});
    HttpRequest request;
    request.method = "POST";
    request.url =
        absl::StrCat(identity_.endpoint, absl::EndsWith(identity_.endpoint, "/") ? "" : "/");
    request.headers = {"Content-Type: application/x-www-form-urlencoded"};
    request.body = body;
    MOORING_ASSIGN_OR_RETURN(const std::string answer, Ask(std::move(request), deadline));
    return ParseSts(answer);
  }

 private:
  std::string Remedy() const override {
    return absl::StrCat("check AWS_ROLE_ARN, that the role trusts the token's issuer, and that ",
                        identity_.token_file, " (AWS_WEB_IDENTITY_TOKEN_FILE) is being renewed");
  }
  const WebIdentity identity_;
};

class ContainerSource final : public ServerSource {
 public:
  ContainerSource(ContainerEndpoint container, std::string ca_file)
      : ServerSource(absl::StrCat("the container's credentials at ", container.uri),
                     std::move(ca_file)),
        container_(std::move(container)) {}

  absl::StatusOr<Credentials> Fetch(const Deadline& deadline) override {
    if (!IsTrusted()) {
      return absl::UnauthenticatedError(absl::StrCat(
          name(),
          " would come unprotected from another machine; AWS_CONTAINER_CREDENTIALS_FULL_URI "
          "must be https://, or a loopback or AWS's own local address"));
    }
    std::string token = container_.token;
    if (!container_.token_file.empty()) {
      MOORING_ASSIGN_OR_RETURN(
          token, ReadToken(container_.token_file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    }
    if (token.find_first_of("\r\n") != std::string::npos) {
      return absl::UnauthenticatedError("the container's token has more than one line");
    }
    HttpRequest request;
    request.method = "GET";
    request.url = container_.uri;
    if (!token.empty()) request.headers = {absl::StrCat("Authorization: ", token)};
    MOORING_ASSIGN_OR_RETURN(const std::string answer, Ask(std::move(request), deadline));
    return ParseContainerCredentials(answer);
  }

 private:
  // As other clients of these agents have it.
  bool IsTrusted() const {
    if (absl::StartsWith(container_.uri, "https://")) return true;
    for (const char* host :
         {"http://127.0.0.1", "http://localhost", "http://[::1]", "http://169.254.170.2",
          "http://169.254.170.23", "http://[fd00:ec2::23]"}) {
      if (!absl::StartsWith(container_.uri, host)) continue;
      const char next = container_.uri.c_str()[std::string_view(host).size()];
      if (next == '\0' || next == ':' || next == '/') {
        // A user and password before another host would look the same.
        return container_.uri.find('@') == std::string::npos;
      }
    }
    return false;
  }
  std::string Remedy() const override {
    return "check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE and the role of the pod or task";
  }
  const ContainerEndpoint container_;
};

absl::Status NotWhole() {
  return absl::UnavailableError("the answer of the container's agent is not a whole document");
}

// The members that are strings of a JSON object without objects in it.
class FlatJson {
 public:
  explicit FlatJson(std::string_view text) : text_(text) {}

  absl::StatusOr<std::map<std::string, std::string>> Parse() {
    std::map<std::string, std::string> members;
    if (!Skip('{')) return NotWhole();
    for (bool first = true; !Skip('}'); first = false) {
      std::string name;
      if ((!first && !Skip(',')) || !String(name) || !Skip(':')) return NotWhole();
      std::string value;
      if (Next() == '"' ? !String(value) : !Bare()) return NotWhole();
      members[name] = value;
    }
    return Next() == '\0' ? absl::StatusOr<std::map<std::string, std::string>>(members)
                          : NotWhole();
  }

 private:
  char Next() {
    while (at_ < text_.size() && absl::ascii_isspace(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Skip(char wanted) {
    if (Next() != wanted) return false;
    ++at_;
    return true;
  }
  // A number, true, false or null, whose value nobody wants.
  bool Bare() {
    const size_t begin = at_;
    while (at_ < text_.size() && (absl::ascii_isalnum(text_[at_]) || text_[at_] == '-' ||
                                  text_[at_] == '+' || text_[at_] == '.')) {
      ++at_;
    }
    return at_ > begin;
  }
  // Keys and tokens are ASCII: of the escapes only those of one character are known.
  bool String(std::string& out) {
    if (!Skip('"')) return false;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        if (++at_ == text_.size()) return false;
        c = text_[at_];
        if (c != '"' && c != '\\' && c != '/') return false;
      }
      out += c;
    }
    return false;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<CredentialsSource> MakeWebIdentitySource(WebIdentity identity,
                                                         std::string ca_file) {
  return std::make_unique<WebIdentitySource>(std::move(identity), std::move(ca_file));
}

std::unique_ptr<CredentialsSource> MakeContainerSource(ContainerEndpoint container,
                                                       std::string ca_file) {
  return std::make_unique<ContainerSource>(std::move(container), std::move(ca_file));
}

absl::StatusOr<Credentials> ParseContainerCredentials(std::string_view body) {
  MOORING_ASSIGN_OR_RETURN(auto members, FlatJson(body).Parse());
  Credentials credentials;
  credentials.access_key_id = members["AccessKeyId"];
  credentials.secret_access_key = members["SecretAccessKey"];
  credentials.session_token = members["Token"];
  const std::string& expiry = members["Expiration"];
  if (!IsComplete(credentials) ||
      (!expiry.empty() &&
       !absl::ParseTime(absl::RFC3339_full, expiry, &credentials.expiry, nullptr))) {
    return NotWhole();
  }
  return credentials;
}

}  // namespace mooring::objectstore
