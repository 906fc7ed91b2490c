#include "examples/catalog/archive_text.h"

#include <cstdio>
#include <string_view>

namespace catalog {
namespace {

std::string_view StateName(mooring::ArchiveStatus::State state) {
  using State = mooring::ArchiveStatus::State;
  switch (state) {
    case State::kNone:
      return "none";
    case State::kUnreached:
      return "unreached";
    case State::kFirstCheckpoint:
      return "first-checkpoint";
    case State::kShipping:
      return "shipping";
    case State::kFenced:
      return "fenced";
    case State::kClosed:
      return "closed";
  }
  return "unknown";
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(byte));
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

std::string ToJson(const mooring::ArchiveStatus& status) {
  // Rounded up: a lag of 0 says that nothing is missing.
  const int64_t lag_ms = absl::ToInt64Milliseconds(absl::Ceil(status.lag, absl::Milliseconds(1)));
  std::string json = "{\"state\":" + Quoted(StateName(status.state));
  json += ",\"archived\":" + (status.archived ? Quoted(status.archived->ToString()) : "null");
  json += ",\"lag_ms\":" + std::to_string(lag_ms);
  json += ",\"lag_bytes\":" + std::to_string(status.lag_bytes);
  json += ",\"head\":" + std::to_string(status.head);
  json += ",\"last_checkpoint\":" + std::to_string(status.last_checkpoint);
  json += ",\"checkpoint_bytes\":" + std::to_string(status.checkpoint_bytes);
  json += ",\"requests\":" + std::to_string(status.requests);
  json += ",\"bytes_sent\":" + std::to_string(status.bytes_sent);
  json += ",\"last_error\":" +
          Quoted(status.last_error.ok() ? std::string() : status.last_error.ToString());
  return json + "}";
}

}  // namespace catalog
