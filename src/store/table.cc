#include "mooring/table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "mooring/write_batch.h"
#include "src/store/snapshot_state.h"
#include "src/store/table_state.h"

namespace mooring {
namespace {

absl::Status NoTable() {
  return absl::FailedPreconditionError("this Table was not made by Store::OpenTable()");
}

// One operation as a commit. The batch keeps its memory for the thread's next one, unless it is
// large.
template <typename AddOperation>
absl::StatusOr<Version> CommitOne(internal::TableState* state, const CommitOptions& options,
                                  AddOperation add) {
  if (state == nullptr) return NoTable();
  constexpr size_t kKeptBytes = size_t{64} << 10;
  thread_local WriteBatch batch;
  batch.Clear();
  add(&batch);
  absl::StatusOr<Version> result = state->core().Commit(batch, options);
  if (absl::IsNotFound(result.status())) result = state->DroppedError();
  if (batch.bytes() > kKeptBytes) batch = WriteBatch();
  return result;
}

}  // namespace

absl::Status internal::TableState::CheckReadable(const ReaderToken& token) const {
  if (!token.entered()) return StoreCore::ClosedError();
  if (!table_->dropped()) return absl::OkStatus();
  return DroppedError();
}

absl::Status internal::TableState::DroppedError() const {
  return absl::NotFoundError(absl::StrCat("table ", table_->name(), " was dropped"));
}

std::string_view Table::name() const {
  return state_ == nullptr ? std::string_view() : state_->table().name();
}

absl::StatusOr<Version> Table::Put(std::string_view key, std::string_view value,
                                   const CommitOptions& options) {
  return CommitOne(state_.get(), options,
                   [&](WriteBatch* batch) { batch->Put(*this, key, value); });
}

absl::StatusOr<Version> Table::Delete(std::string_view key, const CommitOptions& options) {
  return CommitOne(state_.get(), options, [&](WriteBatch* batch) { batch->Delete(*this, key); });
}

absl::StatusOr<Version> Table::DeleteRange(std::string_view begin, std::string_view end,
                                           const CommitOptions& options) {
  return CommitOne(state_.get(), options,
                   [&](WriteBatch* batch) { batch->DeleteRange(*this, begin, end); });
}

absl::Status Table::Get(std::string_view key, Value* value, const Snapshot& snapshot) const {
  if (state_ == nullptr) return NoTable();
  const internal::ReaderToken token(state_->core().gate());
  MOORING_RETURN_IF_ERROR(state_->CheckReadable(token));
  MOORING_ASSIGN_OR_RETURN(const engine::EngineSnapshot* const moment,
                           internal::EngineSnapshotOf(snapshot, state_->core()));
  return state_->core().Judged(state_->core().engine().Get(state_->table(), key, moment, value));
}

absl::StatusOr<Value> Table::Get(std::string_view key, const Snapshot& snapshot) const {
  Value value;
  MOORING_RETURN_IF_ERROR(Get(key, &value, snapshot));
  return value;
}

std::vector<absl::StatusOr<Value>> Table::MultiGet(const std::vector<std::string_view>& keys,
                                                   const Snapshot& snapshot) const {
  const auto fail = [&](const absl::Status& status) {
    std::vector<absl::StatusOr<Value>> failures;
    for (size_t i = 0; i < keys.size(); ++i) failures.emplace_back(status);
    return failures;
  };
  if (state_ == nullptr) return fail(NoTable());
  const internal::ReaderToken token(state_->core().gate());
  if (absl::Status status = state_->CheckReadable(token); !status.ok()) return fail(status);
  const auto moment = internal::EngineSnapshotOf(snapshot, state_->core());
  if (!moment.ok()) return fail(moment.status());
  auto values = state_->core().engine().MultiGet(state_->table(), keys, *moment);
  for (absl::StatusOr<Value>& value : values) {
    if (absl::IsDataLoss(value.status())) value = state_->core().Judged(value.status());
  }
  return values;
}

}  // namespace mooring
