#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace catalog {

// Keys are any bytes. In URLs, listings and batches they stand percent-encoded: all but letters,
// digits and "-._~" as %XX.
std::string PercentEncode(std::string_view bytes);

// Nothing where a '%' is not followed by two hexadecimal digits.
std::optional<std::string> PercentDecode(std::string_view text);

}  // namespace catalog
