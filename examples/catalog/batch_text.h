#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "mooring/table.h"
#include "mooring/write_batch.h"

namespace catalog {

// The body of POST /batch, applied as one commit:
//
//   body   = *( put / delete )
//   put    = "put" SP key SP length LF <length bytes> LF
//   delete = "delete" SP key LF
//
// with keys percent-encoded and lengths in decimal. For example, 30 bytes that set one key and
// remove another:
//
//   put apple 5
//   green
//   delete pear
//
// INVALID_ARGUMENT names the operation, counted from one, that breaks this.
absl::StatusOr<mooring::WriteBatch> ParseBatch(const mooring::Table& table, std::string_view body);

}  // namespace catalog
