#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "src/archive/collect_plan.h"
#include "tests/archive/explorer/world.h"

namespace mooring::archive::explorer {

struct Step {
  std::string label;
  World world;
};

// All that can happen next in a world, and what must hold there.
class Steps {
 public:
  explicit Steps(const Scenario& scenario) : scenario_(scenario) {}

  // Owner A serves an empty store that has its first checkpoint; the others are down.
  World Begin();
  std::vector<Step> From(const World& world);
  // What is wrong with `world`; empty where nothing is.
  std::string Judge(const World& world);

 private:
  // Adds the world after `change`, which may find a violation.
  void Add(std::string label, const std::function<void(World&)>& change);

  void Network();
  void Land(const Put& put);
  void OwnerSteps(int index);
  void Down(int index);
  void Offline(int index);
  void Asking(int index);
  void Owning(int index);
  void Checkpointing(int index);
  void Collecting(int index);
  void Committing(int index);
  void Ending(int index);

  void Deliver(World& world, int index, const JournalReply& reply);
  void Settle(World& world, int index);
  void Send(World& world, int index);
  void FindHead(World& world, int index);
  void Claim(World& world, int index);
  void TakeOver(World& world, int index);
  void BringVolume(World& world, int index, OpeningAction action, const Restored& restored);
  void JudgeSetAside(World& world, int index, const Restored& restored);
  OpeningAction DecideByEpoch(const Owner& owner, const Restored& restored) const;
  void Append(World& world, int index, JournalProtocol::Body body);
  void Appended(World& world, int index);
  void Acknowledge(World& world, int index);
  LogEntry NextLog(const Owner& owner) const;
  void Ship(World& world, int index);
  void Capture(World& world, int index);
  void AppendCheckpoint(World& world, int index);
  void OpenLog(Owner& owner, uint64_t after) const;
  void Stop(Owner& owner) const;
  CollectPlan PlanOf(const World& world);
  void Collect(World& world, int index, CollectPlan plan);
  void Doom(World& world, int index, uint64_t slot, const CollectEntry& collect);
  void GoBack(World& world, uint64_t slot, const ClaimEntry& claim);
  std::shared_ptr<const Restored> Look(const World& world, const RestoreTarget& target);
  std::shared_ptr<const Restored> Look(const World& world, uint64_t last_slot) {
    RestoreTarget target;
    target.last_slot = last_slot;
    return Look(world, target);
  }
  // All but the last commit; null where the archive no longer has that.
  std::shared_ptr<const Restored> LookBack(const World& world, uint64_t last_slot);
  std::string JudgeCheckpoints(const World& world);

  const Scenario scenario_;
  ObjectPool pool_;
  const World* world_ = nullptr;
  std::vector<Step> steps_;
  absl::flat_hash_map<std::string, std::shared_ptr<const Restored>> restored_;
};

}  // namespace mooring::archive::explorer
