// The parts of FaultDisk that copy a disk and that damage one.

#include <errno.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "tests/testing/fault_disk.h"

namespace mooring::testing {

FaultDisk::NodePtr FaultDisk::CopyTree(const NodePtr& node, Copies& copies) {
  if (node == nullptr) return nullptr;
  NodePtr& copy = copies[node.get()];
  if (copy != nullptr) return copy;
  const NodePtr made = std::make_shared<Node>(*node);
  copy = made;
  made->open_files = made->charged_pages = 0;
  for (auto& [name, child] : made->entries) child = CopyTree(child, copies);
  for (auto& [name, child] : made->durable_entries) child = CopyTree(child, copies);
  return made;
}

void FaultDisk::ChargeTree(const NodePtr& node) {
  if (!node->is_directory) return Charge(*node);
  for (const auto& [name, child] : node->entries) ChargeTree(child);
}

std::shared_ptr<FaultDisk> FaultDisk::Clone() const {
  auto clone = std::make_shared<FaultDisk>();
  absl::MutexLock lock(&mutex_);
  absl::MutexLock clone_lock(&clone->mutex_);
  Copies copies;
  clone->root_ = CopyTree(root_, copies);
  clone->unsynced_ = unsynced_;
  for (Operation& operation : clone->unsynced_) {
    for (Change& change : operation) {
      change.directory = CopyTree(change.directory, copies);
      change.node = CopyTree(change.node, copies);
    }
  }
  clone->changes_ = changes_;
  clone->capacity_bytes_ = capacity_bytes_;
  clone->ChargeTree(clone->root_);
  return clone;
}

std::vector<const FaultDisk::Operation*> FaultDisk::Survivors(DirectoryLoss loss,
                                                              FaultRandom& random) const {
  std::map<const Node*, uint64_t> left;
  for (const Operation& operation : unsynced_) {
    for (const Change& change : operation) ++left[change.directory.get()];
  }
  // In the order in which the operations were made, for node addresses differ from run to run.
  std::map<const Node*, bool> drawn;
  for (const Operation& operation : unsynced_) {
    for (const Change& change : operation) {
      if (std::exchange(drawn[change.directory.get()], true)) continue;
      uint64_t& kept = left[change.directory.get()];
      if (random.OneIn(4)) continue;
      kept = random.OneIn(4) ? 0 : random.Below(kept + 1);
    }
  }
  std::vector<const Operation*> survivors;
  for (const Operation& operation : unsynced_) {
    bool survives = loss == DirectoryLoss::kAny ? random.OneIn(2) : true;
    for (const Change& change : operation) {
      uint64_t& kept = left[change.directory.get()];
      if (loss == DirectoryLoss::kSuffix && kept == 0) survives = false;
      if (kept > 0) --kept;
    }
    if (survives) survivors.push_back(&operation);
  }
  return survivors;
}

FaultDisk::NodePtr FaultDisk::CopyAfterPowerCut(
    const NodePtr& node, const std::map<const Node*, Entries>& surviving_entries,
    FaultRandom& random, Copies& copies) {
  NodePtr& copy = copies[node.get()];
  if (copy == nullptr) {
    copy = std::make_shared<Node>();
    copy->is_directory = node->is_directory;
    copy->modified = node->modified;
    if (!node->is_directory) copy->contents = node->contents.AfterPowerCut(random);
  }
  const NodePtr made = copy;
  ++made->links;
  if (!node->is_directory) return made;
  const auto survived = surviving_entries.find(node.get());
  const Entries& entries =
      survived == surviving_entries.end() ? node->durable_entries : survived->second;
  for (const auto& [name, child] : entries) {
    made->entries[name] = CopyAfterPowerCut(child, surviving_entries, random, copies);
  }
  made->durable_entries = made->entries;
  return made;
}

std::shared_ptr<FaultDisk> FaultDisk::PowerCut(uint64_t seed, DirectoryLoss loss) const {
  auto clone = std::make_shared<FaultDisk>();
  FaultRandom random(seed);
  absl::MutexLock lock(&mutex_);
  absl::MutexLock clone_lock(&clone->mutex_);
  std::map<const Node*, Entries> surviving_entries;
  for (const Operation* operation : Survivors(loss, random)) {
    for (const Change& change : *operation) {
      const auto [entries, added] = surviving_entries.try_emplace(change.directory.get());
      if (added) entries->second = change.directory->durable_entries;
      entries->second[change.name] = change.node;
      if (change.node == nullptr) entries->second.erase(change.name);
    }
  }
  Copies copies;
  clone->root_ = CopyAfterPowerCut(root_, surviving_entries, random, copies);
  clone->changes_ = changes_;
  clone->capacity_bytes_ = capacity_bytes_;
  clone->ChargeTree(clone->root_);
  return clone;
}

std::map<std::string, uint64_t> FaultDisk::Files() const {
  absl::MutexLock lock(&mutex_);
  std::map<std::string, uint64_t> files;
  const std::function<void(const NodePtr&, const std::string&)> visit =
      [&](const NodePtr& node, const std::string& path) {
        if (!node->is_directory) files[path] = node->contents.size();
        for (const auto& [name, child] : node->entries) visit(child, path + "/" + name);
      };
  visit(root_, "");
  return files;
}

int FaultDisk::ReadFile(std::string_view path, std::string* contents) const {
  absl::MutexLock lock(&mutex_);
  NodePtr node;
  if (const int error = FindFile(path, &node); error != 0) return error;
  *contents = node->contents.ReadAll();
  return 0;
}

void FaultDisk::MakeEntryDurable(const NodePtr& directory, const std::string& name) {
  for (Operation& operation : unsynced_) {
    operation.erase(std::remove_if(operation.begin(), operation.end(),
                                   [&](const Change& change) {
                                     return change.directory == directory && change.name == name;
                                   }),
                    operation.end());
  }
  const auto entry = directory->entries.find(name);
  if (entry == directory->entries.end()) {
    directory->durable_entries.erase(name);
  } else {
    directory->durable_entries[name] = entry->second;
  }
}

int FaultDisk::ReplaceFile(std::string_view path, std::string_view contents) {
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node != nullptr && place.node->is_directory) return EISDIR;
  const NodePtr node = std::make_shared<Node>();
  node->contents.Write(0, contents);
  node->contents.Sync();
  Touch(*node);
  Apply({{place.directory, place.name, node}});
  MakeEntryDurable(place.directory, place.name);
  return 0;
}

int FaultDisk::RemoveFile(std::string_view path) {
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node == nullptr) return ENOENT;
  Apply({{place.directory, place.name, nullptr}});
  MakeEntryDurable(place.directory, place.name);
  return 0;
}

template <typename Damage>
int FaultDisk::DamageFile(std::string_view path, Damage damage) {
  absl::MutexLock lock(&mutex_);
  NodePtr node;
  if (const int error = FindFile(path, &node); error != 0) return error;
  damage(node->contents);
  Charge(*node);
  return 0;
}

int FaultDisk::FlipBits(std::string_view path, uint64_t offset, uint64_t length) {
  return DamageFile(path, [&](FaultFileContents& file) { file.FlipBits(offset, length); });
}

int FaultDisk::ZeroRange(std::string_view path, uint64_t offset, uint64_t length) {
  return DamageFile(path, [&](FaultFileContents& file) { file.Zero(offset, length); });
}

int FaultDisk::CutFile(std::string_view path, uint64_t size) {
  return DamageFile(path, [&](FaultFileContents& file) { file.CutAt(size); });
}

}  // namespace mooring::testing
