#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"

namespace catalog {

struct Record {
  std::string key;  // Package_Version_Architecture.
  std::string_view value;
};

// The package records of a file of stanzas, as `apt-cache dumpavail` prints them; of records with
// one key the first. Values point into the text, which this owns.
class Records {
 public:
  // NOT_FOUND: the file cannot be read. INVALID_ARGUMENT: there is no record in it.
  static absl::StatusOr<Records> Read(const std::string& path);

  size_t size() const { return records_.size(); }
  const Record& operator[](size_t i) const { return records_[i]; }
  const Record* Find(const std::string& key) const;

 private:
  void AddStanza(std::string_view stanza);

  std::vector<char> text_;
  std::vector<Record> records_;
  std::unordered_map<std::string, size_t> by_key_;
};

// FNV-1a, 64 bits: tells in the acknowledgement log which value was acknowledged.
uint64_t HashOf(std::string_view value);

}  // namespace catalog
