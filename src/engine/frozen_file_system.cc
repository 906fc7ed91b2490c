#include "src/engine/frozen_file_system.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "src/wal/io.h"

namespace mooring::engine {
namespace {

using rocksdb::IOOptions;
using rocksdb::IOStatus;

uint64_t LogNumberOfPath(std::string_view path) {
  const size_t slash = path.rfind('/');
  return wal::LogNumberOfName(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

class ShownLog : public rocksdb::FSSequentialFile {
 public:
  explicit ShownLog(const std::string* bytes) : bytes_(*bytes) {}

  IOStatus Read(size_t bytes, const IOOptions&, rocksdb::Slice* result, char* scratch,
                rocksdb::IODebugContext*) override {
    const size_t got = std::min(bytes, bytes_.size() - at_);
    std::memcpy(scratch, bytes_.data() + at_, got);
    at_ += got;
    *result = rocksdb::Slice(scratch, got);
    return IOStatus::OK();
  }
  IOStatus Skip(uint64_t bytes) override {
    at_ += static_cast<size_t>(std::min<uint64_t>(bytes, bytes_.size() - at_));
    return IOStatus::OK();
  }

 private:
  const std::string& bytes_;
  size_t at_ = 0;
};

}  // namespace

const std::string* FrozenFileSystem::FindLog(const std::string& path) const {
  const auto found = logs_.find(LogNumberOfPath(path));
  return found == logs_.end() ? nullptr : &found->second;
}

IOStatus FrozenFileSystem::GetChildren(const std::string& path, const IOOptions& options,
                                       std::vector<std::string>* names, Debug* debug) {
  const IOStatus listed = target()->GetChildren(path, options, names, debug);
  const auto is_hidden = [this](const std::string& name) {
    return wal::LogNumberOfName(name) != 0 && FindLog(name) == nullptr;
  };
  names->erase(std::remove_if(names->begin(), names->end(), is_hidden), names->end());
  return listed;
}

IOStatus FrozenFileSystem::NewSequentialFile(const std::string& path,
                                             const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                             Debug* debug) {
  const std::string* log = FindLog(path);
  if (log == nullptr) return target()->NewSequentialFile(path, options, file, debug);
  *file = std::make_unique<ShownLog>(log);
  return IOStatus::OK();
}

IOStatus FrozenFileSystem::GetFileSize(const std::string& path, const IOOptions& options,
                                       uint64_t* bytes, Debug* debug) {
  const std::string* log = FindLog(path);
  if (log == nullptr) return target()->GetFileSize(path, options, bytes, debug);
  *bytes = log->size();
  return IOStatus::OK();
}

}  // namespace mooring::engine
