#include "src/wal/spare_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/wal/format.h"
#include "src/wal/io.h"

namespace mooring::wal {
namespace {

using rocksdb::IOOptions;

constexpr std::string_view kPrefixView = SparePool::kPrefix;
constexpr absl::Duration kRetryAfter = absl::Seconds(5);

// A spare is only made where so many of them would fit: the volume is for data.
constexpr uint64_t kRoomInFiles = 4;

uint64_t GrowthBytes(uint64_t file_bytes) {
  return std::clamp<uint64_t>(RoundUp(file_bytes / 16, kBlockBytes), 64 << 10, 4 << 20);
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

SparePool::SparePool(std::shared_ptr<rocksdb::FileSystem> fs, const LogOptions& options,
                     const std::vector<std::string>& names)
    : fs_(std::move(fs)),
      directory_(options.directory),
      file_bytes_(RoundUp(options.file_bytes, kBlockBytes)),
      growth_bytes_(GrowthBytes(options.file_bytes)),
      wanted_(static_cast<size_t>(options.spares)),
      inline_(options.test.spares_inline) {
  Adopt(names);
  if (!inline_) thread_ = std::thread([this] { Run(); });
}

SparePool::~SparePool() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void SparePool::Begin() {
  absl::MutexLock lock(&mutex_);
  begun_ = true;
  changed_.Signal();
}

void SparePool::Adopt(const std::vector<std::string>& names) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& name : names) {
    if (std::string_view(name).substr(0, kPrefixView.size()) != kPrefixView) continue;
    uint64_t number = 0;
    if (absl::SimpleAtoi(name.substr(kPrefixView.size()), &number)) {
      next_name_ = std::max(next_name_, number + 1);
    }
    const std::string path = directory_ + "/" + name;
    std::optional<Spare> spare;
    if (!EndsWith(name, ".tmp") && WantsMoreLocked()) spare = Inspect(path);
    if (spare.has_value()) {
      ready_.push_back(*std::move(spare));
    } else {
      Delete(path);
    }
  }
}

std::optional<Spare> SparePool::Take() {
  absl::MutexLock lock(&mutex_);
  if (ready_.empty() && inline_ && ShouldMake()) MakeOne();
  changed_.Signal();
  if (ready_.empty()) return std::nullopt;
  Spare spare = std::move(ready_.front());
  ready_.pop_front();
  return spare;
}

absl::StatusOr<Spare> SparePool::MakeSmall() {
  absl::StatusOr<Spare> spare = Make(kHeaderBytes + growth_bytes_);
  // On a volume that is nearly full a smaller step may still fit.
  if (absl::IsResourceExhausted(spare.status())) spare = Make(kHeaderBytes);
  return spare;
}

bool SparePool::WantsMore() {
  absl::MutexLock lock(&mutex_);
  return WantsMoreLocked();
}

// One more than wanted, so that a file is not deleted here while one is being made there.
bool SparePool::WantsMoreLocked() const {
  return wanted_ > 0 && ready_.size() + offered_.size() < wanted_ + 1;
}

std::string SparePool::NewPath() {
  absl::MutexLock lock(&mutex_);
  return absl::StrFormat("%s/%s%06u", directory_, kPrefix, next_name_++);
}

void SparePool::Offer(std::string path) {
  absl::MutexLock lock(&mutex_);
  offered_.push_back(std::move(path));
  changed_.Signal();
  if (inline_) ReadyOne();
}

void SparePool::Run() {
  absl::MutexLock lock(&mutex_);
  while (!stop_) {
    if (!begun_) {
      changed_.Wait(&mutex_);
    } else if (!offered_.empty()) {
      ReadyOne();
    } else if (ShouldMake() && absl::Now() >= not_before_) {
      MakeOne();
    } else if (ShouldMake()) {
      changed_.WaitWithDeadline(&mutex_, not_before_);
    } else {
      changed_.Wait(&mutex_);
    }
  }
}

bool SparePool::ShouldMake() const {
  return (begun_ || inline_) && ready_.size() + offered_.size() < wanted_;
}

void SparePool::MakeOne() {
  mutex_.Unlock();
  std::optional<Spare> made;
  if (HasRoom()) {
    if (absl::StatusOr<Spare> spare = Make(file_bytes_); spare.ok()) made = *std::move(spare);
  }
  mutex_.Lock();
  if (made.has_value()) {
    ready_.push_back(*std::move(made));
  } else {
    not_before_ = absl::Now() + kRetryAfter;
  }
}

void SparePool::ReadyOne() {
  const std::string path = std::move(offered_.front());
  offered_.pop_front();
  const bool wanted = WantsMoreLocked();
  mutex_.Unlock();
  std::optional<Spare> spare;
  // Overwriting whole blocks is cheapest where the old ones are not in the page cache.
  if (wanted && SyncFile(fs_.get(), path).ok()) spare = Inspect(path);
  if (spare.has_value()) {
    DropFromCache(fs_.get(), path);
  } else {
    Delete(path);
  }
  mutex_.Lock();
  if (spare.has_value()) ready_.push_back(*std::move(spare));
}

absl::StatusOr<Spare> SparePool::Make(uint64_t bytes) {
  const std::string path = NewPath();
  const std::string temporary = path + ".tmp";
  absl::Status status = WriteZeros(fs_.get(), temporary, bytes);
  if (status.ok()) {
    DropFromCache(fs_.get(), temporary);
    status = ToStatus(fs_->RenameFile(temporary, path, IOOptions(), nullptr), "rename", temporary);
  }
  if (status.ok()) return Spare{path, bytes};
  Delete(temporary);
  return status;
}

std::optional<Spare> SparePool::Inspect(const std::string& path) {
  uint64_t bytes = 0;
  if (!fs_->GetFileSize(path, IOOptions(), &bytes, nullptr).ok()) return std::nullopt;
  if (bytes < file_bytes_ || bytes > 2 * file_bytes_) return std::nullopt;
  uint64_t links = 1;
  const rocksdb::IOStatus counted = fs_->NumFileLinks(path, IOOptions(), &links, nullptr);
  if ((!counted.ok() && !counted.IsNotSupported()) || links != 1) return std::nullopt;
  return Spare{path, bytes};
}

bool SparePool::HasRoom() {
  uint64_t free_bytes = 0;
  if (!fs_->GetFreeSpace(directory_, IOOptions(), &free_bytes, nullptr).ok()) return true;
  return free_bytes >= kRoomInFiles * file_bytes_;
}

void SparePool::Delete(const std::string& path) {
  fs_->DeleteFile(path, IOOptions(), nullptr).PermitUncheckedError();
}

}  // namespace mooring::wal
