#include "examples/catalog/batch_text.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "examples/catalog/percent.h"

namespace catalog {
namespace {

constexpr std::string_view kPut = "put ";
constexpr std::string_view kDelete = "delete ";

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// Takes the text before `separator` off the front of `rest`, and the separator with it.
std::optional<std::string_view> TakeUntil(char separator, std::string_view* rest) {
  const size_t end = rest->find(separator);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view taken = rest->substr(0, end);
  rest->remove_prefix(end + 1);
  return taken;
}

std::optional<size_t> ParseLength(std::string_view digits) {
  size_t length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return length;
}

std::optional<std::string> TakeKey(char separator, std::string_view* rest) {
  const std::optional<std::string_view> text = TakeUntil(separator, rest);
  if (!text || text->empty()) return std::nullopt;
  return PercentDecode(*text);
}

// Each takes one operation off the front of `rest` and says what is wrong with it, if anything.
const char* TakePut(const mooring::Table& table, std::string_view* rest,
                    mooring::WriteBatch* batch) {
  rest->remove_prefix(kPut.size());
  const std::optional<std::string> key = TakeKey(' ', rest);
  if (!key) return "\"put\" needs a percent-encoded key and a length";
  const std::optional<std::string_view> digits = TakeUntil('\n', rest);
  const std::optional<size_t> length = digits ? ParseLength(*digits) : std::nullopt;
  if (!length) return "the length is not a decimal number before a line feed";
  if (*length >= rest->size()) return "the body ends before the value and its line feed do";
  if ((*rest)[*length] != '\n') return "no line feed follows the value; is its length right?";
  batch->Put(table, *key, rest->substr(0, *length));
  rest->remove_prefix(*length + 1);
  return nullptr;
}

const char* TakeDelete(const mooring::Table& table, std::string_view* rest,
                       mooring::WriteBatch* batch) {
  rest->remove_prefix(kDelete.size());
  const std::optional<std::string> key = TakeKey('\n', rest);
  if (!key) return "\"delete\" needs a percent-encoded key before a line feed";
  batch->Delete(table, *key);
  return nullptr;
}

}  // namespace

absl::StatusOr<mooring::WriteBatch> ParseBatch(const mooring::Table& table, std::string_view body) {
  mooring::WriteBatch batch;
  while (!body.empty()) {
    const char* wrong = "it begins with neither \"put \" nor \"delete \"";
    if (StartsWith(body, kPut)) {
      wrong = TakePut(table, &body, &batch);
    } else if (StartsWith(body, kDelete)) {
      wrong = TakeDelete(table, &body, &batch);
    }
    if (wrong != nullptr) {
      return absl::InvalidArgumentError("operation " + std::to_string(batch.size() + 1) +
                                        " of the batch: " + wrong);
    }
  }
  return batch;
}

}  // namespace catalog
