#include "src/objectstore/s3/credentials.h"

#include <errno.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"

namespace mooring::objectstore {
namespace {

constexpr char kRemedy[] =
    " Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or point AWS_SHARED_CREDENTIALS_FILE at a "
    "file that has them.";

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

bool Complete(const Credentials& credentials) {
  return !credentials.access_key_id.empty() && !credentials.secret_access_key.empty();
}

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
  return {settings["aws_access_key_id"], settings["aws_secret_access_key"],
          settings["aws_session_token"]};
}

}  // namespace

CredentialsProvider::CredentialsProvider(Environment environment) {
  credentials_ = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                  environment("AWS_SESSION_TOKEN")};
  fixed_ = Complete(credentials_);
  profile_ = environment("AWS_PROFILE");
  if (profile_.empty()) profile_ = "default";
  path_ = environment("AWS_SHARED_CREDENTIALS_FILE");
  if (path_.empty()) path_ = absl::StrCat(environment("HOME"), "/.aws/credentials");
}

absl::StatusOr<Credentials> CredentialsProvider::Get() {
  absl::MutexLock lock(&mutex_);
  if (fixed_) return credentials_;
  const absl::Status status = ReadFileIfChanged();
  if (!status.ok() && !Complete(credentials_)) return status;
  return credentials_;
}

absl::Status CredentialsProvider::ReadFileIfChanged() {
  struct stat now;
  if (::stat(path_.c_str(), &now) != 0) {
    return absl::UnauthenticatedError(
        absl::StrCat("there are no S3 credentials: none in the "
                     "environment, and the file ",
                     path_, " cannot be read.", kRemedy));
  }
  if (Complete(credentials_) && SameFile(now, seen_)) return absl::OkStatus();
  const absl::StatusOr<std::string> text = ReadFile(path_);
  const Credentials read = text.ok() ? ParseProfile(*text, profile_) : Credentials();
  if (!Complete(read)) {
    return absl::UnauthenticatedError(
        absl::StrCat("there are no S3 credentials: none in the environment, and profile ", profile_,
                     " of the file ", path_, " has no key id and secret.", kRemedy));
  }
  credentials_ = read;
  seen_ = now;
  return absl::OkStatus();
}

}  // namespace mooring::objectstore
