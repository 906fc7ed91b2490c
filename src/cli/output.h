#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/base/steady_clock.h"

namespace mooring::cli {

using Json = nlohmann::ordered_json;

// All that the command says. Results go to standard output, as text or, with --json, as one JSON
// document; what is said beside them goes to standard error.
class Output {
 public:
  bool json = false;
  bool quiet = false;  // No progress, no notes.

  // `text` ends with a newline.
  void Result(const Json& document, std::string_view text) const;
  // One line on standard error.
  void Note(std::string_view text) const;
  // The error, on standard error; as JSON where that was asked for.
  void Error(const absl::Status& status) const;
  // Raw bytes to standard output, for streams. UNAVAILABLE where nobody reads them.
  [[nodiscard]] absl::Status Write(std::string_view bytes) const;
};

// Whole, valid UTF-8 and nothing else.
bool IsUtf8(std::string_view text);
// Any bytes: "key" where they are text, else "key_base64".
void PutBytes(Json* object, const std::string& name, std::string_view bytes);
// Any bytes for people: text as it is, all else escaped.
std::string Printable(std::string_view bytes);

std::string FormatBytes(int64_t bytes);      // "1.5 MiB"
std::string ShowDuration(absl::Duration d);  // "1.5 s", "2 min 5 s"
std::string ShowTime(absl::Time time);       // RFC 3339 in UTC; "unknown" where it is not known.
Json JsonTime(absl::Time time);              // The same, or null.
std::string Dump(const Json& document, int indent);  // Never throws.

// Rows with columns of equal width; the first row is the head. Numbers are set to the right.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// How far something that takes long has come: a bar with rate and time left on a terminal, a line
// now and then in a log, nothing where that is not wanted. Not thread-safe.
class ProgressMeter {
 public:
  ProgressMeter(const Output& output, std::string what);
  ~ProgressMeter();  // Ends the bar's line.

  // In bytes; `total` may be 0: not known.
  void Update(int64_t done, int64_t total);
  // For what follows.
  void Begin(std::string what);
  // "1.5 GiB in 3.0 s, 512.0 MiB/s".
  std::string Summary() const;
  int64_t done() const { return done_; }
  absl::Duration elapsed() const { return SteadyNow() - began_; }

 private:
  void Show();
  std::string Line(bool bar) const;

  const bool shown_;
  const bool terminal_;
  std::string what_;
  absl::Duration began_;
  absl::Duration next_;
  int64_t done_ = 0;
  int64_t total_ = 0;
  bool open_line_ = false;
};

}  // namespace mooring::cli
