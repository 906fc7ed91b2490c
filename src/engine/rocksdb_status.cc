#include "src/engine/rocksdb_status.h"

#include "absl/strings/str_cat.h"
#include "src/base/status.h"

namespace mooring::engine {
namespace {

absl::StatusCode CodeOf(const rocksdb::Status& status) {
  if (status.IsNotFound() || status.IsPathNotFound()) return absl::StatusCode::kNotFound;
  if (status.IsCorruption()) return absl::StatusCode::kDataLoss;
  if (status.IsNoSpace()) return absl::StatusCode::kResourceExhausted;
  if (status.IsIOError()) return absl::StatusCode::kUnavailable;
  if (status.IsInvalidArgument()) return absl::StatusCode::kInvalidArgument;
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::Status FromRocksDb(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(CodeOf(status), absl::StrCat(ToAbsl(what), ": ", status.ToString()));
}

}  // namespace mooring::engine
