#include "src/cli/archive_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/archive/restorer.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/engine/restored_directory.h"

namespace mooring::cli {
namespace {

constexpr absl::Duration kReachTimeout = absl::Seconds(30);

}  // namespace

absl::StatusOr<ArchiveView> ViewArchive(const std::string& url, bool pin, const Output& output) {
  archive::Remote::ConnectOptions connect;
  connect.timeout = kReachTimeout;
  connect.retrying = [&output](const absl::Status& status) {
    output.Note(absl::StrCat("note: the archive does not answer, trying again: ",
                             std::string(status.message())));
  };
  ArchiveView view;
  MOORING_ASSIGN_OR_RETURN(view.remote, archive::Remote::Connect(url, connect));
  if (!view.remote->identity()) {
    return absl::NotFoundError(
        absl::StrCat("there is no archive at ", view.remote->store().name()));
  }
  if (pin) {
    auto held = archive::PinHolder::Take(&view.remote->store(), "mooring");
    if (held.ok()) {
      view.pin = *std::move(held);
    } else {
      output.Note(
          absl::StrCat("note: the archive cannot be pinned, so what is read may be "
                       "collected meanwhile: ",
                       std::string(held.status().message())));
    }
  }
  MOORING_ASSIGN_OR_RETURN(view.journal, view.remote->ReadAll());
  return view;
}

Version VersionOf(const archive::State& state) {
  const archive::HistoryEntry* writer = state.history.WriterOf(state.last_sequence);
  return {writer == nullptr ? 0 : writer->epoch, state.last_sequence};
}

absl::Time TimeOf(int64_t time_us) {
  return time_us == 0 ? absl::InfinitePast() : absl::FromUnixMicros(time_us);
}

absl::StatusOr<Moment> ParseMoment(const std::string& version, const std::string& time) {
  Moment moment;
  if (!version.empty() && version != "latest") {
    const std::vector<std::string> parts = absl::StrSplit(version, '.');
    Version parsed;
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &parsed.epoch) ||
        !absl::SimpleAtoi(parts[1], &parsed.sequence)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", version, "\" is no version: they look like 3.1024, or latest"));
    }
    moment.version = parsed;
  }
  if (!time.empty()) {
    absl::Time parsed;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, time, &parsed, &error)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", time, "\" is no time: they look like 2026-01-31T12:00:00Z; ", error));
    }
    moment.time = parsed;
  }
  if (moment.version && moment.time) {
    return absl::InvalidArgumentError("give a version or a time, not both");
  }
  return moment;
}

namespace {

// The last sequence of the newest state at or before `time` that a whole entry of the lineage ends
// with.
absl::StatusOr<uint64_t> SequenceAt(const std::vector<archive::JournalItem>& journal,
                                    absl::Time time) {
  const int64_t wanted = absl::ToUnixMicros(time);
  MOORING_ASSIGN_OR_RETURN(const archive::RestorePlan newest, archive::PlanRestore(journal));
  uint64_t found = 0;
  for (const archive::JournalItem& item : journal) {
    if (item.entry == nullptr) continue;
    if (const auto* checkpoint = item.entry->As<archive::CheckpointEntry>()) {
      if (checkpoint->max_time_us <= wanted) found = std::max(found, checkpoint->max_sequence);
    }
    if (const auto* log = item.entry->As<archive::LogEntry>()) {
      for (const archive::Segment& segment : log->segments) {
        if (segment.last_time_us <= wanted) found = std::max(found, segment.last_sequence);
      }
    }
  }
  found = std::min(found, newest.state.last_sequence);
  if (found > 0) return found;
  return absl::OutOfRangeError(
      absl::StrCat("the archive holds nothing as old as ", ShowTime(time)));
}

}  // namespace

absl::StatusOr<archive::RestorePlan> PlanMoment(const ArchiveView& view, const Moment& moment) {
  archive::RestoreTarget target;
  if (moment.version) target.last_sequence = moment.version->sequence;
  if (moment.time) {
    MOORING_ASSIGN_OR_RETURN(target.last_sequence, SequenceAt(view.journal, *moment.time));
  }
  MOORING_ASSIGN_OR_RETURN(archive::RestorePlan plan, archive::PlanRestore(view.journal, target));
  if (moment.version && VersionOf(plan.state) != *moment.version) {
    return absl::OutOfRangeError(absl::StrCat("version ", moment.version->ToString(),
                                              " is not of the archive's present lineage, where "
                                              "that sequence is version ",
                                              VersionOf(plan.state).ToString()));
  }
  return plan;
}

absl::StatusOr<Restored> RestoreFiles(const ArchiveView& view, const archive::RestorePlan& plan,
                                      const std::string& directory, const std::string& store_id,
                                      ProgressMeter* meter) {
  const absl::Duration began = SteadyNow();
  archive::RestoreOptions options;
  options.data_directory = directory + "/data";
  options.store_id = store_id;
  options.begin = engine::RestoredDirectory::Begin;
  options.progress = [meter](int64_t done, int64_t total) { meter->Update(done, total); };
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(options.data_directory));
  if (view.pin != nullptr) MOORING_RETURN_IF_ERROR(view.pin->Narrow(plan));
  archive::Restorer restorer(&view.remote->store(), options);
  MOORING_RETURN_IF_ERROR(restorer.Fetch(plan));
  MOORING_ASSIGN_OR_RETURN(const archive::RestoreReport report, restorer.PutInPlace(plan));
  Restored restored;
  restored.files = report.files_fetched;
  restored.bytes = report.bytes_fetched;
  for (const archive::LogPiece& piece : plan.logs) {
    restored.bytes += static_cast<int64_t>(piece.info().end - piece.info().begin);
  }
  restored.took = SteadyNow() - began;
  return restored;
}

}  // namespace mooring::cli
