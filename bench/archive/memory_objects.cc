#include "bench/archive/memory_objects.h"

namespace mooring::bench {
namespace {

using objectstore::ObjectInfo;
using objectstore::RequestOptions;

constexpr int64_t kKeysOfAListing = 1000;

bool HasPrefix(std::string_view key, std::string_view prefix) {
  return key.substr(0, prefix.size()) == prefix;
}

absl::Status NoFiles() { return absl::UnimplementedError("objects in memory have no files"); }

}  // namespace

Requests MemoryObjects::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

int64_t MemoryObjects::Count(std::string_view prefix) const {
  absl::MutexLock lock(&mutex_);
  int64_t count = 0;
  for (auto it = objects_.lower_bound(prefix); it != objects_.end(); ++it, ++count) {
    if (!HasPrefix(it->first, prefix)) break;
  }
  return count;
}

int64_t MemoryObjects::Bytes(std::string_view prefix) const {
  absl::MutexLock lock(&mutex_);
  int64_t bytes = 0;
  for (auto it = objects_.lower_bound(prefix); it != objects_.end(); ++it) {
    if (!HasPrefix(it->first, prefix)) break;
    bytes += static_cast<int64_t>(it->second.size());
  }
  return bytes;
}

absl::Status MemoryObjects::Put(std::string_view key, std::string_view data,
                                const RequestOptions&) {
  absl::MutexLock lock(&mutex_);
  ++requests_.writes;
  objects_.insert_or_assign(std::string(key), std::string(data));
  return absl::OkStatus();
}

absl::Status MemoryObjects::Create(std::string_view key, std::string_view data,
                                   const RequestOptions&) {
  absl::MutexLock lock(&mutex_);
  ++requests_.writes;
  if (objects_.emplace(key, data).second) return absl::OkStatus();
  return absl::AlreadyExistsError("it is there");
}

absl::Status MemoryObjects::PutFile(std::string_view, std::string_view, const RequestOptions&) {
  return NoFiles();
}

absl::StatusOr<std::string> MemoryObjects::Get(std::string_view key, const RequestOptions&) {
  absl::MutexLock lock(&mutex_);
  ++requests_.reads;
  const auto object = objects_.find(key);
  if (object == objects_.end()) return absl::NotFoundError("no such object");
  return object->second;
}

absl::StatusOr<std::string> MemoryObjects::GetRange(std::string_view key, int64_t offset,
                                                    int64_t size, const RequestOptions& options) {
  absl::StatusOr<std::string> data = Get(key, options);
  if (!data.ok()) return data;
  if (offset >= static_cast<int64_t>(data->size())) return objectstore::EndsBefore(key, offset);
  return data->substr(static_cast<size_t>(offset), static_cast<size_t>(size));
}

absl::StatusOr<int64_t> MemoryObjects::GetToFile(std::string_view, std::string_view,
                                                 const RequestOptions&) {
  return NoFiles();
}

absl::StatusOr<std::vector<ObjectInfo>> MemoryObjects::List(std::string_view prefix,
                                                            std::string_view after, int limit,
                                                            const RequestOptions&) {
  absl::MutexLock lock(&mutex_);
  std::vector<ObjectInfo> found;
  auto it = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
  for (; it != objects_.end() && HasPrefix(it->first, prefix); ++it) {
    if (static_cast<int>(found.size()) == limit) break;
    found.push_back({it->first, static_cast<int64_t>(it->second.size())});
  }
  requests_.lists += 1 + static_cast<int64_t>(found.size()) / kKeysOfAListing;
  return found;
}

absl::Status MemoryObjects::Delete(std::string_view key, const RequestOptions&) {
  absl::MutexLock lock(&mutex_);
  ++requests_.deletes;
  const auto object = objects_.find(key);
  if (object != objects_.end()) objects_.erase(object);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> MemoryObjects::RemoveAbandoned(std::string_view, absl::Duration,
                                                       const RequestOptions&) {
  absl::MutexLock lock(&mutex_);
  ++requests_.lists;
  return 0;
}

}  // namespace mooring::bench
