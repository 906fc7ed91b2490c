#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mooring::engine {

// Every commit in the log begins with a marker: it rides in the log, takes no sequence, and tells a
// later reader where in a group one commit ends and the next begins.
//
//   magic u8 = 0x4d | operations u32 | commit time in microseconds since 1970 i64    little-endian
struct CommitMarker {
  uint32_t count = 0;
  int64_t time_us = 0;
};

inline constexpr size_t kCommitMarkerBytes = 13;
inline constexpr char kCommitMarkerMagic = 0x4d;

inline void EncodeCommitMarker(const CommitMarker& marker, char* out) {
  out[0] = kCommitMarkerMagic;
  for (int i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(marker.count >> (8 * i));
  const auto time = static_cast<uint64_t>(marker.time_us);
  for (int i = 0; i < 8; ++i) out[5 + i] = static_cast<char>(time >> (8 * i));
}

// False where `data` is no marker.
inline bool DecodeCommitMarker(std::string_view data, CommitMarker* marker) {
  if (data.size() != kCommitMarkerBytes || data[0] != kCommitMarkerMagic) return false;
  uint64_t time = 0;
  marker->count = 0;
  for (int i = 3; i >= 0; --i)
    marker->count = marker->count << 8 | static_cast<uint8_t>(data[1 + i]);
  for (int i = 7; i >= 0; --i) time = time << 8 | static_cast<uint8_t>(data[5 + i]);
  marker->time_us = static_cast<int64_t>(time);
  return true;
}

}  // namespace mooring::engine
