// mooring doctor: what is wrong with a volume, and the next step.
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/cli/archive_view.h"
#include "src/cli/checks.h"
#include "src/cli/command.h"
#include "src/volume/space_reserve.h"

namespace mooring::cli {
namespace {

using Kind = Finding::Kind;

constexpr char kExamples[] =
    "  mooring doctor -V /var/lib/orders\n"
    "  mooring doctor -V /var/lib/orders -A file:///mnt/archive/orders     looks there, too\n"
    "Changes nothing: it says what to do. Exit code 0: nothing is wrong.";

struct Flags {
  std::string volume;
  std::string archive;
};

// What to do about one finding.
struct Advice {
  Finding finding;
  std::string why;                 // What it means.
  std::vector<std::string> steps;  // Shell commands, or sentences where no command does it.
};

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

class Doctor {
 public:
  Doctor(VolumeView view, const Flags& flags) : view_(std::move(view)), archive_(flags.archive) {}

  void Examine(const Output& output) {
    LookAtArchive(output);
    {
      ProgressMeter meter(output, "checking");
      checked_ = CheckVolume(view_, output, &meter);
    }
    for (Finding& finding : checked_.findings) Advise(std::move(finding));
    CheckPlace();
  }

  const VolumeView& view() const { return view_; }
  const std::vector<Advice>& advice() const { return advice_; }
  const std::vector<std::string>& notes() const { return checked_.notes; }
  bool damaged() const {
    for (const Advice& advice : advice_) {
      if (advice.finding.kind != Kind::kMount) return true;
    }
    return false;
  }

 private:
  void LookAtArchive(const Output& output) {
    if (archive_.empty()) return;
    const auto view = ViewArchive(archive_, false, output);
    archive_status_ = view.ok() ? archive::PlanRestore(view->journal).status() : view.status();
    if (!view.ok() || !view_.identity.ok()) return;
    if (view->remote->identity()->store_id != view_.identity->store_id) {
      archive_status_ = absl::FailedPreconditionError("it is another store's");
    }
  }
  bool HasArchive() const { return !archive_.empty() && archive_status_.ok(); }
  bool Remembers() const { return view_.record.ok() && !view_.record->archive_id.empty(); }

  std::string RestoreCommand() const {
    return absl::StrCat("mooring restore --volume ", Quoted(view_.path), " --archive ",
                        archive_.empty() ? "URL" : Quoted(archive_),
                        view_.mount_fit.ok() ? "" : " --unsafe-volume");
  }
  // What is on the volume, out of the way and kept.
  std::string MoveAwayCommand() const {
    const std::string aside = view_.path + ".damaged";
    return absl::StrCat("mkdir ", Quoted(aside), " && find ", Quoted(view_.path),
                        " -mindepth 1 -maxdepth 1 ! -name lost+found -exec mv -t ", Quoted(aside),
                        " {} +");
  }

  // The store's own opening mends it, with the archive's help.
  void OpenIt(Advice* advice) {
    if (HasArchive()) {
      advice->steps = {RestoreCommand()};
    } else {
      advice->steps = {absl::StrCat("mooring doctor --volume ", Quoted(view_.path),
                                    " --archive URL  # with the store's archive"),
                       RestoreCommand()};
      NoArchive(advice);
    }
  }
  // Nothing there can be used; the archive has all that it holds.
  void StartAnew(Advice* advice) {
    advice->steps = {MoveAwayCommand(), RestoreCommand()};
    if (!HasArchive()) NoArchive(advice);
  }
  void NoArchive(Advice* advice) const {
    if (!archive_.empty()) {
      absl::StrAppend(&advice->why,
                      ". The archive is no help now: ", std::string(archive_status_.message()));
    } else if (!Remembers() && view_.record.ok()) {
      absl::StrAppend(&advice->why,
                      ". This store has no archive: bring back a copy of the volume, or import a "
                      "snapshot onto an empty one");
      advice->steps = {MoveAwayCommand(),
                       absl::StrCat("mooring import --volume ", Quoted(view_.path), " FILE")};
    }
  }

  void Advise(Finding finding) {
    Advice advice;
    switch (finding.kind) {
      case Kind::kMissing:
        if (view_.import_is_unfinished()) {
          advice.why = "Run the same command again: it begins anew, and what is there is no loss";
          advice.steps = {absl::StrCat("mooring import --volume ", Quoted(view_.path), " FILE"),
                          absl::StrCat("mooring copy --volume ", Quoted(view_.path),
                                       " --archive URL  # where it was a copy")};
          break;
        }
        advice.why = "Nothing was ever committed here, or the wrong directory is mounted";
        advice.steps = {RestoreCommand()};
        break;
      case Kind::kCopy:
        advice.why =
            "There are two copies, and the other one is whole: the next opening writes "
            "this one anew, and nothing is lost";
        if (!Remembers()) {
          advice.steps = {"Start the service: its opening repairs this."};
        } else {
          advice.steps = {RestoreCommand()};
        }
        break;
      case Kind::kTableFile:
        advice.why = "The archive has this file, and an opening fetches it alone";
        OpenIt(&advice);
        break;
      case Kind::kLog:
      case Kind::kManifest:
      case Kind::kState:
        advice.why =
            "Commits that were acknowledged are missing or damaged here, so no store opens "
            "on it; an opening with the archive restores, and replays what this log still "
            "holds beyond it";
        OpenIt(&advice);
        break;
      case Kind::kUnfinished:
        advice.why = "A restore was cut short; it goes on where it was";
        OpenIt(&advice);
        break;
      case Kind::kIdentity:
      case Kind::kEpoch:
      case Kind::kHistory:
        advice.why =
            "Nothing says any more which store or which of its openings this is, so the "
            "volume cannot be used; what the archive lacks of it stays in what is moved "
            "away";
        StartAnew(&advice);
        break;
      case Kind::kMount:
      case Kind::kOther:
        break;
    }
    // One opening mends all that an opening can.
    advice.finding = std::move(finding);
    if (view_.owner) {
      advice.steps.insert(advice.steps.begin(),
                          absl::StrCat("End ", *view_.owner,
                                       " first, which owns the volume. Its "
                                       "scrubber repairs table files by itself."));
    }
    advice_.push_back(std::move(advice));
  }

  void CheckPlace() {
    if (!view_.mount_fit.ok()) {
      advice_.push_back({{Kind::kMount, "", view_.mount_fit},
                         "What is committed here may be lost with the pod",
                         {"Mount a persistent volume there, or configure an archive."}});
    }
    const auto space = volume::ReadVolumeSpace(view_.path);
    if (!space.ok()) return;
    const auto marks = volume::SpaceMarks::For(space->total_bytes);
    const std::string ballast = view_.path + "/BALLAST";
    std::error_code ignored;
    if (space->free_bytes >= marks.low_bytes || std::filesystem::exists(ballast, ignored)) return;
    advice_.push_back(
        {{Kind::kMount, "",
          absl::ResourceExhaustedError(absl::StrCat(
              view_.path, " has ", space->free_bytes, " bytes free of ", space->total_bytes,
              ", and below ", marks.low_bytes, " writes are refused"))},
         "Reads and deletes go on; other writes resume by themselves when there is room",
         {"Enlarge the volume, or delete what is not needed."}});
  }

  VolumeView view_;
  const std::string archive_;
  absl::Status archive_status_;  // Whether it restores.
  CheckResult checked_;
  std::vector<Advice> advice_;
};

absl::Status Run(const Flags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(VolumeView view, ViewVolume(flags.volume));
  Doctor doctor(std::move(view), flags);
  doctor.Examine(output);
  Json document = {{"volume", doctor.view().path},
                   {"well", doctor.advice().empty()},
                   {"owner", doctor.view().owner ? Json(*doctor.view().owner) : Json(nullptr)},
                   {"findings", Json::array()},
                   {"notes", doctor.notes()}};
  std::string text;
  std::set<std::string> said;
  for (const Advice& advice : doctor.advice()) {
    document["findings"].push_back({{"kind", KindName(advice.finding.kind)},
                                    {"file", advice.finding.file},
                                    {"message", std::string(advice.finding.status.message())},
                                    {"why", advice.why},
                                    {"steps", advice.steps}});
    absl::StrAppend(&text, "wrong  ", std::string(advice.finding.status.message()), "\n       ",
                    advice.why, ".\n");
    for (const std::string& step : advice.steps) {
      if (said.insert(step).second) absl::StrAppend(&text, "next     ", step, "\n");
    }
  }
  for (const std::string& note : doctor.notes()) absl::StrAppend(&text, "note   ", note, "\n");
  if (doctor.advice().empty()) absl::StrAppend(&text, "well   ", doctor.view().path, "\n");
  output.Result(document, text);
  if (doctor.advice().empty()) return absl::OkStatus();
  const std::string summary =
      absl::StrCat(doctor.advice().size(), " things are wrong with ", doctor.view().path);
  return doctor.damaged() ? absl::DataLossError(summary) : absl::FailedPreconditionError(summary);
}

}  // namespace

void AddDoctor(CLI::App& app, Context* context) {
  CLI::App* command =
      AddCommand(app, "doctor", "Say what is wrong with a volume, and the next step", kExamples);
  auto flags = std::make_shared<Flags>();
  AddVolume(command, &flags->volume);
  AddArchive(command, &flags->archive, /*required=*/false);
  Does(command, context, [flags](const Output& output) { return Run(*flags, output); });
}

}  // namespace mooring::cli
