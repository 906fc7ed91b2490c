#include "tests/archive/explorer/steps.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status.h"

namespace mooring::archive::explorer {
namespace {

using Phase = JournalProtocol::Phase;
using Request = JournalRequest::Kind;
using Reply = JournalReply::Kind;

std::string Id(int number) { return absl::StrFormat("%032x", number); }
std::string Name(int index) { return std::string(1, static_cast<char>('A' + index)); }

// The protocol is shared between worlds and replaced where it changes.
void Change(Owner& owner, const std::function<void(JournalProtocol&)>& change) {
  auto protocol = std::make_shared<JournalProtocol>(*owner.protocol);
  change(*protocol);
  owner.protocol = std::move(protocol);
}

void NewVolume(Owner& owner, int index) {
  owner.volume = {};
  owner.volume.number = index * kVolumesPerOwner + owner.volumes_used++;
  owner.commits_made = 0;
}

}  // namespace

World Steps::Begin() {
  World world;
  world.owners.resize(scenario_.owners);
  for (int i = 0; i < scenario_.owners; ++i) NewVolume(world.owners[i], i);
  FindHead(world, 0);
  Claim(world, 0);
  while (world.owners[0].protocol->phase() != Phase::kOwning) {
    const JournalRequest request = world.owners[0].protocol->request();
    if (request.kind == Request::kCreate) {
      const Put put = *world.on_the_way.begin();
      world.on_the_way.clear();
      world.journal[put.slot] = put.object;
      Deliver(world, 0, {Reply::kCreated, 0, {}, {}});
    } else {
      Deliver(world, 0, {Reply::kSlots, 0, {}, {}});
    }
  }
  Capture(world, 0);
  const std::string file = world.owners[0].capture->file;
  world.owners[0].capture->uploaded = true;
  world.files.insert(file);
  Change(world.owners[0], [&](JournalProtocol& protocol) {
    protocol.FileIsDurable({file, "000001.sst", 0, 0});
  });
  AppendCheckpoint(world, 0);
  const Put put = *world.on_the_way.begin();
  world.on_the_way.clear();
  world.journal[put.slot] = put.object;
  world.checkpoints_made = {{put.slot, 0}};
  Deliver(world, 0, {Reply::kCreated, 0, {}, {}});
  world.claims = world.checkpoints = 0;
  return world;
}

std::vector<Step> Steps::From(const World& world) {
  world_ = &world;
  steps_.clear();
  Network();
  for (int i = 0; i < static_cast<int>(world.owners.size()); ++i) OwnerSteps(i);
  return std::move(steps_);
}

void Steps::Add(std::string label, const std::function<void(World&)>& change) {
  World next = *world_;
  change(next);
  steps_.push_back({std::move(label), std::move(next)});
}

// ---------------------------------------------------------------------------------------------
// The object store: a create that was sent lands at any time, or its reply is lost.

void Steps::Network() {
  for (const Put& put : world_->on_the_way) Land(put);
}

void Steps::Land(const Put& put) {
  const bool made = world_->journal.count(put.slot) == 0;
  const Entry& entry = *pool_[put.object].entry;
  const std::string label =
      absl::StrCat(made ? "created: " : "exists: ", ToAbsl(KindOf(entry)), " in slot ", put.slot);
  const auto land = [&, made](World& next) {
    next.on_the_way.erase(put);
    if (!made) return;
    const bool last = put.slot > next.journal.rbegin()->first;  // Not in a hole.
    const auto* claim = entry.As<ClaimEntry>();
    if (last && claim != nullptr && claim->continues_from) GoBack(next, put.slot, *claim);
    next.journal[put.slot] = put.object;
    if (const auto* checkpoint = entry.As<CheckpointEntry>(); last && checkpoint != nullptr) {
      next.checkpoints_made.emplace_back(put.slot, checkpoint->max_sequence);
    }
    // From here on older ones may go, whatever is left behind later.
    auto& checkpoints = next.checkpoints_made;
    if (last && entry.As<CollectEntry>() != nullptr && checkpoints.size() > 2) {
      checkpoints.erase(checkpoints.begin(), checkpoints.end() - 2);
    }
    const bool older = entry.writer < Id(next.confirmed);
    if (older && entry.As<ClaimEntry>() == nullptr) next.zombies.insert(put);
  };
  int waiting = -1;
  for (int i = 0; i < static_cast<int>(world_->owners.size()); ++i) {
    const Owner& owner = world_->owners[i];
    if (owner.waiting && owner.sent_slot == put.slot && owner.sent_object == put.object) {
      waiting = i;
    }
  }
  if (waiting < 0) return Add(label + ", late", land);
  Add(label + ", answered to " + Name(waiting), [&](World& next) {
    land(next);
    Deliver(next, waiting, {made ? Reply::kCreated : Reply::kExists, 0, {}, {}});
  });
  if (world_->timeouts >= scenario_.timeouts) return;
  Add(label + ", the reply to " + Name(waiting) + " is lost", [&](World& next) {
    land(next);
    ++next.timeouts;
    Deliver(next, waiting, {Reply::kUnknown, 0, {}, {}});
  });
}

// ---------------------------------------------------------------------------------------------
// One owner.

void Steps::OwnerSteps(int index) {
  const Owner& owner = world_->owners[index];
  if (!owner.deletes.empty()) {  // One after the other.
    const Doomed& doomed = owner.deletes.front();
    Add(absl::StrCat(Name(index), "'s delete of ", doomed.name, " or slot ", doomed.slot),
        [&](World& next) {
          auto& deletes = next.owners[index].deletes;
          deletes.erase(deletes.begin());
          if (doomed.kind == Doomed::Kind::kFile) next.files.erase(doomed.name);
          if (doomed.kind == Doomed::Kind::kMerged) next.merged.erase(doomed.name);
          if (doomed.kind == Doomed::Kind::kSlot) next.journal.erase(doomed.slot);
        });
  }
  switch (owner.phase) {
    case Owner::Phase::kDown:
      return Down(index);
    case Owner::Phase::kOffline:
      return Offline(index);
    case Owner::Phase::kRunning:
      break;
  }
  Asking(index);
  Committing(index);
  Ending(index);
  if (owner.protocol->phase() != Phase::kOwning) return;
  Owning(index);
  Checkpointing(index);
  Collecting(index);
}

void Steps::Down(int index) {
  if (world_->claims < scenario_.claims) {
    Add(Name(index) + " finds the head", [&](World& next) { FindHead(next, index); });
  }
  if (world_->claims < scenario_.claims && world_->rewinds < scenario_.rewinds) {
    if (LookBack(*world_, ~uint64_t{0}) != nullptr) {
      Add(Name(index) + " finds the head, to go back by one", [&](World& next) {
        ++next.rewinds;
        NewVolume(next.owners[index], index);
        FindHead(next, index);
        next.owners[index].goes_back = true;
      });
    }
  }
  if (world_->owners[index].volume.exists && world_->offline_opens < scenario_.offline_opens) {
    Add(Name(index) + " opens offline", [&](World& next) {
      ++next.offline_opens;
      Owner& owner = next.owners[index];
      owner.phase = Owner::Phase::kOffline;
      owner.incarnation = ++next.incarnations;
      ++owner.volume.epoch;
      OpenLog(owner, 0);
    });
  }
}

void Steps::Offline(int index) {
  Committing(index);
  Add(Name(index) + " closes offline",
      [&](World& next) { next.owners[index].phase = Owner::Phase::kDown; });
}

// What the protocol asks of the store, but for creates under way.
void Steps::Asking(int index) {
  const Owner& owner = world_->owners[index];
  const JournalRequest request = owner.protocol->request();
  if (owner.protocol->phase() == Phase::kHeadKnown) {
    return Add(Name(index) + " sends a CLAIM", [&](World& next) { Claim(next, index); });
  }
  if (request.kind == Request::kList) {
    Add(absl::StrCat(Name(index), " lists beyond slot ", request.slot), [&](World& next) {
      JournalReply reply{Reply::kSlots, 0, {}, {}};
      for (const auto& [slot, object] : next.journal) {
        if (slot > request.slot) reply.slots.push_back(slot);
      }
      Deliver(next, index, reply);
    });
  }
  if (request.kind == Request::kGet) {
    Add(absl::StrCat(Name(index), " reads slot ", request.slot), [&](World& next) {
      const auto found = next.journal.find(request.slot);
      if (found == next.journal.end()) return Deliver(next, index, {Reply::kAbsent, 0, {}, {}});
      Deliver(next, index, {Reply::kFound, 0, {}, pool_[found->second].bytes});
    });
  }
  if (owner.waiting && world_->timeouts < scenario_.timeouts &&
      world_->on_the_way.count({owner.sent_slot, owner.sent_object}) != 0) {
    Add(Name(index) + " times out", [&](World& next) {
      ++next.timeouts;
      Deliver(next, index, {Reply::kUnknown, 0, {}, {}});
    });
  }
}

void Steps::Owning(int index) {
  const Owner& owner = world_->owners[index];
  const size_t end = scenario_.ships_unsynced ? owner.volume.commits.size() : owner.volume.synced;
  const State* archived = owner.protocol->restorable();
  if (archived != nullptr && end > archived->last_sequence) {
    Add(Name(index) + " ships its log", [&](World& next) { Ship(next, index); });
  }
}

void Steps::Checkpointing(int index) {
  const Owner& owner = world_->owners[index];
  if (!owner.capture) {
    // Without a checkpoint nothing else can be archived.
    const bool first = owner.protocol->restorable() == nullptr;
    if (!first && world_->checkpoints >= scenario_.checkpoints) return;
    return Add(Name(index) + " captures a checkpoint", [&](World& next) { Capture(next, index); });
  }
  if (!owner.capture->uploaded) {
    Add(Name(index) + " uploads the checkpoint's file", [&](World& next) {
      Owner& changed = next.owners[index];
      const std::string name = changed.capture->file;
      changed.capture->uploaded = true;
      next.files.insert(name);
      Change(changed, [&](JournalProtocol& protocol) {
        protocol.FileIsDurable({name, "000001.sst", changed.capture->commits.size(), 0});
      });
      if (changed.capture->entry_stands) changed.capture.reset();
    });
  }
  if (!owner.capture->entry_stands && (owner.capture->uploaded || scenario_.entry_before_files)) {
    Add(Name(index) + " sends a CHECKPOINT", [&](World& next) { AppendCheckpoint(next, index); });
  }
}

void Steps::Collecting(int index) {
  const Owner& owner = world_->owners[index];
  if (world_->collections >= scenario_.collections || owner.capture || !owner.deletes.empty() ||
      world_->journal.rbegin()->first != owner.protocol->head()) {
    return;  // A zombie that had planned before is one whose COLLECT is under way.
  }
  if (owner.protocol->restorable() == nullptr) return;  // As between going back and a checkpoint.
  CollectPlan plan = PlanOf(*world_);
  if (!plan.is_new) return;
  Add(absl::StrCat(Name(index), " collects"),
      [&](World& next) { Collect(next, index, std::move(plan)); });
}

void Steps::Committing(int index) {
  const Owner& owner = world_->owners[index];
  const bool serving =
      owner.phase == Owner::Phase::kOffline || owner.protocol->phase() >= Phase::kOwning;
  const bool fenced =
      owner.phase == Owner::Phase::kRunning && owner.protocol->phase() >= Phase::kFenced;
  if (!serving || fenced || !owner.volume.exists) return;
  if (world_->commits < scenario_.commits && owner.commits_made < kCommitsPerVolume) {
    Add(Name(index) + " commits", [&](World& next) {
      Owner& changed = next.owners[index];
      SimulatedVolume& volume = changed.volume;
      volume.commits.push_back(
          static_cast<CommitId>(volume.number * kCommitsPerVolume + changed.commits_made++));
      ++next.commits;
      if (!scenario_.power_loss) volume.synced = volume.commits.size();
    });
  }
  if (owner.volume.synced < owner.volume.commits.size()) {
    Add(Name(index) + " syncs", [&](World& next) {
      SimulatedVolume& volume = next.owners[index].volume;
      volume.synced = volume.commits.size();
    });
  }
}

void Steps::Ending(int index) {
  const Owner& owner = world_->owners[index];
  if (world_->crashes >= scenario_.crashes) return;
  const auto crash = [&, index](World& next) {
    ++next.crashes;
    Stop(next.owners[index]);
  };
  Add(Name(index) + (owner.protocol->phase() == Phase::kFenced ? " reopens" : " crashes"), crash);
  if (owner.volume.synced < owner.volume.commits.size()) {
    Add(Name(index) + " loses power", [&](World& next) {
      crash(next);
      SimulatedVolume& volume = next.owners[index].volume;
      volume.commits.resize(volume.synced);
      while (!volume.logs.empty() && volume.logs.back().first_sequence > volume.synced + 1) {
        volume.logs.pop_back();
      }
    });
  }
  if (scenario_.volume_loss && owner.volume.exists && owner.volumes_used < kVolumesPerOwner) {
    Add(Name(index) + " crashes, its volume is lost", [&](World& next) {
      crash(next);
      NewVolume(next.owners[index], index);
    });
  }
}

void Steps::Stop(Owner& owner) const {
  owner.phase = Owner::Phase::kDown;
  owner.protocol = nullptr;
  owner.waiting = false;
  owner.capture.reset();
  owner.goes_back = false;
}

}  // namespace mooring::archive::explorer
