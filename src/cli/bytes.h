#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "src/cli/output.h"

namespace mooring::cli {

// An argument as it was typed, or, with `base64`, what it stands for.
absl::StatusOr<std::string> ArgumentBytes(const std::string& argument, bool base64);

// What PutBytes() wrote as `name`. INVALID_ARGUMENT where it is missing or malformed.
absl::StatusOr<std::string> GetBytes(const Json& object, const std::string& name);

// The first key after all those that begin with `prefix`; empty where there is none.
std::string EndOfPrefix(std::string prefix);

// One record as a JSON line, with its newline.
std::string RecordLine(std::string_view table, std::string_view key, std::string_view value);

}  // namespace mooring::cli
