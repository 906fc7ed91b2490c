#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "mooring/archive.h"
#include "src/archive/entry.h"

namespace mooring::archive {

// What the protocol wants done to the journal, one thing at a time.
struct JournalRequest {
  enum class Kind {
    kNone = 0,
    kReadHint = 1,  // `latest`.
    kList = 2,      // All slots greater than `slot`.
    kGet = 3,       // The object of `slot`.
    kCreate = 4,    // `bytes` as the object of `slot`, where there is none.
  };
  Kind kind = Kind::kNone;
  uint64_t slot = 0;
  std::string_view bytes;  // Valid until the next call of the protocol.
};

struct JournalReply {
  enum class Kind {
    kHint = 0,     // `slot`; 0 where there is no hint or it is nonsense.
    kSlots = 1,    // `slots`, ascending, complete.
    kFound = 2,    // `bytes`.
    kAbsent = 3,   // The store answered: no such object.
    kCreated = 4,  // OK of this very request.
    kExists = 5,   // An object is there; whose, nobody said.
    kUnknown = 6,  // No answer, or one that says nothing.
  };
  Kind kind = Kind::kUnknown;
  uint64_t slot = 0;
  std::vector<uint64_t> slots;
  std::string bytes;
};

// Tests switch rules off one by one, to prove that they would notice.
struct ProtocolRules {
  bool collision_fences = true;        // A3: an entry of another in one's slot ends the ownership.
  bool claim_is_verified = true;       // A3: a claim counts only with nothing beyond it.
  bool resend_is_verified = true;      // A5: so does an entry that was sent twice.
  bool resend_is_the_same = true;      // A5: what is sent again is never rebuilt.
  bool chain_is_unbroken = true;       // A6: an entry follows what the archive can restore.
  bool only_synced_is_sent = true;     // A6.
  bool files_come_first = true;        // A2: a checkpoint names durable files only.
  bool replay_is_complete = true;      // A7: replay begins before the first entry that is needed.
  bool needed_is_kept = true;          // A8: what the newest checkpoint needs is not collected.
  bool collected_is_forgotten = true;  // A2: what was named in a COLLECT is not durable any more.
};

// One owner's side of the journal, without any I/O: it says what to ask of the object store and is
// told the answers. FORMAT.md has the steps and A1 to A6. Whoever drives it decides on retries,
// pauses and time limits; asking the same request again is always allowed, and giving up is like a
// crash. One operation at a time:
//
//   phase            operation            then
//   kIdle            FindHead()           kFindingHead -> kHeadKnown
//   kHeadKnown       Watch()              kWatching    -> kHeadKnown, head() is new if it moved
//   kHeadKnown       Claim()              kClaiming    -> kClaimed or kClaimLost
//   kClaimLost       FindHead()           from the start
//   kClaimed         BeginOwning()        kOwning
//   kOwning          Append()             kAppending   -> kOwning or kFenced
//   kOwning          CheckFence()         kCheckingFence -> kOwning or kFenced
//
// kFenced is the end: another owner took over. kFailed too: status() says what is wrong.
// Not thread-safe. Copyable, so that a test can follow every course of events.
class JournalProtocol {
 public:
  enum class Phase {
    kIdle = 0,
    kFindingHead = 1,
    kHeadKnown = 2,
    kWatching = 3,
    kClaiming = 4,
    kClaimed = 5,
    kClaimLost = 6,
    kOwning = 7,
    kAppending = 8,
    kCheckingFence = 9,
    kFenced = 10,
    kFailed = 11,
  };

  JournalProtocol(std::string archive_id, std::string incarnation, ProtocolRules rules = {});

  // --- What to do. Each answers FAILED_PRECONDITION in a phase that does not allow it.

  [[nodiscard]] absl::Status FindHead();
  [[nodiscard]] absl::Status Watch();

  // Claims slot head() + 1. `nonce` is a new RandomId().
  [[nodiscard]] absl::Status Claim(ClaimEntry claim, std::string nonce, int64_t time_us);

  // What can be restored from the journal below one's own claim.
  struct Found {
    // Nothing where no checkpoint leads to a state, or where the claim leaves states behind (A11):
    // then the first entry must be a checkpoint.
    std::optional<State> restorable;
    // The log entries that a checkpoint would still need: slot and last sequence, ascending.
    std::vector<std::pair<uint64_t, uint64_t>> logs;
    uint64_t min_log = 0;  // Of the checkpoint that leads there.
    // The files that kept checkpoints name, and the names of those of the newest one.
    std::vector<ArchivedFile> files = {};
    std::set<std::string> checkpoint_files = {};
  };
  [[nodiscard]] absl::Status BeginOwning(Found found);

  // Appends an entry at next_slot(). INVALID_ARGUMENT or FAILED_PRECONDITION, with nothing sent,
  // where it breaks a rule: a log entry that does not follow restorable() or is not synced (A6), a
  // checkpoint of files that are not durable (A2), of another lineage, or that would replay too
  // little (A7).
  using Body = decltype(Entry::body);
  [[nodiscard]] absl::Status Append(Body body, std::string nonce, int64_t time_us);

  // Looks whether another took over.
  [[nodiscard]] absl::Status CheckFence();

  // Sequences up to here are synced on the volume. Never goes back.
  void SetSynced(uint64_t sequence);
  // The file is durable in the archive.
  void FileIsDurable(const ArchivedFile& file);
  // The `replay_from` of a checkpoint whose files reach `max_sequence`.
  uint64_t ReplayFrom(uint64_t max_sequence) const;

  // --- The journal.

  // What to ask next; kNone where nothing is under way.
  JournalRequest request() const;
  // The answer to request(). An answer that does not fit it is kUnknown.
  void OnReply(const JournalReply& reply);
  // The request is sent again with bytes that must be the same; only without A5.
  [[nodiscard]] absl::Status ReplaceResend(Body body);

  // --- What is known.

  const std::string& archive_id() const { return archive_id_; }
  Phase phase() const { return phase_; }
  // The last slot there was: 0 for an empty journal.
  uint64_t head() const { return head_; }
  // Where the next entry goes, or is going.
  uint64_t next_slot() const { return next_slot_; }
  // What the archive gives back as of now; what is up to here is archived. Null before there is a
  // checkpoint.
  const State* restorable() const { return restorable_ ? &*restorable_ : nullptr; }
  // The sent entry went out more than once.
  bool resent() const { return resent_; }
  // Why the phase is kFenced or kFailed; IsFenced() tells which.
  const absl::Status& status() const { return status_; }

  // All that decides what comes next, for a test that tells states apart.
  std::string Fingerprint() const;

 private:
  enum class Step {
    kNone = 0,
    kReadHint = 1,
    kListFromHint = 2,
    kListAll = 3,
    kListNew = 4,
    kCreate = 5,
    kReadBack = 6,
    kListBeyond = 7,
  };

  [[nodiscard]] absl::Status Expect(Phase phase, std::string_view operation) const;
  [[nodiscard]] absl::Status Send(Body body, std::string nonce, int64_t time_us);
  [[nodiscard]] absl::Status Check(const ClaimEntry& claim, State* after) const;
  [[nodiscard]] absl::Status Check(const LogEntry& log, State* after) const;
  [[nodiscard]] absl::Status Check(const CheckpointEntry& checkpoint, State* after) const;
  [[nodiscard]] absl::Status Check(const CollectEntry& collect, State* after) const;
  [[nodiscard]] absl::Status Check(const CloseEntry& close, State* after) const;
  [[nodiscard]] absl::Status CheckFiles(const CheckpointEntry& checkpoint) const;

  void OnSlots(const std::vector<uint64_t>& slots);
  void OnCreateReply(JournalReply::Kind kind);
  void OnReadBack(const JournalReply& reply);
  void HeadIs(uint64_t head);
  void EntryIsThere();
  void EntryStands();
  void AnotherIsThere(std::string_view who);
  void Fail(absl::Status status);
  void Finish(Phase phase);

  std::string archive_id_;
  std::string incarnation_;
  ProtocolRules rules_;

  Phase phase_ = Phase::kIdle;
  Step step_ = Step::kNone;
  absl::Status status_;
  uint64_t head_ = 0;
  uint64_t hint_ = 0;
  uint64_t next_slot_ = 0;
  uint64_t claim_slot_ = 0;

  // The entry under way: the same bytes until its outcome is known.
  Entry entry_;
  std::string bytes_;
  bool resent_ = false;
  std::optional<State> after_;  // What will be restorable when it stands.

  std::optional<State> restorable_;
  std::vector<std::pair<uint64_t, uint64_t>> logs_;
  uint64_t min_log_ = 0;  // Checkpoints replay no older log.
  absl::flat_hash_set<std::string> durable_files_;
  std::set<std::string> checkpoint_files_;  // Of the newest checkpoint.
  uint64_t synced_ = 0;
};

// The status of an owner that another one took over from.
absl::Status FencedError(uint64_t slot, std::string_view who);
using mooring::IsFenced;

}  // namespace mooring::archive
