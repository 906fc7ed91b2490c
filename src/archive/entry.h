#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "src/archive/history.h"

// The objects of an archive's journal. FORMAT.md has their bytes and the invariants A1 to A12.
namespace mooring::archive {

// The newest format of an archive that this code reads and the one it writes.
inline constexpr uint32_t kArchiveFormat = 1;
// Of one entry's payload before it is compressed.
inline constexpr uint64_t kMaxPayloadBytes = uint64_t{32} << 20;
inline constexpr uint64_t kMaxHeaderBytes = uint64_t{16} << 20;

// Takes the ownership of the store (A3, A11).
struct ClaimEntry {
  uint64_t epoch = 0;
  std::string owner;  // For people: host, pod, process.
  History history;    // Of the state that the claimant saw in the archive.
  uint64_t taken_over_slot = 0;
  uint64_t taken_over_sequence = 0;
  // Where set, the store goes on after this sequence, as slots up to `continues_slot` give it. What
  // came after is left behind: later sequences, and entries of later slots whatever they hold.
  std::optional<uint64_t> continues_from;
  uint64_t continues_slot = 0;
};

// A piece of one log of one incarnation.
struct Segment {
  std::string incarnation;  // Who wrote these bytes: not always who shipped them.
  uint64_t epoch = 0;
  uint64_t log = 0;
  uint64_t generation = 0;
  uint64_t begin = 0;  // In the log's logical bytes.
  uint64_t end = 0;
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
  int64_t first_time_us = 0;  // Commit times, microseconds since 1970 (A12).
  int64_t last_time_us = 0;
};

// Bytes of the store's logs that follow those of the entries before (A6).
struct LogEntry {
  uint64_t predecessor = 0;  // The sequence that the first segment follows.
  // The slot of the oldest checkpoint that it can be replayed on: one that has the tables. 0: any.
  uint64_t least_checkpoint = 0;
  // Where it is a merged one, the last slot that it stands for; its own slot is the first. Else 0.
  uint64_t last_slot = 0;
  std::vector<Segment> segments;
  std::string bytes;  // The segments' bytes, one after the other.
};

struct ArchivedFile {
  std::string name;  // Of the object below files/.
  std::string path;  // On the volume, in the engine's directory.
  uint64_t size = 0;
  uint32_t crc32c = 0;

  friend bool operator==(const ArchivedFile& a, const ArchivedFile& b) {
    return a.name == b.name && a.path == b.path && a.size == b.size && a.crc32c == b.crc32c;
  }
};

// A state that files alone hold (A2, A7).
struct CheckpointEntry {
  std::vector<ArchivedFile> files;
  std::string current;        // What the file CURRENT holds.
  std::string manifest;       // What the file that CURRENT names holds; or it is one of `files`.
  uint64_t replay_from = 0;   // The slot from which on log entries are needed besides.
  uint64_t min_log = 0;       // The first log that the engine replays.
  uint64_t max_sequence = 0;  // The files hold everything up to here, and nothing beyond.
  History history;            // Up to max_sequence.
  int64_t max_time_us = 0;    // The commit time of max_sequence.
};

struct SlotRange {
  uint64_t first = 0;
  uint64_t last = 0;

  friend bool operator==(const SlotRange& a, const SlotRange& b) {
    return a.first == b.first && a.last == b.last;
  }
};

// LOG entries of neighbouring slots as one object below merged/, which is a LOG with `last_slot`.
// It stands for every slot of its range: a COLLECT that stood there is superseded, and entries of
// other kinds that are still needed are still in the journal.
struct MergedLog {
  SlotRange slots;
  std::string name;  // Of the object below merged/.
  uint64_t size = 0;
};

// What the archive no longer holds in its own place (A8). The newest one says all of it: what an
// older one said counts no more. Readers treat it as gone from the moment that this entry stands.
struct CollectEntry {
  std::vector<SlotRange> slots;    // Ascending; deleted, or about to be. A CLAIM in them stays.
  std::vector<std::string> files;  // Names below files/ that are about to be deleted.
  std::vector<MergedLog> merged;   // All that are in force, ascending.
};

// The owner left, and nothing is missing.
struct CloseEntry {};

struct Entry {
  std::string nonce;  // Random; tells one's own object from another's (A5).
  std::string archive_id;
  uint64_t slot = 0;
  std::string writer;   // The incarnation that created this entry.
  int64_t time_us = 0;  // For people and for retention; no safety rests on it.
  std::variant<ClaimEntry, LogEntry, CheckpointEntry, CollectEntry, CloseEntry> body;

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&body);
  }
};
using EntryPtr = std::shared_ptr<const Entry>;

// "CLAIM", "LOG", "CHECKPOINT", "COLLECT" or "CLOSE".
std::string_view KindOf(const Entry& entry);

// The object's bytes. INVALID_ARGUMENT where a field breaks its rules: what DecodeEntry() would
// refuse is never written.
absl::StatusOr<std::string> EncodeEntry(const Entry& entry);

// `name` is the object's, for errors; `slot` the one it was read from.
//
// FAILED_PRECONDITION  a newer format; the message has both numbers.
// DATA_LOSS            damaged, or not what belongs in this place; the message names the object.
absl::StatusOr<Entry> DecodeEntry(std::string_view name, uint64_t slot, std::string_view object);

// What `<root>/MOORING` says.
struct ArchiveIdentity {
  std::string archive_id;
  std::string store_id;
};
absl::StatusOr<std::string> EncodeIdentity(const ArchiveIdentity& identity);
// As DecodeEntry().
absl::StatusOr<ArchiveIdentity> DecodeIdentity(std::string_view name, std::string_view object);

// Keys of objects, below the archive's root.
inline constexpr std::string_view kIdentityKey = "MOORING";
inline constexpr std::string_view kHintKey = "latest";
inline constexpr std::string_view kJournalPrefix = "journal/";
std::string SlotKey(uint64_t slot);  // "journal/00000000000000000017"
// INVALID_ARGUMENT where `key` is not what SlotKey() makes of a slot from 1 up.
absl::StatusOr<uint64_t> ParseSlotKey(std::string_view key);
std::string FileKey(std::string_view name);    // "files/..."
std::string MergedKey(std::string_view name);  // "merged/..."

}  // namespace mooring::archive
