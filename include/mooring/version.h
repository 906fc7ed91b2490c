#pragma once

#include <cstdint>
#include <ostream>
#include <string>

namespace mooring {

// A point in a store's history. Strictly increasing for the life of the store: `epoch` is raised at
// each open, `sequence` by each operation of each commit.
struct Version {
  uint64_t epoch = 0;
  uint64_t sequence = 0;

  friend bool operator==(const Version& a, const Version& b) {
    return a.epoch == b.epoch && a.sequence == b.sequence;
  }
  friend bool operator!=(const Version& a, const Version& b) { return !(a == b); }
  friend bool operator<(const Version& a, const Version& b) {
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.sequence < b.sequence;
  }
  friend bool operator>(const Version& a, const Version& b) { return b < a; }
  friend bool operator<=(const Version& a, const Version& b) { return !(b < a); }
  friend bool operator>=(const Version& a, const Version& b) { return !(a < b); }

  // "epoch.sequence", for example "3.1024".
  std::string ToString() const { return std::to_string(epoch) + "." + std::to_string(sequence); }
  friend std::ostream& operator<<(std::ostream& out, const Version& version) {
    return out << version.ToString();
  }
};

}  // namespace mooring
