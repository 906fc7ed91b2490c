#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "src/archive/entry.h"

// Entries for tests, with ids that are easy to tell apart.
namespace mooring::archive {

// 32 hexadecimal digits that end with `number`.
inline std::string Id(int number) { return absl::StrFormat("%032x", number); }

template <typename Body>
Entry MakeEntry(uint64_t slot, int writer, Body body) {
  static int nonces = 0;
  Entry entry;
  entry.nonce = Id(0x10000 + ++nonces);
  entry.archive_id = Id(0xa);
  entry.slot = slot;
  entry.writer = Id(writer);
  entry.time_us = 1700000000000000;
  entry.body = std::move(body);
  return entry;
}

inline ClaimEntry Claim(uint64_t slot, uint64_t epoch, uint64_t taken_over_sequence = 0) {
  ClaimEntry claim;
  claim.epoch = epoch;
  claim.owner = "pod-0";
  claim.taken_over_slot = slot - 1;
  claim.taken_over_sequence = taken_over_sequence;
  return claim;
}

// Sequences `first` to `last` of `incarnation`, ten bytes each, in log 10 + incarnation, which
// begins with sequence `log_begin`.
inline Segment MakeSegment(int incarnation, uint64_t first, uint64_t last, uint64_t log_begin = 1) {
  Segment segment;
  segment.incarnation = Id(incarnation);
  segment.epoch = incarnation;
  segment.log = 10 + incarnation;
  segment.generation = 0x1000 + incarnation;
  segment.begin = 10 * (first - log_begin);
  segment.end = 10 * (last + 1 - log_begin);
  segment.first_sequence = first;
  segment.last_sequence = last;
  segment.first_time_us = 1000 + static_cast<int64_t>(first);
  segment.last_time_us = 1000 + static_cast<int64_t>(last);
  return segment;
}

inline LogEntry Log(std::vector<Segment> segments) {
  LogEntry log;
  log.predecessor = segments.front().first_sequence - 1;
  for (const Segment& segment : segments) {
    for (uint64_t i = segment.begin; i < segment.end; ++i) {
      log.bytes.push_back(static_cast<char>('a' + i % 26));
    }
  }
  log.segments = std::move(segments);
  return log;
}

inline History MakeHistory(std::vector<std::pair<int, uint64_t>> entries) {
  History history;
  for (const auto& [incarnation, first] : entries) {
    EXPECT_TRUE(history.Append({Id(incarnation), static_cast<uint64_t>(incarnation), first}).ok());
  }
  return history;
}

inline CheckpointEntry Checkpoint(uint64_t replay_from, uint64_t max_sequence, History history,
                                  uint64_t min_log = 0) {
  CheckpointEntry checkpoint;
  checkpoint.files.push_back({"1-000012-s-100", "000012.sst", 100, 0x1234});
  checkpoint.current = "MANIFEST-000005\n";
  checkpoint.manifest = "manifest bytes";
  checkpoint.replay_from = replay_from;
  checkpoint.min_log = min_log;
  checkpoint.max_sequence = max_sequence;
  checkpoint.history = std::move(history);
  checkpoint.max_time_us = 1000 + static_cast<int64_t>(max_sequence);
  return checkpoint;
}

}  // namespace mooring::archive
