#include "src/cli/checks.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/engine/file_keeper.h"
#include "src/volume/epoch.h"

namespace mooring::cli {
namespace {

using Kind = Finding::Kind;

// Messages of the library begin with the path of what is damaged, or have it behind a few words.
std::string FileNamedIn(std::string_view message, std::string_view volume) {
  const size_t begin = message.find(std::string(volume) + "/");
  if (begin == std::string_view::npos) return "";
  const size_t end = message.find_first_of(": ,;", begin);
  return std::string(message.substr(begin, end == std::string_view::npos ? end : end - begin));
}

class Checker {
 public:
  Checker(VolumeView& view, const Output& output, ProgressMeter* meter)
      : view_(view), output_(output), meter_(meter) {}

  CheckResult Run() {
    CheckOwnFiles();
    if (!view_.identity.ok() || !view_.identity->complete) return std::move(result_);
    if (view_.record.ok() && view_.record->restoring) {
      Add(Kind::kUnfinished, "", CheckReadable(view_));
      return std::move(result_);
    }
    CheckLogs();
    CheckTableFiles();
    CheckState();
    return std::move(result_);
  }

 private:
  void Add(Kind kind, std::string file, absl::Status status) {
    if (file.empty()) file = FileNamedIn(ToStd(status.message()), view_.path);
    result_.findings.push_back({kind, std::move(file), std::move(status)});
  }
  void Note(std::string text) { result_.notes.push_back(std::move(text)); }
  bool Found(Kind kind) const {
    return std::any_of(result_.findings.begin(), result_.findings.end(),
                       [kind](const Finding& finding) { return finding.kind == kind; });
  }

  void CheckOwnFiles() {
    const std::string identity = view_.path + "/MOORING";
    if (absl::IsNotFound(view_.identity.status())) {
      Add(Kind::kMissing, identity, CheckReadable(view_));
    } else if (!view_.identity.ok()) {
      Add(Kind::kIdentity, identity, view_.identity.status());
    } else if (!view_.identity->complete) {
      Add(Kind::kMissing, identity, CheckReadable(view_));
    }
    if (!view_.identity.ok()) {
      Note("the data is not looked at, for nothing says which store it is");
    }
    const std::string epoch = view_.path + "/EPOCH";
    const absl::Status slots = volume::CheckEpoch(epoch);
    const bool no_store = absl::IsNotFound(view_.identity.status());
    if (!slots.ok() && !(no_store && absl::IsNotFound(slots))) {
      Add(view_.epoch.ok() ? Kind::kCopy : Kind::kEpoch, epoch, slots);
    }
    if (view_.identity.ok() && !view_.record.ok()) {
      Add(Kind::kHistory, view_.path + "/HISTORY", view_.record.status());
    }
  }

  engine::LookOptions LookOptions() const {
    engine::LookOptions options;
    options.directory = view_.data();
    options.store_id = view_.identity->store_id;
    options.progress = [this](int64_t done, int64_t total) { meter_->Update(done, total); };
    return options;
  }

  void CheckLogs() {
    if (view_.owner) {
      Note(absl::StrCat(*view_.owner,
                        " owns the volume and is alive: its log is read as far as it "
                        "is written, and not proved"));
      return;
    }
    for (absl::Status& status : engine::CheckCopies(view_.data())) {
      Add(Kind::kCopy, "", std::move(status));
    }
    meter_->Begin("reading the log");
    const auto logs = engine::ProveLogs(LookOptions());
    if (!logs.ok()) return Add(Kind::kLog, "", logs.status());
    for (const engine::LogFigures& log : *logs) {
      ++result_.log_files;
      result_.bytes += static_cast<int64_t>(log.bytes);
    }
  }

  absl::StatusOr<std::unique_ptr<engine::FileKeeper>> OpenKeeper() const {
    engine::EngineOptions options;
    options.directory = view_.data();
    options.store_id = view_.identity->store_id;
    options.cache_bytes = int64_t{8} << 20;
    options.write_buffer_bytes = int64_t{8} << 20;
    auto keeper = engine::OpenFileKeeper(options);
    // A living owner may just have replaced what names them.
    for (int i = 0; !keeper.ok() && view_.owner && i < 8; ++i) {
      keeper = engine::OpenFileKeeper(options);
    }
    return keeper;
  }

  bool IsStillThere(const engine::LiveFile& file) const {
    const auto keeper = OpenKeeper();
    if (!keeper.ok()) return true;
    const auto files = (*keeper)->List();
    return !files.ok() || std::any_of(files->begin(), files->end(),
                                      [&](const auto& other) { return other.path == file.path; });
  }

  void CheckTableFiles() {
    const auto keeper = OpenKeeper();
    if (!keeper.ok()) return Add(Kind::kManifest, "", keeper.status());
    const auto files = (*keeper)->List();
    if (!files.ok()) return Add(Kind::kManifest, "", files.status());
    int64_t total = 0;
    int64_t done = 0;
    for (const engine::LiveFile& file : *files) total += static_cast<int64_t>(file.size);
    meter_->Begin("checking files");
    for (const engine::LiveFile& file : *files) {
      const absl::Status status = (*keeper)->Check(file, [&](int64_t bytes) {
        meter_->Update(done += bytes, total);
        return true;
      });
      ++result_.table_files;
      result_.bytes += static_cast<int64_t>(file.size);
      if (status.ok() || (view_.owner && !IsStillThere(file))) continue;
      Add(Kind::kTableFile, absl::StrCat(view_.data(), "/", file.path), status);
    }
  }

  void CheckState() {
    if (Found(Kind::kLog) || Found(Kind::kManifest) || Found(Kind::kTableFile)) {
      return Note("the keys are not read, for what holds them is damaged");
    }
    auto look = OpenLook(view_, output_);
    if (!look.ok()) return Add(Kind::kState, "", look.status());
    meter_->Begin("reading every key");
    auto tables = ReadEverything(**look, meter_);
    if (!tables.ok()) return Add(Kind::kState, "", tables.status());
    result_.tables = *std::move(tables);
  }

  VolumeView& view_;
  const Output& output_;
  ProgressMeter* const meter_;
  CheckResult result_;
};

}  // namespace

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kMissing:
      return "no-store";
    case Kind::kIdentity:
      return "identity";
    case Kind::kEpoch:
      return "epoch";
    case Kind::kCopy:
      return "one-copy-of-two";
    case Kind::kHistory:
      return "history";
    case Kind::kLog:
      return "log";
    case Kind::kManifest:
      return "manifest";
    case Kind::kTableFile:
      return "table-file";
    case Kind::kState:
      return "state";
    case Kind::kUnfinished:
      return "unfinished";
    case Kind::kMount:
      return "mount";
    case Kind::kOther:
      return "other";
  }
  return "other";
}

absl::StatusOr<std::vector<TableCount>> ReadEverything(const engine::Look& look,
                                                       ProgressMeter* meter) {
  std::vector<TableCount> counts;
  int64_t total = 0;
  int64_t done = 0;
  for (const engine::TableFigures& table : look.Tables()) total += table.bytes;
  for (const engine::TableFigures& table : look.Tables()) {
    TableCount count;
    count.name = table.name;
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Cursor> cursor,
                             look.Scan(table.name, {}));
    for (; cursor->Valid(); cursor->Next()) {
      ++count.keys;
      const auto bytes = static_cast<int64_t>(cursor->key().size() + cursor->value().size());
      count.bytes += bytes;
      done += bytes;
      if (count.keys % 256 == 0) meter->Update(done, std::max(total, done));
    }
    MOORING_RETURN_IF_ERROR(cursor->status());
    counts.push_back(std::move(count));
  }
  meter->Update(done, done);
  return counts;
}

CheckResult CheckVolume(VolumeView& view, const Output& output, ProgressMeter* meter) {
  return Checker(view, output, meter).Run();
}

}  // namespace mooring::cli
