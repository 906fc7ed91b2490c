#include "tests/testing/fault_disk.h"

#include <errno.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

namespace mooring::testing {
namespace {

constexpr uint64_t kPageBytes = FaultFileContents::kPageBytes;

// The parts of `path` between slashes, without empty ones and ".".
std::vector<std::string> PartsOf(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

}  // namespace

FaultDisk::FaultDisk() : root_(std::make_shared<Node>()) { root_->is_directory = true; }
FaultDisk::~FaultDisk() = default;

int FaultDisk::Find(std::string_view path, Place* place) const {
  *place = {nullptr, "", root_};
  for (std::string& part : PartsOf(path)) {
    if (place->node == nullptr) return ENOENT;
    if (!place->node->is_directory) return ENOTDIR;
    const NodePtr directory = place->node;
    const auto entry = directory->entries.find(part);
    *place = {directory, std::move(part),
              entry == directory->entries.end() ? nullptr : entry->second};
  }
  return 0;
}

int FaultDisk::FindFile(std::string_view path, NodePtr* node) const {
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node == nullptr) return ENOENT;
  if (place.node->is_directory) return EISDIR;
  *node = place.node;
  return 0;
}

void FaultDisk::Touch(Node& node) { node.modified = ++changes_; }

void FaultDisk::Charge(Node& node) {
  const bool gone = node.links == 0 && node.open_files == 0;
  const uint64_t pages = gone ? 0 : FaultFileContents::PagesOf(node.contents.size());
  used_pages_ += pages - node.charged_pages;
  node.charged_pages = pages;
}

void FaultDisk::Apply(Operation operation) {
  for (const Change& change : operation) {
    NodePtr& entry = change.directory->entries[change.name];
    const NodePtr replaced = std::exchange(entry, change.node);
    if (change.node != nullptr) ++change.node->links;
    if (replaced != nullptr) --replaced->links;
    if (change.node == nullptr) change.directory->entries.erase(change.name);
    if (replaced != nullptr && replaced != change.node) Charge(*replaced);
    Touch(*change.directory);
  }
  // A rename takes the old name away after it gave the new one: only now the counts are right.
  for (const Change& change : operation) {
    if (change.node != nullptr) Charge(*change.node);
  }
  unsynced_.push_back(std::move(operation));
}

int FaultDisk::Open(std::string_view path, OpenMode mode, FilePtr* file) {
  FilePtr opened;  // Afterwards the file that `*file` was, closed when the mutex is free again.
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node == nullptr) {
    if (!mode.create) return ENOENT;
    place.node = std::make_shared<Node>();
    Touch(*place.node);
    Apply({{place.directory, place.name, place.node}});
  }
  if (place.node->is_directory) return EISDIR;
  ++place.node->open_files;
  if (mode.truncate && place.node->contents.size() > 0) {
    place.node->contents.Truncate(0);
    Touch(*place.node);
    Charge(*place.node);
  }
  opened.reset(new File(shared_from_this(), place.node, path));
  file->swap(opened);
  return 0;
}

int FaultDisk::MakeDirectory(std::string_view path) {
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node != nullptr) return EEXIST;
  place.node = std::make_shared<Node>();
  place.node->is_directory = true;
  Apply({{place.directory, place.name, place.node}});
  return 0;
}

int FaultDisk::RemoveDirectory(std::string_view path) {
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node == nullptr) return ENOENT;
  if (!place.node->is_directory) return ENOTDIR;
  if (place.directory == nullptr) return EBUSY;
  if (!place.node->entries.empty()) return ENOTEMPTY;
  Apply({{place.directory, place.name, nullptr}});
  return 0;
}

int FaultDisk::Unlink(std::string_view path) {
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node == nullptr) return ENOENT;
  if (place.node->is_directory) return EISDIR;
  Apply({{place.directory, place.name, nullptr}});
  return 0;
}

int FaultDisk::Rename(std::string_view from, std::string_view to) {
  absl::MutexLock lock(&mutex_);
  Place source;
  Place target;
  if (const int error = Find(from, &source); error != 0) return error;
  if (const int error = Find(to, &target); error != 0) return error;
  if (source.node == nullptr) return ENOENT;
  if (source.directory == nullptr || target.directory == nullptr) return EBUSY;
  if (source.node == target.node) return 0;
  if (target.node != nullptr && target.node->is_directory) {
    if (!source.node->is_directory) return EISDIR;
    if (!target.node->entries.empty()) return ENOTEMPTY;
  }
  Apply({{target.directory, target.name, source.node}, {source.directory, source.name, nullptr}});
  return 0;
}

int FaultDisk::Link(std::string_view from, std::string_view to) {
  absl::MutexLock lock(&mutex_);
  NodePtr node;
  Place target;
  if (const int error = FindFile(from, &node); error != 0) return error;
  if (const int error = Find(to, &target); error != 0) return error;
  if (target.node != nullptr) return EEXIST;
  Apply({{target.directory, target.name, node}});
  return 0;
}

int FaultDisk::Stat(std::string_view path, FileInfo* info) const {
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node == nullptr) return ENOENT;
  const Node& node = *place.node;
  *info = {node.is_directory, node.contents.size(), node.links, node.modified};
  return 0;
}

int FaultDisk::List(std::string_view path, std::vector<std::string>* names) const {
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node == nullptr) return ENOENT;
  if (!place.node->is_directory) return ENOTDIR;
  names->clear();
  for (const auto& [name, unused] : place.node->entries) names->push_back(name);
  return 0;
}

bool FaultDisk::SameFile(std::string_view a, std::string_view b) const {
  absl::MutexLock lock(&mutex_);
  Place first;
  Place second;
  if (Find(a, &first) != 0 || Find(b, &second) != 0) return false;
  return first.node != nullptr && first.node == second.node;
}

int FaultDisk::SyncDirectory(std::string_view path) {
  absl::MutexLock lock(&mutex_);
  Place place;
  if (const int error = Find(path, &place); error != 0) return error;
  if (place.node == nullptr) return ENOENT;
  if (!place.node->is_directory) return ENOTDIR;
  SyncDirectoryNode(place.node);
  return 0;
}

// An operation that touches two directories takes with it what came before it in the other one.
void FaultDisk::SyncDirectoryNode(const NodePtr& directory) {
  std::set<const Node*> directories = {directory.get()};
  std::vector<bool> synced(unsynced_.size(), false);
  for (size_t i = unsynced_.size(); i-- > 0;) {
    for (const Change& change : unsynced_[i]) {
      if (directories.count(change.directory.get()) > 0) synced[i] = true;
    }
    if (!synced[i]) continue;
    for (const Change& change : unsynced_[i]) directories.insert(change.directory.get());
  }
  std::vector<Operation> left;
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    if (!synced[i]) {
      left.push_back(std::move(unsynced_[i]));
      continue;
    }
    for (const Change& change : unsynced_[i]) {
      change.directory->durable_entries[change.name] = change.node;
      if (change.node == nullptr) change.directory->durable_entries.erase(change.name);
    }
  }
  unsynced_ = std::move(left);
}

void FaultDisk::SyncTree(const NodePtr& node) {
  if (!node->is_directory) return node->contents.Sync();
  node->durable_entries = node->entries;
  for (const auto& [name, child] : node->entries) SyncTree(child);
}

void FaultDisk::SyncAll() {
  absl::MutexLock lock(&mutex_);
  unsynced_.clear();
  SyncTree(root_);
}

void FaultDisk::DropCaches() {
  absl::MutexLock lock(&mutex_);
  const std::function<void(const NodePtr&)> drop = [&drop](const NodePtr& node) {
    node->contents.DropCleanPages();
    for (const auto& [name, child] : node->entries) drop(child);
  };
  drop(root_);
}

void FaultDisk::SetCapacity(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  capacity_bytes_ = bytes;
}

uint64_t FaultDisk::UsedBytes() const {
  absl::MutexLock lock(&mutex_);
  return used_pages_ * kPageBytes;
}

uint64_t FaultDisk::FreeBytes() const {
  absl::MutexLock lock(&mutex_);
  const uint64_t used = used_pages_ * kPageBytes;
  return capacity_bytes_ > used ? capacity_bytes_ - used : 0;
}

int FaultDisk::WriteTo(const NodePtr& node, uint64_t offset, std::string_view data) {
  const uint64_t free_pages =
      capacity_bytes_ / kPageBytes > used_pages_ ? capacity_bytes_ / kPageBytes - used_pages_ : 0;
  int error = 0;
  const uint64_t end = offset + data.size();
  if (end > node->contents.size() &&
      FaultFileContents::PagesOf(end) - node->charged_pages > free_pages) {
    const uint64_t limit = (node->charged_pages + free_pages) * kPageBytes;
    data = data.substr(0, limit > offset ? limit - offset : 0);
    error = ENOSPC;
  }
  node->contents.Write(offset, data);
  Touch(*node);
  Charge(*node);
  return error;
}

FaultDisk::File::~File() {
  absl::MutexLock lock(&disk_->mutex_);
  --node_->open_files;
  disk_->Charge(*node_);
}

int FaultDisk::File::Write(uint64_t offset, std::string_view data) {
  absl::MutexLock lock(&disk_->mutex_);
  return disk_->WriteTo(node_, offset, data);
}

int FaultDisk::File::Append(std::string_view data) {
  absl::MutexLock lock(&disk_->mutex_);
  return disk_->WriteTo(node_, node_->contents.size(), data);
}

int FaultDisk::File::Truncate(uint64_t size) {
  absl::MutexLock lock(&disk_->mutex_);
  node_->contents.Truncate(size);
  disk_->Touch(*node_);
  disk_->Charge(*node_);
  return 0;
}

int FaultDisk::File::Sync() {
  absl::MutexLock lock(&disk_->mutex_);
  node_->contents.Sync();
  return 0;
}

void FaultDisk::File::LoseDirtyPages() {
  absl::MutexLock lock(&disk_->mutex_);
  node_->contents.LoseDirtyPages();
}

size_t FaultDisk::File::Read(uint64_t offset, size_t length, char* out, bool direct) {
  absl::MutexLock lock(&disk_->mutex_);
  if (direct) node_->contents.DropCleanPages();
  return node_->contents.Read(offset, length, out);
}

uint64_t FaultDisk::File::Size() const {
  absl::MutexLock lock(&disk_->mutex_);
  return node_->contents.size();
}

}  // namespace mooring::testing
