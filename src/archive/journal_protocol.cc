#include "src/archive/journal_protocol.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"

namespace mooring::archive {
namespace {

constexpr std::string_view kFencedPayload = "mooring/fenced";

// Size and checksum are part of what is durable: a file of the same name is not the same file.
std::string FileIdentity(const ArchivedFile& file) {
  return absl::StrCat(file.name, "/", file.size, "/", file.crc32c);
}

std::string Describe(const Entry& entry) {
  std::string who = absl::StrCat("a ", ToAbsl(KindOf(entry)), " of incarnation ", entry.writer);
  if (const auto* claim = entry.As<ClaimEntry>()) absl::StrAppend(&who, " (", claim->owner, ")");
  return who;
}

}  // namespace

absl::Status FencedError(uint64_t slot, std::string_view who) {
  absl::Status status = absl::FailedPreconditionError(
      absl::StrCat("another owner took over this store: ", SlotKey(slot), " of its archive holds ",
                   ToAbsl(who), ". This owner's writes no longer count: stop, and do not retry."));
  status.SetPayload(ToAbsl(kFencedPayload), absl::Cord("1"));
  return status;
}

JournalProtocol::JournalProtocol(std::string archive_id, std::string incarnation,
                                 ProtocolRules rules)
    : archive_id_(std::move(archive_id)), incarnation_(std::move(incarnation)), rules_(rules) {}

absl::Status JournalProtocol::Expect(Phase phase, std::string_view operation) const {
  if (phase_ == Phase::kFenced || phase_ == Phase::kFailed) return status_;
  if (phase_ == phase) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the journal cannot ", ToAbsl(operation),
                                                    " in phase ", static_cast<int>(phase_)));
}

absl::Status JournalProtocol::FindHead() {
  if (phase_ != Phase::kClaimLost) {
    MOORING_RETURN_IF_ERROR(Expect(Phase::kIdle, "look for its head"));
  }
  phase_ = Phase::kFindingHead;
  step_ = Step::kReadHint;
  return absl::OkStatus();
}

absl::Status JournalProtocol::Watch() {
  MOORING_RETURN_IF_ERROR(Expect(Phase::kHeadKnown, "be watched"));
  phase_ = Phase::kWatching;
  step_ = Step::kListNew;
  return absl::OkStatus();
}

absl::Status JournalProtocol::CheckFence() {
  MOORING_RETURN_IF_ERROR(Expect(Phase::kOwning, "look for another owner"));
  phase_ = Phase::kCheckingFence;
  step_ = Step::kListNew;
  return absl::OkStatus();
}

absl::Status JournalProtocol::Claim(ClaimEntry claim, std::string nonce, int64_t time_us) {
  MOORING_RETURN_IF_ERROR(Expect(Phase::kHeadKnown, "be claimed"));
  MOORING_RETURN_IF_ERROR(Send(std::move(claim), std::move(nonce), time_us));
  phase_ = Phase::kClaiming;
  return absl::OkStatus();
}

absl::Status JournalProtocol::BeginOwning(Found found) {
  MOORING_RETURN_IF_ERROR(Expect(Phase::kClaimed, "be written"));
  restorable_ = std::move(found.restorable);
  logs_ = std::move(found.logs);
  min_log_ = found.min_log;
  for (const ArchivedFile& file : found.files) FileIsDurable(file);
  checkpoint_files_ = std::move(found.checkpoint_files);
  phase_ = Phase::kOwning;
  return absl::OkStatus();
}

absl::Status JournalProtocol::Append(Body body, std::string nonce, int64_t time_us) {
  MOORING_RETURN_IF_ERROR(Expect(Phase::kOwning, "be appended to"));
  if (std::holds_alternative<ClaimEntry>(body)) {
    return absl::InvalidArgumentError("an owner does not claim what it owns");
  }
  MOORING_RETURN_IF_ERROR(Send(std::move(body), std::move(nonce), time_us));
  phase_ = Phase::kAppending;
  return absl::OkStatus();
}

absl::Status JournalProtocol::Send(Body body, std::string nonce, int64_t time_us) {
  State after = restorable_ ? *restorable_ : State();
  MOORING_RETURN_IF_ERROR(
      std::visit([&](const auto& typed) { return Check(typed, &after); }, body));
  const bool has_state = restorable_ || std::holds_alternative<CheckpointEntry>(body);
  Entry entry{std::move(nonce), archive_id_, next_slot_, incarnation_, time_us, std::move(body)};
  MOORING_ASSIGN_OR_RETURN(bytes_, EncodeEntry(entry));
  entry_ = std::move(entry);
  after_.reset();
  if (has_state) after_ = std::move(after);
  resent_ = false;
  step_ = Step::kCreate;
  return absl::OkStatus();
}

absl::Status JournalProtocol::Check(const ClaimEntry&, State*) const { return absl::OkStatus(); }

// A8, as far as an owner knows it: what its newest checkpoint needs.
absl::Status JournalProtocol::Check(const CollectEntry& collect, State*) const {
  if (!rules_.needed_is_kept) return absl::OkStatus();
  if (!restorable_) {
    return absl::FailedPreconditionError(
        "nothing can be collected before this lineage has a checkpoint (A11)");
  }
  const auto holds = [](const SlotRange& range, uint64_t slot) {
    return range.first <= slot && slot <= range.last;
  };
  for (const auto& [slot, last_sequence] : logs_) {
    const auto is_it = [&, slot = slot](const SlotRange& range) { return holds(range, slot); };
    const auto has_it = [&, slot = slot](const MergedLog& log) { return holds(log.slots, slot); };
    const bool gone = std::any_of(collect.slots.begin(), collect.slots.end(), is_it);
    const bool merged = std::any_of(collect.merged.begin(), collect.merged.end(), has_it);
    if (!gone || merged) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        SlotKey(slot), " cannot be collected: a restore from the newest checkpoint needs it"));
  }
  for (const std::string& name : collect.files) {
    if (checkpoint_files_.count(name) == 0) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(FileKey(name), " cannot be collected: the newest checkpoint names it"));
  }
  return absl::OkStatus();
}

absl::Status JournalProtocol::Check(const CloseEntry&, State*) const { return absl::OkStatus(); }

absl::Status JournalProtocol::Check(const LogEntry& log, State* after) const {
  if (rules_.chain_is_unbroken && !restorable_) {
    return absl::FailedPreconditionError(
        "the archive has no checkpoint that a log entry could follow; ship one first");
  }
  if (rules_.chain_is_unbroken && log.predecessor != after->last_sequence) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a log entry that follows sequence ", log.predecessor,
        " cannot be shipped: the archive can be restored up to ", after->last_sequence));
  }
  after->history = after->history.Until(log.predecessor);
  for (const Segment& segment : log.segments) {
    if (rules_.only_synced_is_sent && segment.last_sequence > synced_) {
      return absl::FailedPreconditionError(
          absl::StrCat("sequence ", segment.last_sequence,
                       " cannot be shipped: the volume is synced up to ", synced_));
    }
    if (rules_.chain_is_unbroken && segment.log < min_log_) {
      return absl::FailedPreconditionError(
          absl::StrCat("log ", segment.log, " cannot be shipped: a restore replays logs from ",
                       min_log_, " on only"));
    }
    const HistoryEntry* writer = after->history.WriterOf(segment.first_sequence);
    if (writer == nullptr || writer->incarnation != segment.incarnation) {
      const absl::Status appended =
          after->history.Append({segment.incarnation, segment.epoch, segment.first_sequence});
      if (rules_.chain_is_unbroken) MOORING_RETURN_IF_ERROR(appended);
    }
    after->last_sequence = segment.last_sequence;
  }
  return absl::OkStatus();
}

absl::Status JournalProtocol::Check(const CheckpointEntry& checkpoint, State* after) const {
  if (rules_.files_come_first) MOORING_RETURN_IF_ERROR(CheckFiles(checkpoint));
  const uint64_t replay_from = ReplayFrom(checkpoint.max_sequence);
  if (rules_.replay_is_complete && checkpoint.replay_from > replay_from) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a checkpoint at sequence ", checkpoint.max_sequence, " cannot be replayed from slot ",
        checkpoint.replay_from, ": log entries from slot ", replay_from, " on are needed"));
  }
  const State state{checkpoint.history, checkpoint.max_sequence};
  if (!restorable_) {
    // What stands below one's own claim belongs to no lineage, or to one that was left.
    if (checkpoint.replay_from <= claim_slot_) {
      return absl::FailedPreconditionError(
          absl::StrCat("the first checkpoint of a lineage cannot be replayed from slot ",
                       checkpoint.replay_from, ", at or below its claim in ", claim_slot_));
    }
    *after = state;
    return absl::OkStatus();
  }
  switch (Compare(state, *restorable_)) {
    case Relation::kContains:
      *after = state;
      return absl::OkStatus();
    case Relation::kEqual:
    case Relation::kStrictPrefix:
      return absl::OkStatus();
    case Relation::kDiverged:
      break;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "a checkpoint at sequence ", checkpoint.max_sequence,
      " is of another lineage than what the archive holds up to ", restorable_->last_sequence));
}

absl::Status JournalProtocol::CheckFiles(const CheckpointEntry& checkpoint) const {
  for (const ArchivedFile& file : checkpoint.files) {
    if (durable_files_.contains(FileIdentity(file))) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("a checkpoint cannot name ", FileKey(file.name), " (", file.size,
                     " bytes): it is not known to be in the archive; upload it first"));
  }
  return absl::OkStatus();
}

void JournalProtocol::SetSynced(uint64_t sequence) { synced_ = std::max(synced_, sequence); }

void JournalProtocol::FileIsDurable(const ArchivedFile& file) {
  durable_files_.insert(FileIdentity(file));
}

uint64_t JournalProtocol::ReplayFrom(uint64_t max_sequence) const {
  for (const auto& [slot, last_sequence] : logs_) {
    if (last_sequence > max_sequence) return slot;
  }
  return next_slot_;
}

JournalRequest JournalProtocol::request() const {
  using Kind = JournalRequest::Kind;
  switch (step_) {
    case Step::kNone:
      return {};
    case Step::kReadHint:
      return {Kind::kReadHint, 0, {}};
    case Step::kListFromHint:
      return {Kind::kList, hint_ - 1, {}};
    case Step::kListAll:
      return {Kind::kList, 0, {}};
    case Step::kListNew:
      return {Kind::kList, next_slot_ - 1, {}};
    case Step::kCreate:
      return {Kind::kCreate, next_slot_, bytes_};
    case Step::kReadBack:
      return {Kind::kGet, next_slot_, {}};
    case Step::kListBeyond:
      return {Kind::kList, next_slot_, {}};
  }
  return {};
}

void JournalProtocol::OnReply(const JournalReply& reply) {
  using Kind = JournalReply::Kind;
  switch (step_) {
    case Step::kNone:
      return;
    case Step::kReadHint:
      if (reply.kind != Kind::kHint) return;
      hint_ = reply.slot;
      step_ = hint_ > 1 ? Step::kListFromHint : Step::kListAll;
      return;
    case Step::kListFromHint:
    case Step::kListAll:
    case Step::kListNew:
    case Step::kListBeyond:
      if (reply.kind == Kind::kSlots) OnSlots(reply.slots);
      return;
    case Step::kCreate:
      OnCreateReply(reply.kind);
      return;
    case Step::kReadBack:
      OnReadBack(reply);
      return;
  }
}

void JournalProtocol::OnSlots(const std::vector<uint64_t>& slots) {
  if (step_ == Step::kListFromHint && slots.empty()) {
    step_ = Step::kListAll;  // The hint is not trusted: it may be wrong in any way.
    return;
  }
  if (step_ == Step::kListBeyond) {
    if (slots.empty()) return EntryStands();
    if (phase_ == Phase::kClaiming) return Finish(Phase::kClaimLost);
    return AnotherIsThere(absl::StrCat("an entry that slot ", slots.back(), " came after"));
  }
  if (phase_ == Phase::kCheckingFence) {
    if (slots.empty()) return Finish(Phase::kOwning);
    return AnotherIsThere("an entry that this owner did not make");
  }
  if (step_ == Step::kListNew && slots.empty()) return Finish(Phase::kHeadKnown);
  HeadIs(slots.empty() ? 0 : slots.back());
}

void JournalProtocol::HeadIs(uint64_t head) {
  head_ = head;
  next_slot_ = head + 1;
  Finish(Phase::kHeadKnown);
}

void JournalProtocol::OnCreateReply(JournalReply::Kind kind) {
  if (kind == JournalReply::Kind::kCreated) return EntryIsThere();
  // A5: whatever else it says, an earlier attempt may have made the object.
  if (kind == JournalReply::Kind::kExists || kind == JournalReply::Kind::kUnknown) {
    step_ = Step::kReadBack;
  }
}

void JournalProtocol::OnReadBack(const JournalReply& reply) {
  if (reply.kind == JournalReply::Kind::kAbsent) {
    resent_ = true;
    step_ = Step::kCreate;
    return;
  }
  if (reply.kind != JournalReply::Kind::kFound) return;
  if (reply.bytes == bytes_) return EntryIsThere();
  const absl::StatusOr<Entry> found = DecodeEntry(SlotKey(next_slot_), next_slot_, reply.bytes);
  if (!found.ok()) return Fail(found.status());
  if (found->nonce != entry_.nonce) return AnotherIsThere(Describe(*found));
  if (!rules_.resend_is_the_same) return EntryIsThere();
  Fail(absl::DataLossError(absl::StrCat("archive object ", SlotKey(next_slot_),
                                        " is not what this owner wrote there, but has its nonce")));
}

void JournalProtocol::EntryIsThere() {
  const bool verify =
      phase_ == Phase::kClaiming ? rules_.claim_is_verified : resent_ && rules_.resend_is_verified;
  if (!verify) return EntryStands();
  step_ = Step::kListBeyond;
}

void JournalProtocol::EntryStands() {
  if (phase_ == Phase::kClaiming) {
    claim_slot_ = next_slot_;
    head_ = next_slot_++;
    return Finish(Phase::kClaimed);
  }
  restorable_ = std::move(after_);
  after_.reset();
  if (const auto* log = entry_.As<LogEntry>()) {
    logs_.emplace_back(next_slot_, log->segments.back().last_sequence);
  }
  if (const auto* checkpoint = entry_.As<CheckpointEntry>()) {
    min_log_ = std::max(min_log_, checkpoint->min_log);
    // A later checkpoint of this owner never reaches less far.
    const auto needed = [&](const auto& log) { return log.second > checkpoint->max_sequence; };
    logs_.erase(logs_.begin(), std::find_if(logs_.begin(), logs_.end(), needed));
    checkpoint_files_.clear();
    for (const ArchivedFile& file : checkpoint->files) checkpoint_files_.insert(file.name);
  }
  if (const auto* collect = entry_.As<CollectEntry>(); collect && rules_.collected_is_forgotten) {
    const std::set<std::string> gone(collect->files.begin(), collect->files.end());
    absl::erase_if(durable_files_, [&](const std::string& identity) {
      return gone.count(identity.substr(0, identity.find('/'))) != 0;
    });
  }
  head_ = next_slot_++;
  Finish(Phase::kOwning);
}

void JournalProtocol::AnotherIsThere(std::string_view who) {
  if (phase_ == Phase::kClaiming) return Finish(Phase::kClaimLost);
  if (!rules_.collision_fences && phase_ == Phase::kAppending) {
    ++next_slot_;  // As a writer does that takes a collision for its own mistake.
    entry_.slot = next_slot_;
    if (absl::StatusOr<std::string> bytes = EncodeEntry(entry_); bytes.ok()) {
      bytes_ = *std::move(bytes);
      step_ = Step::kCreate;
      return;
    }
  }
  status_ = FencedError(next_slot_, who);
  Finish(Phase::kFenced);
}

void JournalProtocol::Fail(absl::Status status) {
  status_ = std::move(status);
  Finish(Phase::kFailed);
}

void JournalProtocol::Finish(Phase phase) {
  phase_ = phase;
  step_ = Step::kNone;
  bytes_.clear();
  resent_ = false;
}

absl::Status JournalProtocol::ReplaceResend(Body body) {
  if (rules_.resend_is_the_same || step_ != Step::kCreate || !resent_) {
    return absl::FailedPreconditionError("what is sent again is never rebuilt (A5)");
  }
  MOORING_RETURN_IF_ERROR(Send(std::move(body), entry_.nonce, entry_.time_us));
  resent_ = true;
  return absl::OkStatus();
}

std::string JournalProtocol::Fingerprint() const {
  std::vector<std::string> files(durable_files_.begin(), durable_files_.end());
  std::sort(files.begin(), files.end());
  std::string out = absl::StrCat(
      incarnation_, " ", static_cast<int>(phase_), " ", static_cast<int>(step_), " ", head_, " ",
      next_slot_, " ", claim_slot_, " ", resent_, " ", synced_, " ", hint_, " ", min_log_);
  for (const auto& [slot, sequence] : logs_) absl::StrAppend(&out, " L", slot, ",", sequence);
  for (const std::string& file : files) absl::StrAppend(&out, " F", file);
  for (const std::string& file : checkpoint_files_) absl::StrAppend(&out, " K", file);
  if (restorable_) {
    absl::StrAppend(&out, " R", restorable_->last_sequence);
    for (const HistoryEntry& entry : restorable_->history.entries()) {
      absl::StrAppend(&out, " ", entry.incarnation, ",", entry.first_sequence);
    }
  }
  // The rest of what is under way follows from the bytes.
  return absl::StrCat(out, " B", bytes_);
}

}  // namespace mooring::archive

bool mooring::IsFenced(const absl::Status& status) {
  return status.GetPayload(ToAbsl(archive::kFencedPayload)).has_value();
}
