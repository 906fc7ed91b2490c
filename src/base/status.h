#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mooring {

// Debian's Abseil is built with a string_view of its own, which does not convert from the standard
// one. These two are the only place that knows.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

// An error of a system call: "<what> <path>: <strerror>", with the code that tells what to do.
// ENOSPC and EDQUOT are RESOURCE_EXHAUSTED, EROFS and EACCES FAILED_PRECONDITION and
// PERMISSION_DENIED, ENOENT NOT_FOUND, EEXIST ALREADY_EXISTS; all else is UNAVAILABLE.
absl::Status ErrnoError(std::string_view what, std::string_view path, int error);

// `status` with `prefix` and ": " before its message; its code and its payloads are kept.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

}  // namespace mooring
