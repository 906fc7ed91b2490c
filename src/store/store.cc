#include "mooring/store.h"

#include <utility>

#include "src/store/snapshot_state.h"
#include "src/store/store_core.h"
#include "src/store/table_state.h"

namespace mooring {

Store::Store(std::shared_ptr<internal::StoreCore> core) : core_(std::move(core)) {}

Store::~Store() { core_->Close(absl::InfiniteDuration(), /*wait_for_readers=*/false); }

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const Options& options) {
  MOORING_ASSIGN_OR_RETURN(std::shared_ptr<internal::StoreCore> core,
                           internal::StoreCore::Open(options));
  return std::unique_ptr<Store>(new Store(std::move(core)));
}

absl::StatusOr<Table> Store::OpenTable(std::string_view name) {
  MOORING_ASSIGN_OR_RETURN(engine::TablePtr table, core_->OpenTable(name));
  return Table(std::make_shared<internal::TableState>(core_, std::move(table)));
}

absl::StatusOr<std::vector<std::string>> Store::ListTables() const { return core_->ListTables(); }

absl::Status Store::DropTable(std::string_view name) { return core_->DropTable(name); }

absl::StatusOr<Version> Store::Commit(const WriteBatch& batch, const CommitOptions& options) {
  return core_->Commit(batch, options);
}

absl::Status Store::WaitArchived(Version version, absl::Duration timeout) {
  return core_->WaitArchived(version, timeout);
}

ArchiveStatus Store::archive_status() const { return core_->archive_status(); }

absl::StatusOr<Snapshot> Store::TakeSnapshot() const {
  internal::ReaderToken token(core_->gate());
  if (!token.entered()) return internal::StoreCore::ClosedError();
  return Snapshot(std::make_shared<internal::SnapshotState>(core_, std::move(token)));
}

Version Store::version() const { return core_->version(); }
const std::string& Store::id() const { return core_->id(); }
Health Store::health() const { return core_->health(); }
CloseReport Store::Close(absl::Duration timeout) {
  return core_->Close(timeout, /*wait_for_readers=*/true);
}

}  // namespace mooring
