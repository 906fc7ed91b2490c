#include "src/store/validation.h"

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/engine/batch_operations.h"
#include "src/store/batch_access.h"
#include "src/store/memory_budget.h"

namespace mooring::internal {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

absl::Status CheckRange(std::string_view name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("option ", ToAbsl(name), " is ", value,
                                                 "; it must be from ", least, " to ", most));
}

absl::Status CheckOperation(const engine::Operation& operation, size_t number) {
  const bool range = operation.kind == engine::OperationKind::kDeleteRange;
  const size_t longest =
      range ? std::max(operation.key.size(), operation.value.size()) : operation.key.size();
  if (longest > kMaxKeyBytes) {
    return absl::InvalidArgumentError(absl::StrCat("operation ", number,
                                                   " of the batch has a key of ", longest,
                                                   " bytes; the most is ", kMaxKeyBytes));
  }
  if (range && operation.key > operation.value) {
    return absl::InvalidArgumentError(absl::StrCat(
        "operation ", number, " of the batch deletes a range whose begin is after its end"));
  }
  return absl::OkStatus();
}

absl::Status CheckTime(std::string_view name, absl::Duration value, absl::Duration least,
                       absl::Duration most, std::string_view prefix = "archive.") {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "option ", ToAbsl(prefix), ToAbsl(name), " is ", absl::FormatDuration(value),
      "; it must be from ", absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
}

absl::Status ValidateArchive(const ArchiveOptions& archive) {
  if (archive.url.empty()) return absl::OkStatus();
  constexpr absl::Duration kEver = absl::InfiniteDuration();
  const absl::Duration least = absl::Milliseconds(10);
  MOORING_RETURN_IF_ERROR(CheckTime("ship_interval", archive.ship_interval, least, absl::Hours(1)));
  MOORING_RETURN_IF_ERROR(
      CheckTime("fence_check_interval", archive.fence_check_interval, least, absl::Hours(1)));
  MOORING_RETURN_IF_ERROR(
      CheckTime("max_unfenced", archive.max_unfenced,
                std::max(archive.fence_check_interval, archive.ship_interval) + least, kEver));
  MOORING_RETURN_IF_ERROR(
      CheckTime("max_lag", archive.max_lag, archive.ship_interval + least, kEver));
  MOORING_RETURN_IF_ERROR(
      CheckTime("takeover_wait", archive.takeover_wait, absl::ZeroDuration(), absl::Hours(1)));
  MOORING_RETURN_IF_ERROR(CheckTime("retention", archive.retention, absl::ZeroDuration(),
                                    absl::Hours(int64_t{100} * 365 * 24)));
  MOORING_RETURN_IF_ERROR(CheckRange("archive.min_checkpoints", archive.min_checkpoints, 2, 1000));
  return CheckTime("reach_timeout", archive.reach_timeout, absl::ZeroDuration(), kEver);
}

}  // namespace

absl::Status ValidateOptions(const Options& options) {
  if (options.volume.empty()) {
    return absl::InvalidArgumentError("option volume is empty; it must name the mounted volume");
  }
  MOORING_RETURN_IF_ERROR(DivideMemory(options).status());
  MOORING_RETURN_IF_ERROR(CheckRange("wal_file_bytes", options.wal_file_bytes, kMiB, 1024 * kMiB));
  MOORING_RETURN_IF_ERROR(
      CheckRange("max_wal_bytes", options.max_wal_bytes, options.wal_file_bytes, int64_t{1} << 40));
  MOORING_RETURN_IF_ERROR(
      CheckRange("scrub_bytes_per_second", options.scrub_bytes_per_second, 0, 1024 * kMiB));
  MOORING_RETURN_IF_ERROR(
      CheckTime("scrub_period", options.scrub_period, absl::Seconds(1), absl::Hours(365 * 24), ""));
  return ValidateArchive(options.archive);
}

absl::Status ValidateTableName(std::string_view name) {
  if (!name.empty() && name.size() <= kMaxTableNameBytes &&
      name.find('\0') == std::string_view::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("a table's name has 1 to ", kMaxTableNameBytes,
                                                 " bytes without '\\0'; this one has ", name.size(),
                                                 " bytes"));
}

absl::Status ValidateBatch(const WriteBatch& batch, uint64_t tag) {
  if (batch.empty()) return absl::OkStatus();
  if (BatchAccess::MixesStores(batch) || BatchAccess::StoreTag(batch) != tag) {
    return absl::InvalidArgumentError(
        "the batch has operations on a table that is not of this opened store");
  }
  if (batch.bytes() > kMaxBatchBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the batch has ", batch.bytes(), " bytes; the most is ", kMaxBatchBytes));
  }
  size_t number = 0;
  engine::Operation operation;
  for (engine::OperationReader reader(BatchAccess::Operations(batch)); reader.Next(&operation);) {
    MOORING_RETURN_IF_ERROR(CheckOperation(operation, ++number));
  }
  return absl::OkStatus();
}

}  // namespace mooring::internal
