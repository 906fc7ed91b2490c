#include "examples/catalog/maintenance.h"

#include <memory>

#include "mooring/status_macros.h"
#include "mooring/store.h"

namespace catalog {

absl::StatusOr<uint64_t> Rewind(const ServiceOptions& options) {
  MOORING_ASSIGN_OR_RETURN(
      const std::unique_ptr<mooring::Store> store,
      mooring::Store::Rewind(StoreOptions(options), mooring::RewindTarget::To(*options.rewind_to)));
  const uint64_t kept = store->version().sequence - 1;  // One is the rewind's own.
  const mooring::CloseReport report = store->Close(options.close_timeout);
  MOORING_RETURN_IF_ERROR(report.status);
  return kept;
}

absl::StatusOr<mooring::RestoreCopyReport> Copy(const ServiceOptions& options) {
  mooring::RestoreCopyOptions copy;
  copy.allow_unsafe_volume = options.allow_unsafe_volume;
  return mooring::RestoreCopy(StoreOptions(options).archive,
                              mooring::RewindTarget::To(*options.copy_of), options.volume, copy);
}

}  // namespace catalog
