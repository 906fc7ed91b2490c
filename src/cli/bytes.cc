#include "src/cli/bytes.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "src/base/status.h"

namespace mooring::cli {

absl::StatusOr<std::string> ArgumentBytes(const std::string& argument, bool base64) {
  if (!base64) return argument;
  std::string bytes;
  if (absl::Base64Unescape(argument, &bytes)) return bytes;
  return absl::InvalidArgumentError(absl::StrCat("\"", argument, "\" is not base64"));
}

absl::StatusOr<std::string> GetBytes(const Json& object, const std::string& name) {
  if (const auto text = object.find(name); text != object.end() && text->is_string()) {
    return text->get<std::string>();
  }
  const std::string encoded_name = name + "_base64";
  const auto encoded = object.find(encoded_name);
  std::string bytes;
  if (encoded != object.end() && encoded->is_string() &&
      absl::Base64Unescape(encoded->get<std::string>(), &bytes)) {
    return bytes;
  }
  return absl::InvalidArgumentError(absl::StrCat("there is neither a string \"", name,
                                                 "\" nor base64 in \"", encoded_name, "\""));
}

std::string EndOfPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

std::string RecordLine(std::string_view table, std::string_view key, std::string_view value) {
  Json line;
  PutBytes(&line, "table", table);
  PutBytes(&line, "key", key);
  PutBytes(&line, "value", value);
  return Dump(line, -1) + "\n";
}

}  // namespace mooring::cli
