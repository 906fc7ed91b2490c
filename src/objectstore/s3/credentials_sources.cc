// The sources that need no server, and the choice among all.
#include <errno.h>
#include <sys/stat.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/objectstore/s3/credentials.h"
#include "src/objectstore/s3/credentials_servers.h"

namespace mooring::objectstore {
namespace {

class StaticSource final : public CredentialsSource {
 public:
  explicit StaticSource(Credentials credentials) : credentials_(std::move(credentials)) {}
  absl::StatusOr<Credentials> Fetch(const Deadline&) override { return credentials_; }
  const std::string& name() const override { return name_; }

 private:
  const Credentials credentials_;
  const std::string name_ = "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
};

class CallbackSource final : public CredentialsSource {
 public:
  explicit CallbackSource(std::function<absl::StatusOr<Credentials>()> callback)
      : callback_(std::move(callback)) {}
  absl::StatusOr<Credentials> Fetch(const Deadline&) override { return callback_(); }
  const std::string& name() const override { return name_; }

 private:
  const std::function<absl::StatusOr<Credentials>()> callback_;
  const std::string name_ = "the callback S3Options::credentials";
};

// The settings of [profile] in a file of "name = value" lines.
Credentials ParseProfile(const std::string& text, const std::string& profile) {
  std::map<std::string, std::string> settings;
  bool inside = false;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& raw : lines) {
    const std::string line(absl::StripAsciiWhitespace(raw));
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      inside = line == absl::StrCat("[", profile, "]");
      continue;
    }
    const std::pair<std::string, std::string> setting =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (!inside) continue;
    settings[absl::AsciiStrToLower(absl::StripAsciiWhitespace(setting.first))] =
        std::string(absl::StripAsciiWhitespace(setting.second));
  }
  Credentials credentials;
  credentials.access_key_id = settings["aws_access_key_id"];
  credentials.secret_access_key = settings["aws_secret_access_key"];
  credentials.session_token = settings["aws_session_token"];
  return credentials;
}

// What stat(2) says of a file, by which it is told from another one or an earlier state. A mounted
// secret rotates by a symlink on the way, hence another inode.
struct FileState {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = -1;
  absl::Time modified;

  bool operator==(const FileState& other) const {
    return device == other.device && inode == other.inode && size == other.size &&
           modified == other.modified;
  }
};

FileState StateOf(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, info.st_size, absl::TimeFromTimespec(info.st_mtim)};
}

// A file that is being rewritten and cannot be understood is an error, and the provider goes on
// with what it has.
class FileSource final : public CredentialsSource {
 public:
  FileSource(std::string path, std::string profile)
      : path_(std::move(path)),
        profile_(std::move(profile)),
        name_(absl::StrCat("profile ", profile_, " of the file ", path_)) {}

  absl::StatusOr<Credentials> Fetch(const Deadline&) override {
    // Before the reading: what changes in between is read again.
    const FileState state = StateOf(path_);
    const absl::StatusOr<std::string> text = ReadFile(path_);
    if (!text.ok()) return None(absl::StrCat("the file ", path_, " cannot be read."));
    Credentials read = ParseProfile(*text, profile_);
    if (!IsComplete(read)) return None(absl::StrCat(name_, " has no key id and secret."));
    absl::MutexLock lock(&mutex_);
    seen_ = state;
    return read;
  }
  bool HasChanged() override {
    const FileState state = StateOf(path_);
    absl::MutexLock lock(&mutex_);
    return !(state == seen_);
  }
  const std::string& name() const override { return name_; }

 private:
  static absl::Status None(std::string_view why) {
    return absl::UnauthenticatedError(absl::StrCat(
        "there are no S3 credentials: none in the environment, and ",
        absl::string_view(why.data(), why.size()),
        " Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or point AWS_SHARED_CREDENTIALS_FILE at "
        "a file that has them; mooring/s3.h names the other ways."));
  }

  const std::string path_;
  const std::string profile_;
  const std::string name_;
  absl::Mutex mutex_;
  FileState seen_ ABSL_GUARDED_BY(mutex_);
};

std::string Or(std::string value, std::string otherwise) {
  return value.empty() ? std::move(otherwise) : std::move(value);
}

}  // namespace

std::unique_ptr<CredentialsSource> MakeCredentialsSource(
    const Environment& environment, const S3Location& location,
    std::function<absl::StatusOr<Credentials>()> callback) {
  if (callback != nullptr) return std::make_unique<CallbackSource>(std::move(callback));
  Credentials fixed;
  fixed.access_key_id = environment("AWS_ACCESS_KEY_ID");
  fixed.secret_access_key = environment("AWS_SECRET_ACCESS_KEY");
  fixed.session_token = environment("AWS_SESSION_TOKEN");
  if (IsComplete(fixed)) return std::make_unique<StaticSource>(std::move(fixed));
  WebIdentity identity;
  identity.token_file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  identity.role = environment("AWS_ROLE_ARN");
  if (!identity.token_file.empty() && !identity.role.empty()) {
    identity.session = Or(environment("AWS_ROLE_SESSION_NAME"), "mooring");
    const std::string amazon = absl::StrCat("https://sts.", location.region, ".amazonaws.com");
    identity.endpoint =
        Or(environment("AWS_ENDPOINT_URL_STS"), Or(environment("AWS_ENDPOINT_URL"), amazon));
    return MakeWebIdentitySource(std::move(identity), location.ca_file);
  }
  ContainerEndpoint container;
  container.uri = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!container.uri.empty()) {
    container.token_file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    container.token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    return MakeContainerSource(std::move(container), location.ca_file);
  }
  return std::make_unique<FileSource>(Or(environment("AWS_SHARED_CREDENTIALS_FILE"),
                                         absl::StrCat(environment("HOME"), "/.aws/credentials")),
                                      Or(environment("AWS_PROFILE"), "default"));
}

}  // namespace mooring::objectstore
