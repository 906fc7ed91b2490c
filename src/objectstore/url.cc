#include "src/objectstore/url.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring::objectstore {
namespace {

constexpr char kExamples[] =
    "It should be like file:///mnt/archive or s3://bucket/prefix?endpoint=https://host:port";

absl::Status BadUrl(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("archive url \"", ToAbsl(text), "\": ", ToAbsl(why), ". ", kExamples, "."));
}

// `text` before the first `separator`; what follows it stays in `text`, "" where there is none.
std::string_view CutBefore(char separator, std::string_view& text) {
  const size_t at = text.find(separator);
  const std::string_view before = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return before;
}

absl::StatusOr<std::string> Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
        !absl::ascii_isxdigit(text[i + 2])) {
      return absl::InvalidArgumentError("a '%' is not followed by two hexadecimal digits");
    }
    decoded += absl::HexStringToBytes(std::string(text.substr(i + 1, 2)));
    i += 2;
  }
  for (const char c : decoded) {
    if (absl::ascii_iscntrl(c)) return absl::InvalidArgumentError("it has a control character");
  }
  return decoded;
}

absl::Status ParseParameters(std::string_view query, Url& url) {
  while (!query.empty()) {
    std::string_view value = CutBefore('&', query);
    const std::string name(CutBefore('=', value));
    MOORING_ASSIGN_OR_RETURN(std::string decoded, Decode(value));
    if (name.empty() || decoded.empty()) {
      return absl::InvalidArgumentError("after '?' stand name=value, parted by '&'");
    }
    if (!url.parameters.emplace(name, std::move(decoded)).second) {
      return absl::InvalidArgumentError(absl::StrCat("parameter ", name, " is given twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status Parse(std::string_view text, Url& url) {
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0) {
    return absl::InvalidArgumentError("it does not begin with a scheme and \"://\"");
  }
  url.scheme = absl::AsciiStrToLower(ToAbsl(text.substr(0, scheme_end)));
  std::string_view query = text.substr(scheme_end + 3);
  std::string_view place = CutBefore('?', query);
  const size_t slash = place.find('/');
  url.authority = std::string(place.substr(0, slash));
  if (slash != std::string_view::npos) {
    MOORING_ASSIGN_OR_RETURN(url.path, Decode(place.substr(slash)));
  }
  while (!url.path.empty() && url.path.back() == '/') url.path.pop_back();
  return ParseParameters(query, url);
}

}  // namespace

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  if (text.find('@') != std::string_view::npos || text.find("%40") != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the archive url holds '@', as if credentials stood in it (so it is not repeated here). "
        "Give credentials through the environment. ",
        kExamples, "."));
  }
  Url url;
  if (absl::Status status = Parse(text, url); !status.ok()) {
    return BadUrl(text, ToStd(status.message()));
  }
  return url;
}

std::string ToString(const Url& url) {
  return absl::StrCat(url.scheme, "://", url.authority, url.path);
}

}  // namespace mooring::objectstore
