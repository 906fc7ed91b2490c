#include "src/wal/log_set.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/wal/io.h"

namespace mooring::wal {
namespace {

// A quarter more than what is there: what a crash leaves to be searched is in proportion to what it
// leaves to be replayed, and the inventory is written for it some 30 times in 64 MiB of log.
uint64_t ReachFor(uint64_t end) { return RoundUp(end + end / 4 + kReachUnit, kReachUnit); }

}  // namespace

LogSet::LogSet(const LogOptions& options, const Inventory& inventory,
               std::unique_ptr<InventoryFile> file, std::shared_ptr<SparePool> pool)
    : test_(options.test),
      witness_delay_(options.witness_delay),
      store_id_(inventory.store_id),
      incarnation_(inventory.incarnation + 1),
      pool_(std::move(pool)),
      inventory_file_(std::move(file)) {
  if (!test_.no_idle_witness) witness_thread_ = std::thread([this] { WitnessWhenIdle(); });
}

LogSet::~LogSet() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    wake_.SignalAll();
  }
  if (witness_thread_.joinable()) witness_thread_.join();
}

rocksdb::IOStatus LogSet::Poison(const absl::Status& failure) {
  if (!test_.forgive_errors) {
    absl::MutexLock lock(&mutex_);
    if (poison_.ok()) poison_ = failure;
    poisoned_.store(true, std::memory_order_release);
    wake_.SignalAll();
  }
  return PlainError(failure);
}

absl::Status LogSet::status() const {
  absl::MutexLock lock(&mutex_);
  return poison_;
}

rocksdb::IOStatus LogSet::PoisonedError() const {
  return PlainError(Annotate(status(), "refused after an earlier failure of the log"));
}

void LogSet::SetObserver(LogObserver* observer) {
  observer_.store(observer, std::memory_order_release);
}

Position LogSet::durable() const {
  absl::MutexLock lock(&mutex_);
  return durable_;
}

void LogSet::Publish(Log* log, uint64_t length) {
  const Position position{log->number, log->generation, length};
  {
    absl::MutexLock lock(&mutex_);
    const Log* before = log->predecessor.get();
    if (before != nullptr && before->synced.load() < before->length.load()) return;
    log->predecessor.reset();
    log->published = std::max(log->published, length);
    if (durable_ < position) durable_ = position;
    if (idle_) wake_.SignalAll();
  }
  if (LogObserver* observer = this->observer()) observer->OnSynced(position);
}

void LogSet::AddRecovered(std::shared_ptr<Log> log) {
  absl::MutexLock lock(&mutex_);
  logs_[log->number] = std::move(log);
}

absl::StatusOr<uint64_t> LogSet::Extend(Log* log, uint64_t end) {
  const uint64_t reach = ReachFor(end);
  {
    absl::MutexLock lock(&mutex_);
    log->reach = reach;
  }
  MOORING_RETURN_IF_ERROR(WriteInventory());
  return reach;
}

absl::Status LogSet::AddNew(std::shared_ptr<Log> log) {
  {
    absl::MutexLock lock(&mutex_);
    log->listed = true;
    log->open = true;
    log->reach = ReachFor(kHeaderBytes);
    log->predecessor = newest_;
    newest_ = log;
    logs_[log->number] = std::move(log);
  }
  return WriteInventory();
}

absl::StatusOr<std::shared_ptr<Log>> LogSet::Remove(uint64_t number) {
  std::shared_ptr<Log> log;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = logs_.find(number);
    if (found == logs_.end()) return log;
    log = found->second;
    logs_.erase(found);
  }
  if (log->listed && !test_.delete_before_inventory) MOORING_RETURN_IF_ERROR(WriteInventory());
  return log;
}

absl::Status LogSet::Close(const std::shared_ptr<Log>& log) {
  std::string dropped_as;
  bool write = false;
  {
    absl::MutexLock lock(&mutex_);
    log->open = false;
    log->complete = log->published == log->length.load();
    log->unused = log->length.load() == 0;
    dropped_as = std::move(log->dropped_as);
    write = logs_.count(log->number) > 0 && log == newest_;
  }
  if (!dropped_as.empty()) pool_->Offer(std::move(dropped_as));
  return write && !poisoned() ? WriteInventory() : absl::OkStatus();
}

bool LogSet::DropWhileOpen(const std::string& path, Log* log) {
  absl::MutexLock lock(&mutex_);
  if (!log->open || test_.recycle_while_open) return false;
  log->dropped_as = path;
  return true;
}

void LogSet::Hold(const std::string& path, std::shared_ptr<Log> log) {
  absl::MutexLock lock(&mutex_);
  held_[path] = std::move(log);
}

std::shared_ptr<Log> LogSet::Release(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  const auto found = held_.find(path);
  if (found == held_.end()) return nullptr;
  std::shared_ptr<Log> log = std::move(found->second);
  held_.erase(found);
  return log;
}

std::shared_ptr<Log> LogSet::Find(uint64_t number) const {
  absl::MutexLock lock(&mutex_);
  const auto found = logs_.find(number);
  return found == logs_.end() ? nullptr : found->second;
}

std::shared_ptr<Log> LogSet::newest() const {
  absl::MutexLock lock(&mutex_);
  return newest_;
}

bool LogSet::witnessed() const {
  absl::MutexLock lock(&mutex_);
  return durable_ == witnessed_;
}

absl::Status LogSet::WriteInventory() {
  absl::MutexLock file(&inventory_mutex_);
  if (poisoned()) return Annotate(status(), "the inventory of logs is not written");
  Inventory inventory;
  Position position;
  {
    absl::MutexLock lock(&mutex_);
    inventory = Snapshot();
    position = durable_;
  }
  if (absl::Status s = inventory_file_->Write(inventory, !test_.no_inventory_sync); !s.ok()) {
    Poison(s).PermitUncheckedError();
    return s;
  }
  absl::MutexLock lock(&mutex_);
  witnessed_ = position;
  return absl::OkStatus();
}

Inventory LogSet::Snapshot() {
  Inventory inventory;
  inventory.incarnation = incarnation_;
  inventory.store_id = store_id_;
  for (const auto& [number, log] : logs_) {
    if (!log->listed || log->unused) continue;
    InventoryEntry entry;
    entry.log = number;
    entry.generation = log->generation;
    entry.capacity = log->capacity;
    entry.incarnation = log->incarnation;
    entry.durable_bytes = log->published;
    entry.complete = log->complete;
    entry.reach = log->reach;
    inventory.logs.push_back(entry);
  }
  return inventory;
}

// W3(c). Wakes only while commits are not yet witnessed.
void LogSet::WitnessWhenIdle() {
  absl::MutexLock lock(&mutex_);
  while (!stop_) {
    if (durable_ == witnessed_ || !poison_.ok()) {
      idle_ = true;
      wake_.Wait(&mutex_);
      idle_ = false;
      continue;
    }
    const Position seen = durable_;
    const absl::Time until = absl::Now() + witness_delay_;
    while (!stop_ && !wake_.WaitWithDeadline(&mutex_, until)) {
    }
    if (stop_ || durable_ != seen) continue;
    mutex_.Unlock();
    WriteInventory().IgnoreError();  // it poisons by itself
    mutex_.Lock();
  }
}

}  // namespace mooring::wal
