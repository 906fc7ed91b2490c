#include "mooring/iterator.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "mooring/table.h"
#include "src/store/snapshot_state.h"
#include "src/store/table_state.h"

namespace mooring {
namespace internal {

class IteratorState {
 public:
  explicit IteratorState(absl::Status status) : status_(std::move(status)) {}
  IteratorState(std::shared_ptr<StoreCore> core, ReaderToken token, Snapshot snapshot,
                std::unique_ptr<engine::Cursor> cursor, uint64_t limit)
      : core_(std::move(core)),
        token_(std::move(token)),
        snapshot_(std::move(snapshot)),
        cursor_(std::move(cursor)),
        left_(limit) {}

  bool Valid() const { return left_ > 0 && cursor_ != nullptr && cursor_->Valid(); }
  void Next() {
    // The last one that was asked for: what follows may be costly to reach.
    if (--left_ > 0) cursor_->Next();
  }
  const engine::Cursor& cursor() const { return *cursor_; }
  absl::Status status() const {
    return cursor_ == nullptr ? status_ : core_->Judged(cursor_->status());
  }

 private:
  // Destroyed from the last to the first: the token is left when nothing is read any more.
  std::shared_ptr<StoreCore> core_;
  std::optional<ReaderToken> token_;
  Snapshot snapshot_;
  std::unique_ptr<engine::Cursor> cursor_;
  uint64_t left_ = 0;
  absl::Status status_;
};

}  // namespace internal

namespace {

// The first key after all that begin with `prefix`; empty where there is no such key.
std::string AfterPrefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

engine::CursorOptions CursorOptionsOf(const ScanOptions& options) {
  engine::CursorOptions cursor;
  cursor.lower = std::max(options.begin, options.prefix);
  cursor.upper = AfterPrefix(options.prefix);
  if (!options.end.empty() && (cursor.upper.empty() || options.end < cursor.upper)) {
    cursor.upper = options.end;
  }
  cursor.reverse = options.reverse;
  return cursor;
}

std::unique_ptr<internal::IteratorState> NoIteration(absl::Status status) {
  return std::make_unique<internal::IteratorState>(std::move(status));
}

}  // namespace

Iterator Table::Scan(const ScanOptions& options) const {
  if (state_ == nullptr) {
    return Iterator(NoIteration(
        absl::FailedPreconditionError("this Table was not made by Store::OpenTable()")));
  }
  if (!options.end.empty() && options.begin > options.end) {
    return Iterator(NoIteration(absl::InvalidArgumentError("the scan's begin is after its end")));
  }
  internal::ReaderToken token(state_->core().gate());
  if (absl::Status status = state_->CheckReadable(token); !status.ok()) {
    return Iterator(NoIteration(std::move(status)));
  }
  const auto moment = internal::EngineSnapshotOf(options.snapshot, state_->core());
  if (!moment.ok()) return Iterator(NoIteration(moment.status()));
  engine::CursorOptions cursor = CursorOptionsOf(options);
  // Bounds that leave nothing between them are no range that an engine must understand.
  if (!cursor.upper.empty() && cursor.lower >= cursor.upper) {
    return Iterator(NoIteration(absl::OkStatus()));
  }
  cursor.snapshot = *moment;
  return Iterator(std::make_unique<internal::IteratorState>(
      state_->shared_core(), std::move(token), options.snapshot,
      state_->core().engine().NewCursor(state_->table(), std::move(cursor)), options.limit));
}

Iterator::Iterator(std::unique_ptr<internal::IteratorState> state) : state_(std::move(state)) {}
Iterator::Iterator(Iterator&&) noexcept = default;
Iterator& Iterator::operator=(Iterator&&) noexcept = default;
Iterator::~Iterator() = default;

bool Iterator::Valid() const { return state_->Valid(); }
void Iterator::Next() { state_->Next(); }
std::string_view Iterator::key() const { return state_->cursor().key(); }
std::string_view Iterator::value() const { return state_->cursor().value(); }
absl::Status Iterator::status() const { return state_->status(); }

}  // namespace mooring
