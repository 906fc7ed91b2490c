// What owners do: taking over, shipping, checkpoints, and how each is judged.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "src/archive/collected.h"
#include "src/base/status.h"
#include "tests/archive/explorer/steps.h"

namespace mooring::archive::explorer {
namespace {

using Phase = JournalProtocol::Phase;
using Request = JournalRequest::Kind;
using Reply = JournalReply::Kind;

constexpr int kNoncesPerIncarnation = 4096;

std::string Id(int number) { return absl::StrFormat("%032x", number); }
const std::string& ArchiveId() {
  static const std::string id(32, 'a');
  return id;
}

std::string NonceOf(const Owner& owner) {
  return Id(owner.incarnation * kNoncesPerIncarnation +
            static_cast<int>(owner.protocol->next_slot()));
}

void Change(Owner& owner, const std::function<void(JournalProtocol&)>& change) {
  auto protocol = std::make_shared<JournalProtocol>(*owner.protocol);
  change(*protocol);
  owner.protocol = std::move(protocol);
}

bool StartsWith(const std::vector<CommitId>& whole, const std::vector<CommitId>& prefix) {
  return prefix.size() <= whole.size() && std::equal(prefix.begin(), prefix.end(), whole.begin());
}

void Require(World& world, const absl::Status& status) {
  if (!status.ok() && world.violation.empty()) {
    world.violation = absl::StrCat("the protocol refused: ", status.message());
  }
}

}  // namespace

std::shared_ptr<const Restored> Steps::Look(const World& world, const RestoreTarget& target) {
  std::string key = absl::StrCat(target.last_slot, " ", target.last_sequence);
  for (const auto& [slot, status] : target.unusable) absl::StrAppend(&key, " without ", slot);
  for (const auto& [slot, object] : world.journal) absl::StrAppend(&key, " ", slot, ":", object);
  for (const std::string& file : world.files) absl::StrAppend(&key, " ", file);
  for (const auto& [name, object] : world.merged) absl::StrAppend(&key, " ", name, ":", object);
  std::shared_ptr<const Restored>& known = restored_[key];
  if (known == nullptr) known = Restore(pool_, world, target);
  return known;
}

std::shared_ptr<const Restored> Steps::LookBack(const World& world, uint64_t last_slot) {
  const std::shared_ptr<const Restored> end = Look(world, last_slot);
  if (!end->status.ok() || end->commits.empty()) return nullptr;
  RestoreTarget target;
  target.last_slot = last_slot;
  target.last_sequence = end->commits.size() - 1;
  const std::shared_ptr<const Restored> before = Look(world, target);
  return before->status.ok() ? before : nullptr;
}

// The two newest checkpoints of the lineage, each without any other.
std::string Steps::JudgeCheckpoints(const World& world) {
  const auto& made = world.checkpoints_made;
  for (size_t i = made.size() < 2 ? 0 : made.size() - 2; i < made.size(); ++i) {
    RestoreTarget target;
    for (const auto& [slot, object] : world.journal) {
      if (slot == made[i].first || !pool_[object].entry->As<CheckpointEntry>()) continue;
      target.unusable[slot] = absl::DataLossError("another one");
    }
    // Commits that only a later checkpoint holds are not to be had from this one.
    target.last_sequence = made[i].second;
    const std::shared_ptr<const Restored> restored = Look(world, target);
    const std::vector<CommitId>& commits = restored->commits;
    if (restored->status.ok() && commits.size() == made[i].second &&
        (StartsWith(commits, world.acknowledged) || StartsWith(world.acknowledged, commits))) {
      continue;
    }
    return absl::StrCat("I6 the checkpoint in slot ", made[i].first, " gives ", ToString(commits),
                        " of ", ToString(world.acknowledged), ": ", restored->status.message());
  }
  return "";
}

std::string Steps::Judge(const World& world) {
  const std::shared_ptr<const Restored> restored = Look(world, ~uint64_t{0});
  if (!restored->status.ok()) {
    if (world.acknowledged.empty()) return "";
    return absl::StrCat("I1 acknowledged ", ToString(world.acknowledged),
                        ", but nothing can be restored: ", restored->status.message());
  }
  if (!StartsWith(restored->commits, world.acknowledged)) {
    return absl::StrCat("I1 acknowledged ", ToString(world.acknowledged), ", but restored ",
                        ToString(restored->commits));
  }
  std::vector<CommitId> sorted = restored->commits;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return absl::StrCat("I3 restored twice: ", ToString(restored->commits));
  }
  for (const CommitId commit : world.left) {
    if (!std::binary_search(sorted.begin(), sorted.end(), commit)) continue;
    return absl::StrCat("I7 restored ", ToString(restored->commits), ", where ",
                        ToString(world.left), " was left behind");
  }
  return JudgeCheckpoints(world);
}

void Steps::Deliver(World& world, int index, const JournalReply& reply) {
  Owner& owner = world.owners[index];
  const Phase before = owner.protocol->phase();
  owner.waiting = false;
  Change(owner, [&](JournalProtocol& protocol) { protocol.OnReply(reply); });
  if (before == Phase::kAppending && owner.protocol->phase() == Phase::kOwning) {
    Appended(world, index);
  }
  Settle(world, index);
}

// What follows from a reply without anything else happening in between.
void Steps::Settle(World& world, int index) {
  Owner& owner = world.owners[index];
  switch (owner.protocol->phase()) {
    case Phase::kClaimed:
      return TakeOver(world, index);
    case Phase::kClaimLost:
      return Stop(owner);
    case Phase::kFailed:
      return Require(world, owner.protocol->status());
    default:
      if (owner.protocol->request().kind == Request::kCreate) Send(world, index);
  }
}

void Steps::Send(World& world, int index) {
  Owner& owner = world.owners[index];
  if (scenario_.rebuilds_resend && owner.protocol->resent() &&
      owner.protocol->phase() == Phase::kAppending &&
      pool_[owner.sent_object].entry->As<LogEntry>() != nullptr) {
    Change(owner, [&](JournalProtocol& protocol) {
      protocol.SetSynced(owner.volume.synced);
      Require(world, protocol.ReplaceResend(NextLog(owner)));
    });
  }
  const JournalRequest request = owner.protocol->request();
  owner.waiting = true;
  owner.sent_slot = request.slot;
  owner.sent_object = pool_.Intern(request.slot, request.bytes);
  world.on_the_way.insert({owner.sent_slot, owner.sent_object});
}

void Steps::FindHead(World& world, int index) {
  ++world.claims;
  Owner& owner = world.owners[index];
  // What is of a lineage that was left is set aside by whoever goes back.
  if (owner.lineage != world.lineage && owner.volume.exists) {
    owner.volume = {};
    owner.volume.number = index * kVolumesPerOwner + owner.volumes_used++;
    owner.commits_made = 0;
  }
  owner.lineage = world.lineage;
  owner.phase = Owner::Phase::kRunning;
  owner.incarnation = ++world.incarnations;
  auto protocol =
      std::make_shared<JournalProtocol>(ArchiveId(), Id(owner.incarnation), scenario_.rules);
  Require(world, protocol->FindHead());
  protocol->OnReply({Reply::kHint, 0, {}, {}});
  JournalReply reply{Reply::kSlots, 0, {}, {}};
  owner.archive_epoch = 0;
  for (const auto& [slot, object] : world.journal) {
    reply.slots.push_back(slot);
    const auto* claim = pool_[object].entry->As<ClaimEntry>();
    if (claim != nullptr) owner.archive_epoch = std::max(owner.archive_epoch, claim->epoch);
  }
  owner.claim_epoch = std::max(owner.archive_epoch, owner.volume.epoch) + 1;
  protocol->OnReply(reply);
  owner.protocol = std::move(protocol);
}

void Steps::Claim(World& world, int index) {
  Owner& owner = world.owners[index];
  ClaimEntry claim;
  claim.epoch = owner.claim_epoch;
  claim.owner = std::string(1, static_cast<char>('A' + index));
  claim.taken_over_slot = owner.protocol->head();
  if (owner.goes_back) {
    const std::shared_ptr<const Restored> restored = LookBack(world, claim.taken_over_slot);
    if (restored == nullptr) return Stop(owner);
    claim.taken_over_sequence = restored->commits.size() + 1;
    claim.continues_from = restored->commits.size();
    claim.continues_slot = claim.taken_over_slot;
  }
  const std::string nonce = NonceOf(owner);
  Change(owner,
         [&](JournalProtocol& protocol) { Require(world, protocol.Claim(claim, nonce, 0)); });
  Send(world, index);
}

void Steps::TakeOver(World& world, int index) {
  Owner& owner = world.owners[index];
  // Whoever goes back sees what its own claim leaves.
  const uint64_t below = owner.protocol->head() - (owner.goes_back ? 0 : 1);
  if (owner.goes_back) owner.lineage = owner.protocol->head();
  const std::shared_ptr<const Restored> restored = Look(world, below);
  const bool empty = absl::IsNotFound(restored->status);
  if (!restored->status.ok() && !empty) {
    world.violation = absl::StrCat("I4 a takeover cannot restore: ", restored->status.message());
    return;
  }
  VolumeView volume;
  volume.kind = owner.volume.exists ? VolumeView::Kind::kGood : VolumeView::Kind::kEmpty;
  volume.state = {owner.volume.history, owner.volume.commits.size()};
  ArchiveView archive;
  archive.kind = empty ? ArchiveView::Kind::kClaimsOnly : ArchiveView::Kind::kState;
  archive.state = restored->plan.state;
  OpeningOptions options;
  options.create_without_state = true;
  absl::StatusOr<OpeningAction> action = DecideOpening(volume, archive, options);
  if (!action.ok()) return Require(world, action.status());
  if (scenario_.decides_by_epoch && owner.volume.exists) action = DecideByEpoch(owner, *restored);
  BringVolume(world, index, *action, *restored);
  if (!world.violation.empty()) return;

  JournalProtocol::Found found;
  if (!empty && !owner.goes_back) {
    found.restorable = restored->plan.state;
    found.logs = restored->plan.log_slots;
    found.min_log = restored->plan.min_log;
    for (const ArchivedFile& file : restored->plan.checkpoint->As<CheckpointEntry>()->files) {
      found.checkpoint_files.insert(file.name);
    }
  }
  const std::vector<JournalItem> items = ItemsOf(pool_, world);
  const Collected collected(items);
  for (const JournalItem& item : items) {
    const auto* checkpoint = item.entry ? item.entry->As<CheckpointEntry>() : nullptr;
    if (checkpoint == nullptr || item.slot > below || !collected.Keeps(item, *checkpoint)) continue;
    found.files.insert(found.files.end(), checkpoint->files.begin(), checkpoint->files.end());
  }
  Change(owner, [&](JournalProtocol& protocol) {
    Require(world, protocol.BeginOwning(std::move(found)));
    protocol.SetSynced(owner.volume.synced);
  });
  world.confirmed = std::max(world.confirmed, owner.incarnation);
  owner.volume.epoch = owner.claim_epoch;
  OpenLog(owner, restored->plan.max_log);
}

// A10's control: the rule that epochs and lengths tell who is stale.
OpeningAction Steps::DecideByEpoch(const Owner& owner, const Restored& restored) const {
  const bool stale = owner.volume.epoch < owner.archive_epoch ||
                     owner.volume.commits.size() < restored.commits.size();
  return stale ? OpeningAction::kSetAsideAndRestore : OpeningAction::kKeep;
}

void Steps::BringVolume(World& world, int index, OpeningAction action, const Restored& restored) {
  Owner& owner = world.owners[index];
  switch (action) {
    case OpeningAction::kCreate:
      owner.volume.exists = true;
      return;
    case OpeningAction::kUploadFirstCheckpoint:
      return;
    case OpeningAction::kKeep:
      if (StartsWith(owner.volume.commits, restored.commits)) return;
      world.violation = absl::StrCat("I5 a volume with ", ToString(owner.volume.commits),
                                     " is kept, the archive has ", ToString(restored.commits));
      return;
    case OpeningAction::kSetAsideAndRestore:
      JudgeSetAside(world, index, restored);
      break;
    default:
      break;
  }
  if (action != OpeningAction::kRollForward && owner.volume.exists) {
    owner.volume.number = index * kVolumesPerOwner + owner.volumes_used % kVolumesPerOwner;
    ++owner.volumes_used;
    owner.commits_made = 0;
  }
  owner.volume.exists = true;
  owner.volume.history = restored.plan.state.history;
  owner.volume.commits = restored.commits;
  owner.volume.synced = restored.commits.size();
  owner.volume.logs.clear();
}

void Steps::JudgeSetAside(World& world, int index, const Restored& restored) {
  const std::vector<CommitId>& mine = world.owners[index].volume.commits;
  const std::vector<CommitId>& theirs = restored.commits;
  const size_t common = std::min(mine.size(), theirs.size());
  const auto differs = std::mismatch(mine.begin(), mine.begin() + common, theirs.begin());
  const bool all_of_it = differs.second == theirs.end() && mine.size() > theirs.size();
  const bool own = differs.second != theirs.end() && differs.first != mine.end() &&
                   VolumeOf(*differs.second) == world.owners[index].volume.number;
  if (!all_of_it && !own) return;
  world.violation = absl::StrCat("I5 a good volume with ", ToString(mine),
                                 " is set aside, the archive has ", ToString(theirs));
}

// A new incarnation begins where the volume ends, in a log of its own.
void Steps::OpenLog(Owner& owner, uint64_t after) const {
  SimulatedVolume& volume = owner.volume;
  if (!volume.logs.empty()) after = std::max(after, volume.logs.back().number);
  volume.history = volume.history.Until(volume.commits.size());
  volume.synced = volume.commits.size();
  const uint64_t first = volume.commits.size() + 1;
  const std::string incarnation = Id(owner.incarnation);
  // The id is new, so that this cannot fail.
  (void)volume.history.Append({incarnation, volume.epoch, first});
  volume.logs.push_back({after + 1, incarnation, volume.epoch, first});
}

void Steps::Append(World& world, int index, JournalProtocol::Body body) {
  Owner& owner = world.owners[index];
  const std::string nonce = NonceOf(owner);
  Change(owner, [&](JournalProtocol& protocol) {
    protocol.SetSynced(owner.volume.synced);
    Require(world, protocol.Append(std::move(body), nonce, 0));
  });
  if (world.violation.empty()) Send(world, index);
}

void Steps::Appended(World& world, int index) {
  Owner& owner = world.owners[index];
  const Put put{owner.sent_slot, owner.sent_object};
  if (world.zombies.count(put) != 0) {
    world.violation = absl::StrCat("I2 owner ", index, " is told that slot ", put.slot,
                                   " counts, though it was created after a takeover");
    return;
  }
  const Entry& entry = *pool_[put.object].entry;
  if (entry.As<CheckpointEntry>() != nullptr && owner.capture) {
    owner.capture->entry_stands = true;
    if (owner.capture->uploaded) owner.capture.reset();
  }
  if (const auto* collect = entry.As<CollectEntry>()) Doom(world, index, put.slot, *collect);
  if (put.slot > world.lineage) Acknowledge(world, index);  // Else it was left behind meanwhile.
}

// Everything that is restorable by the protocol's word is acknowledged.
void Steps::Acknowledge(World& world, int index) {
  const Owner& owner = world.owners[index];
  const State* archived = owner.protocol->restorable();
  if (archived == nullptr) return;
  const size_t end = std::min<size_t>(archived->last_sequence, owner.volume.commits.size());
  const std::vector<CommitId> now(owner.volume.commits.begin(), owner.volume.commits.begin() + end);
  if (StartsWith(world.acknowledged, now)) return;
  if (!StartsWith(now, world.acknowledged)) {
    world.violation = absl::StrCat("I3 two histories: acknowledged ", ToString(world.acknowledged),
                                   " and ", ToString(now));
    return;
  }
  world.acknowledged = now;
}

// All that can be shipped, in segments by log.
LogEntry Steps::NextLog(const Owner& owner) const {
  const SimulatedVolume& volume = owner.volume;
  const size_t end = scenario_.ships_unsynced ? volume.commits.size() : volume.synced;
  LogEntry log;
  log.predecessor = owner.protocol->restorable()->last_sequence;
  // A6's control: an owner that begins with the log of its own incarnation.
  if (!scenario_.rules.chain_is_unbroken) {
    log.predecessor = std::max(log.predecessor, volume.logs.back().first_sequence - 1);
  }
  for (size_t i = 0; i < volume.logs.size(); ++i) {
    const VolumeLog& source = volume.logs[i];
    const uint64_t log_end =
        i + 1 < volume.logs.size() ? volume.logs[i + 1].first_sequence - 1 : end;
    const uint64_t first = std::max(source.first_sequence, log.predecessor + 1);
    const uint64_t last = std::min<uint64_t>(log_end, end);
    if (first > last) continue;
    log.segments.push_back({source.incarnation, source.epoch, source.number, source.number,
                            first - source.first_sequence, last + 1 - source.first_sequence, first,
                            last, 0, 0});
    log.bytes.append(volume.commits.begin() + first - 1, volume.commits.begin() + last);
  }
  return log;
}

void Steps::Ship(World& world, int index) {
  LogEntry log = NextLog(world.owners[index]);
  if (!log.segments.empty()) Append(world, index, std::move(log));
}

// The flush of a checkpoint syncs, and the log goes on in a new file.
void Steps::Capture(World& world, int index) {
  ++world.checkpoints;
  ++world.uploads;
  Owner& owner = world.owners[index];
  SimulatedVolume& volume = owner.volume;
  volume.synced = volume.commits.size();
  const VolumeLog last = volume.logs.back();
  if (last.first_sequence <= volume.commits.size()) {
    volume.logs.push_back(
        {last.number + 1, last.incarnation, last.epoch, volume.commits.size() + 1});
  }
  const std::string file = FileNameOf(volume.commits, world.uploads);
  owner.capture = CapturedCheckpoint{
      file,  volume.commits, volume.history.Until(volume.commits.size()), volume.logs.back().number,
      false, false};
  if (!scenario_.believes_head) return;
  for (const std::string& there : world.files) {
    if (CommitsOf(there) != volume.commits) continue;
    owner.capture->file = there;
    owner.capture->uploaded = true;
    Change(owner, [&](JournalProtocol& protocol) {
      protocol.FileIsDurable({there, "000001.sst", volume.commits.size(), 0});
    });
  }
}

void Steps::AppendCheckpoint(World& world, int index) {
  const Owner& owner = world.owners[index];
  const CapturedCheckpoint& capture = *owner.capture;
  CheckpointEntry checkpoint;
  checkpoint.files.push_back({capture.file, "000001.sst", capture.commits.size(), 0});
  checkpoint.current = "MANIFEST-000001\n";
  checkpoint.manifest = "m";
  checkpoint.max_sequence = capture.commits.size();
  checkpoint.history = capture.history;
  checkpoint.min_log = capture.min_log;
  checkpoint.replay_from = scenario_.replays_from_own_slot
                               ? owner.protocol->next_slot()
                               : owner.protocol->ReplayFrom(checkpoint.max_sequence);
  Append(world, index, std::move(checkpoint));
}

// The rules themselves, with everything old: two checkpoints are kept, and all logs are merged.
CollectPlan Steps::PlanOf(const World& world) {
  const std::vector<JournalItem> items = ItemsOf(pool_, world);
  CollectInput input;
  input.journal = &items;
  input.files.assign(world.files.begin(), world.files.end());
  input.retention = {absl::ZeroDuration(), 2};
  input.now_us = absl::ToInt64Microseconds(absl::Hours(100));
  CollectPlan plan = PlanCollection(input);
  if (scenario_.counts_left_lineage && plan.is_new) {
    // The two newest, of whatever lineage.
    std::vector<EntryPtr> checkpoints;
    for (const JournalItem& item : items) {
      if (item.entry->As<CheckpointEntry>() != nullptr) checkpoints.push_back(item.entry);
    }
    if (checkpoints.size() < 2) return plan;
    const uint64_t floor = checkpoints[checkpoints.size() - 2]->As<CheckpointEntry>()->replay_from;
    plan.merges.clear();
    plan.entry = {{{1, floor - 1}}, {}, {}};
  }
  if (scenario_.collects_needed_log) {
    const auto last = world.journal.rbegin();
    if (pool_[last->second].entry->As<LogEntry>() != nullptr) {
      plan.entry.slots.push_back({last->first, last->first});
      plan.merges.clear();
      plan.entry.merged.clear();
      plan.is_new = true;
    }
  }
  return plan;
}

void Steps::Collect(World& world, int index, CollectPlan plan) {
  ++world.collections;
  for (const Merge& merge : plan.merges) {
    Entry joined;
    joined.nonce = Id(static_cast<int>(merge.slots.first * 100 + merge.slots.last));
    joined.archive_id = ArchiveId();
    joined.slot = merge.slots.first;
    joined.writer = Id(world.owners[index].incarnation);
    joined.body = Join(merge);
    const absl::StatusOr<std::string> bytes = EncodeEntry(joined);
    if (!bytes.ok()) return Require(world, bytes.status());
    for (MergedLog& log : plan.entry.merged) {
      if (!log.name.empty() || log.slots.first != merge.slots.first) continue;
      log.name = absl::StrCat(log.slots.first, "-", log.slots.last, "-",
                              world.owners[index].incarnation, "-", world.collections);
      log.size = bytes->size();
      world.merged[log.name] = pool_.Intern(merge.slots.first, *bytes);
    }
  }
  if (scenario_.deletes_uncollected) {
    return Doom(world, index, world.journal.rbegin()->first, plan.entry);
  }
  Append(world, index, std::move(plan.entry));
}

// What there is and `collect` calls gone, once it is proven that nobody else owns the archive.
void Steps::Doom(World& world, int index, uint64_t slot, const CollectEntry& collect) {
  if (world.journal.rbegin()->first > slot) return;
  std::vector<Doomed>& deletes = world.owners[index].deletes;
  for (const std::string& file : collect.files) {
    if (world.files.count(file) != 0) deletes.push_back({Doomed::Kind::kFile, file, 0});
  }
  for (const auto& [name, object] : world.merged) {
    const auto is_it = [&name = name](const MergedLog& log) { return log.name == name; };
    if (std::none_of(collect.merged.begin(), collect.merged.end(), is_it)) {
      deletes.push_back({Doomed::Kind::kMerged, name, 0});
    }
  }
  for (const auto& [gone, object] : world.journal) {
    const bool claim = pool_[object].entry->As<ClaimEntry>() != nullptr;
    const bool named = std::any_of(
        collect.slots.begin(), collect.slots.end(),
        [gone = gone](const auto& range) { return range.first <= gone && gone <= range.last; });
    if (gone < slot && named && (!claim || scenario_.deletes_claims)) {
      deletes.push_back({Doomed::Kind::kSlot, "", gone});
    }
  }
}

// A11: what the claim leaves behind, as it comes to stand in `slot`.
void Steps::GoBack(World& world, uint64_t slot, const ClaimEntry& claim) {
  const size_t end = *claim.continues_from;
  const std::shared_ptr<const Restored> before = Look(world, slot - 1);
  for (size_t i = end; i < before->commits.size(); ++i) world.left.push_back(before->commits[i]);
  if (world.acknowledged.size() > end) world.acknowledged.resize(end);
  auto& made = world.checkpoints_made;
  const auto beyond = [&](const auto& checkpoint) { return checkpoint.second > end; };
  made.erase(std::remove_if(made.begin(), made.end(), beyond), made.end());
  world.lineage = slot;
}

}  // namespace mooring::archive::explorer
