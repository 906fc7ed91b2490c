#include "src/engine/rocksdb_log_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"

namespace mooring::engine {
namespace {

absl::Status NeedsCapture(absl::string_view why) {
  return absl::OutOfRangeError(absl::StrCat("a capture is needed: ", why));
}

}  // namespace

RocksDbLogSource::RocksDbLogSource(std::shared_ptr<rocksdb::FileSystem> files,
                                   std::string directory, uint64_t keep_bytes,
                                   std::function<void()> durable)
    : files_(std::move(files)),
      directory_(std::move(directory)),
      keep_bytes_(keep_bytes),
      tell_durable_(std::move(durable)) {}

void RocksDbLogSource::Begin(rocksdb::DB* db, wal::LogFileSystem* logs, FlushFunction flush) {
  const uint64_t sequence = db->GetLatestSequenceNumber();
  log_files_ = logs;
  flush_ = std::move(flush);
  {
    absl::MutexLock lock(&mutex_);
    // Logs that were made before: the replay is in files, and nothing was written since.
    for (Log& log : logs_) log.base = sequence;
    released_ = sequence;
  }
  durable_ = sequence;
  db_ = db;
}

void RocksDbLogSource::OnLogCreated(const wal::Position& position, const wal::Position& predecessor,
                                    const std::string& path) {
  Log log;
  log.number = position.log;
  log.generation = position.generation;
  // No write is under way while a log is made, so that this is exact.
  if (rocksdb::DB* const db = db_) log.base = db->GetLatestSequenceNumber();
  log.base_time_us = last_time_us_;
  if (keep_bytes_ > 0) {
    auto tail = wal::LogTail::Open(files_.get(), path, position.log, position.generation);
    if (tail.ok()) log.tail = *std::move(tail);
  }
  absl::MutexLock lock(&mutex_);
  if (!logs_.empty()) logs_.back().length = predecessor.offset;
  logs_.push_back(std::move(log));
  Prune();
}

void RocksDbLogSource::OnSynced(const wal::Position& position) {
  absl::MutexLock lock(&mutex_);
  if (synced_ < position) synced_ = position;
}

void RocksDbLogSource::OnDurable(uint64_t sequence) {
  RaiseDurable(sequence);
  if (tell_durable_) tell_durable_();
}

void RocksDbLogSource::OnTablesChanged() {
  {
    absl::MutexLock lock(&mutex_);
    table_changes_.push_back(db_.load()->GetLatestSequenceNumber());
  }
  if (tell_durable_) tell_durable_();
}

uint64_t RocksDbLogSource::TableChanges() const {
  absl::MutexLock lock(&mutex_);
  return table_changes_.size();
}

// The last sequence of a log that is complete.
uint64_t RocksDbLogSource::EndOf(size_t index) const { return logs_[index + 1].base; }

bool RocksDbLogSource::HoldDeleted(const wal::Position& end, const std::string& held_path) {
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i + 1 < logs_.size(); ++i) {
    Log& log = logs_[i];
    if (log.number != end.log || log.generation != end.generation) continue;
    log.deleted = true;
    const bool hold = EndOf(i) > released_ && held_bytes_ + end.offset <= keep_bytes_;
    if (hold) {
      log.held_path = held_path;
      held_bytes_ += end.offset;
    } else {
      log.tail.reset();  // W6: whoever lacks it gets a capture instead.
    }
    Prune();
    return hold;
  }
  return false;
}

// Forgets logs that nobody needs: neither RocksDB nor a reader.
void RocksDbLogSource::Prune() {
  while (logs_.size() > 1 && logs_.front().deleted && logs_.front().held_path.empty()) {
    logs_.pop_front();
  }
}

void RocksDbLogSource::Release(uint64_t sequence) {
  std::vector<std::string> paths;
  {
    absl::MutexLock lock(&mutex_);
    released_ = std::max(released_, sequence);
    released_bytes_ = sequence == read_sequence_ ? read_end_ : 0;
    for (size_t i = 0; i + 1 < logs_.size() && EndOf(i) <= released_; ++i) {
      if (logs_[i].held_path.empty()) continue;
      paths.push_back(std::move(logs_[i].held_path));
      logs_[i].held_path.clear();
      held_bytes_ -= std::min(held_bytes_, logs_[i].length);
    }
    Prune();
  }
  // A file that cannot be let go is found and let go at the next opening.
  for (const std::string& path : paths) log_files_->ReleaseHeld(path).IgnoreError();
}

int64_t RocksDbLogSource::UnreleasedBytes() const {
  absl::MutexLock lock(&mutex_);
  uint64_t bytes = 0;
  for (size_t i = 0; i < logs_.size(); ++i) {
    const bool newest = i + 1 == logs_.size();
    if (!newest && EndOf(i) <= released_) continue;
    const uint64_t length =
        newest ? (synced_.log == logs_[i].number ? synced_.offset : 0) : logs_[i].length;
    const bool partly = logs_[i].base < released_;
    bytes += length - (partly ? std::min(length, released_bytes_) : 0);
  }
  return static_cast<int64_t>(bytes);
}

absl::StatusOr<RocksDbLogSource::View> RocksDbLogSource::Look(uint64_t after,
                                                              uint64_t table_changes) const {
  absl::MutexLock lock(&mutex_);
  View view;
  view.synced = synced_;
  view.last = ~uint64_t{0};
  if (table_changes < table_changes_.size()) {
    view.last = table_changes_[table_changes];
    if (after >= view.last) return NeedsCapture("a table was made or dropped");
  }
  for (size_t i = 0; i < logs_.size(); ++i) {
    const bool newest = i + 1 == logs_.size();
    if (!newest && EndOf(i) <= after) continue;
    if (view.logs.empty() && logs_[i].base > after) return NeedsCapture("a log is no longer kept");
    view.logs.push_back(logs_[i]);
  }
  return view;
}

absl::StatusOr<std::vector<LogPiece>> RocksDbLogSource::ReadLog(uint64_t after,
                                                                uint64_t table_changes,
                                                                size_t max_bytes) {
  MOORING_ASSIGN_OR_RETURN(const View view, Look(after, table_changes));
  std::vector<LogPiece> pieces;
  size_t bytes = 0;
  for (const Log& log : view.logs) {
    if (log.number > view.synced.log || bytes >= max_bytes) break;
    if (log.tail == nullptr) {
      if (!pieces.empty()) break;
      return NeedsCapture("a log is no longer kept");
    }
    LogPiece piece;
    const uint64_t limit = log.number == view.synced.log ? view.synced.offset : log.length;
    const uint64_t from = pieces.empty() ? after : pieces.back().last_sequence;
    const absl::StatusOr<bool> whole =
        ReadFrom(log, {limit, from, view.last, max_bytes - bytes}, &piece);
    if (absl::IsNotFound(whole.status()) && !pieces.empty()) break;
    if (absl::IsNotFound(whole.status())) return NeedsCapture(whole.status().message());
    MOORING_RETURN_IF_ERROR(whole.status());
    bytes += piece.bytes.size();
    if (!piece.bytes.empty()) pieces.push_back(std::move(piece));
    if (!*whole) break;
  }
  if (!pieces.empty()) RaiseDurable(pieces.back().last_sequence);
  return pieces;
}

// The records of `log` within `range`; true where that is all of them up to its limit.
absl::StatusOr<bool> RocksDbLogSource::ReadFrom(const Log& log, const Range& range,
                                                LogPiece* piece) {
  constexpr size_t kChunkBytes = 1 << 20;
  if (read_log_ != log.number || read_sequence_ != range.after) {
    log.tail->Rewind();
    read_log_ = log.number;
    read_end_ = 0;
    unread_.clear();
  }
  read_sequence_ = range.after;
  piece->log = log.number;
  piece->generation = log.generation;
  const std::string name = absl::StrCat("log ", log.number);
  bool ended = false;
  while (!ended) {
    const size_t unread = unread_.size();
    MOORING_RETURN_IF_ERROR(log.tail->Read(range.limit, unread + kChunkBytes, &unread_));
    const bool read_all = unread_.size() == unread;
    std::vector<LogRecord> records;
    MOORING_RETURN_IF_ERROR(ReadLogRecords(name, read_end_, unread_, &records));
    uint64_t end = read_end_;
    for (const LogRecord& record : records) {
      ended = piece->end - piece->begin >= range.max_bytes || record.last_sequence > range.last;
      if (ended) break;
      MOORING_RETURN_IF_ERROR(Take(name, record, end, range.after, piece));
      end = record.end;
    }
    const size_t taken = end - read_end_;
    const size_t skipped = piece->end == 0 ? taken : std::max(piece->begin, read_end_) - read_end_;
    piece->bytes.append(unread_, skipped, taken - skipped);
    unread_.erase(0, taken);
    read_end_ = end;
    if (read_all) break;
  }
  if (piece->end > 0) read_sequence_ = piece->last_sequence;
  return !ended && read_end_ == range.limit;
}

// Adds a record, which stands behind `begin`, to the piece; one that the reader has is passed over.
absl::Status RocksDbLogSource::Take(const std::string& name, const LogRecord& record,
                                    uint64_t begin, uint64_t after, LogPiece* piece) {
  if (record.last_sequence <= after) return absl::OkStatus();
  const bool first = piece->end == 0;
  const uint64_t due = (first ? after : piece->last_sequence) + 1;
  if (record.first_sequence != due) {
    return absl::DataLossError(absl::StrCat(name, ": a record begins at sequence ",
                                            record.first_sequence, ", and ", due, " was due"));
  }
  if (first) {
    piece->begin = begin;
    piece->first_sequence = record.first_sequence;
    piece->first_time_us = record.time_us;
  }
  piece->end = record.end;
  piece->last_sequence = record.last_sequence;
  piece->last_time_us = record.time_us;
  return absl::OkStatus();
}

void RocksDbLogSource::RaiseDurable(uint64_t sequence) {
  uint64_t before = durable_;
  while (before < sequence && !durable_.compare_exchange_weak(before, sequence)) {
  }
}

}  // namespace mooring::engine
