#include "examples/catalog/client/records.h"

#include <fstream>
#include <iterator>

#include "absl/status/status.h"

namespace catalog {
namespace {

// The value of the field whose line begins with `name` (its colon and space included).
std::string_view Field(std::string_view stanza, std::string_view name) {
  size_t line = 0;
  while (line < stanza.size()) {
    size_t end = stanza.find('\n', line);
    if (end == std::string_view::npos) end = stanza.size();
    if (stanza.substr(line, name.size()) == name) {
      return stanza.substr(line + name.size(), end - line - name.size());
    }
    line = end + 1;
  }
  return {};
}

}  // namespace

absl::StatusOr<Records> Records::Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError("cannot read " + path);
  Records records;
  records.text_.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  const std::string_view text(records.text_.data(), records.text_.size());
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = text.find("\n\n", begin);
    end = end == std::string_view::npos ? text.size() : end + 1;
    records.AddStanza(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (records.size() == 0) {
    return absl::InvalidArgumentError(path + " holds no package record: a stanza with the fields " +
                                      "Package, Version and Architecture");
  }
  return records;
}

void Records::AddStanza(std::string_view stanza) {
  const std::string_view package = Field(stanza, "Package: ");
  const std::string_view version = Field(stanza, "Version: ");
  const std::string_view architecture = Field(stanza, "Architecture: ");
  if (package.empty() || version.empty() || architecture.empty()) return;
  std::string key;
  key.append(package).append("_").append(version).append("_").append(architecture);
  if (!by_key_.emplace(key, records_.size()).second) return;
  records_.push_back({std::move(key), stanza});
}

const Record* Records::Find(const std::string& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &records_[found->second];
}

uint64_t HashOf(std::string_view value) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : value) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace catalog
