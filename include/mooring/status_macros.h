#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the calling function where `expression` is not OK.
#define MOORING_RETURN_IF_ERROR(expression)                                                      \
  do {                                                                                           \
    if (absl::Status mooring_status = (expression); !mooring_status.ok()) return mooring_status; \
  } while (false)

// Declares or assigns `target` from a StatusOr, or returns its error from the calling function.
#define MOORING_ASSIGN_OR_RETURN(target, expression) \
  MOORING_ASSIGN_OR_RETURN_IMPL(MOORING_CONCAT(mooring_or_, __LINE__), target, expression)

#define MOORING_CONCAT(a, b) MOORING_CONCAT_IMPL(a, b)
#define MOORING_CONCAT_IMPL(a, b) a##b
#define MOORING_ASSIGN_OR_RETURN_IMPL(result, target, expression) \
  auto result = (expression);                                     \
  if (!result.ok()) return std::move(result).status();            \
  target = std::move(result).value()
