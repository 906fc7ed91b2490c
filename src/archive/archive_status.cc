#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mooring/archive.h"
#include "src/archive/unarchived.h"
#include "src/base/status.h"

namespace mooring {
namespace {

constexpr std::string_view kVersionPayload = "mooring/unarchived-version";

std::string_view NameOf(ArchiveStatus::State state) {
  switch (state) {
    case ArchiveStatus::State::kNone:
      return "no archive";
    case ArchiveStatus::State::kUnreached:
      return "not reached yet";
    case ArchiveStatus::State::kFirstCheckpoint:
      return "uploading the first checkpoint";
    case ArchiveStatus::State::kShipping:
      return "shipping";
    case ArchiveStatus::State::kFenced:
      return "fenced";
    case ArchiveStatus::State::kClosed:
      return "closed";
  }
  return "unknown";
}

}  // namespace

std::string ToString(const ArchiveStatus& status) {
  std::string text(NameOf(status.state));
  if (status.state == ArchiveStatus::State::kNone) return text;
  if (status.archived) absl::StrAppend(&text, ", archived up to ", status.archived->ToString());
  if (status.lag > absl::ZeroDuration() || status.lag_bytes > 0) {
    absl::StrAppend(&text, ", ",
                    absl::FormatDuration(absl::Trunc(status.lag, absl::Milliseconds(1))), " and ",
                    status.lag_bytes, " bytes behind");
  }
  if (status.objects > 0) {
    absl::StrAppend(&text, ", ", status.objects, " objects of ", status.bytes, " bytes");
  }
  if (status.oldest != absl::InfinitePast()) {
    absl::StrAppend(&text, ", back to ", absl::FormatTime(status.oldest, absl::UTCTimeZone()));
  }
  if (status.last_collection != absl::InfinitePast()) {
    absl::StrAppend(&text, ", collected at ",
                    absl::FormatTime(status.last_collection, absl::UTCTimeZone()));
  }
  if (!status.last_error.ok()) {
    absl::StrAppend(&text, ", because of ", status.last_error.ToString());
  }
  return text;
}

std::optional<Version> UnarchivedVersion(const absl::Status& status) {
  const auto payload = status.GetPayload(ToAbsl(kVersionPayload));
  if (!payload) return std::nullopt;
  const std::string text(*payload);
  const std::vector<std::string> parts = absl::StrSplit(text, '.');
  Version version;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &version.epoch) ||
      !absl::SimpleAtoi(parts[1], &version.sequence)) {
    return std::nullopt;
  }
  return version;
}

absl::Status archive::WithVersion(absl::Status status, Version version) {
  if (!status.ok()) status.SetPayload(ToAbsl(kVersionPayload), absl::Cord(version.ToString()));
  return status;
}

}  // namespace mooring
