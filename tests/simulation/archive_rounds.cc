#include "tests/simulation/archive_rounds.h"

#include <signal.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "mooring/status_macros.h"
#include "src/archive/journal.h"
#include "src/archive/restore_plan.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/open.h"

namespace mooring::testing {
namespace {

constexpr std::string_view kFaultScheme = "fault://";

// Only what makes a store a liar stays.
ObjectFaults CalmOf(const ObjectFaults& faults) {
  ObjectFaults calm;
  calm.two_winners = faults.two_winners;
  return calm;
}

// The bytes of each log that were shipped so far: begin to end.
using Shipped = std::map<std::tuple<std::string, uint64_t, uint64_t>, std::map<uint64_t, uint64_t>>;

absl::Status TakeSegment(uint64_t slot, const archive::Segment& segment, Shipped* shipped) {
  std::map<uint64_t, uint64_t>& ranges =
      (*shipped)[{segment.incarnation, segment.log, segment.generation}];
  const auto after = ranges.lower_bound(segment.begin + 1);
  const bool before_overlaps = after != ranges.begin() && std::prev(after)->second > segment.begin;
  const bool after_overlaps = after != ranges.end() && after->first < segment.end;
  ranges[segment.begin] = segment.end;
  if (!before_overlaps && !after_overlaps) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("shipped twice: slot ", slot, " has bytes ", segment.begin, " to ", segment.end,
                   " of log ", segment.log, " of incarnation ", segment.incarnation, " again"));
}

}  // namespace

absl::Status JudgeJournal(const std::string& url) {
  const bool faulty = url.rfind(kFaultScheme, 0) == 0;
  MOORING_ASSIGN_OR_RETURN(
      const std::unique_ptr<objectstore::ObjectStore> store,
      objectstore::OpenObjectStore(faulty ? "file://" + url.substr(kFaultScheme.size()) : url));
  MOORING_ASSIGN_OR_RETURN(const std::vector<archive::JournalItem> journal,
                           archive::ReadJournal(*store, 1));
  Shipped shipped;
  for (const archive::JournalItem& item : journal) {
    MOORING_RETURN_IF_ERROR(item.status);
    const auto* const log = item.entry->As<archive::LogEntry>();
    if (log == nullptr) continue;
    for (const archive::Segment& segment : log->segments) {
      MOORING_RETURN_IF_ERROR(TakeSegment(item.slot, segment, &shipped));
    }
  }
  MOORING_ASSIGN_OR_RETURN(const archive::RestorePlan plan, archive::PlanRestore(journal));
  if (plan.complete && plan.notes.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the archive does not restore whole",
                                          plan.notes.empty() ? "" : ": " + plan.notes.front()));
}

std::string DirectoryPlace::NewArchive() {
  return absl::StrCat(std::string(kFaultScheme), directory_, "/archive", ++archives_);
}

absl::Status DirectoryPlace::SetFaults(const std::string& url, const ObjectFaults& faults) {
  return SetObjectFaults(url.substr(kFaultScheme.size()), faults);
}

ArchiveRounds::ArchiveRounds(Options options)
    : options_(std::move(options)), random_(options_.seed) {}

std::string ArchiveRounds::NewVolume() {
  return absl::StrCat(options_.directory, "/volume", ++volumes_);
}

OwnerOptions ArchiveRounds::On(const std::string& volume, bool as_left) const {
  OwnerOptions owner;
  owner.volume = volume;
  owner.as_left = as_left;
  return owner;
}

absl::Status ArchiveRounds::NewArchive() {
  MOORING_RETURN_IF_ERROR(FinishArchive());
  ArchiveOwners::Options owners;
  owners.url = options_.place->NewArchive();
  owners.seed = random_();
  owners.arguments = options_.arguments;
  MOORING_RETURN_IF_ERROR(options_.place->SetFaults(owners.url, options_.faults));
  owners_ = std::make_unique<ArchiveOwners>(std::move(owners));
  owner_ = nullptr;
  return absl::OkStatus();
}

absl::Status ArchiveRounds::FinishArchive() {
  if (owners_ == nullptr) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(options_.place->SetFaults(owners_->url(), CalmOf(options_.faults)));
  MOORING_RETURN_IF_ERROR(owners_->JudgeAll(NewVolume()));
  MOORING_RETURN_IF_ERROR(JudgeJournal(owners_->url()));
  archived_ += owners_->oracle().archived();
  acknowledged_ += owners_->oracle().acknowledged();
  owners_.reset();
  spare_.clear();
  for (int number = 1; number <= volumes_; ++number) {
    RemoveTree(absl::StrCat(options_.directory, "/volume", number));
  }
  return absl::OkStatus();
}

absl::Status ArchiveRounds::ForEach(int trials, absl::Status (ArchiveRounds::*round)()) {
  for (int trial = 0; trial < trials; ++trial) {
    absl::Status status;
    if (trial % options_.rounds_per_archive == 0) status = NewArchive();
    if (status.ok()) status = (this->*round)();
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat("round ", trial + 1, ", archive ",
                                                      owners_ != nullptr ? owners_->url() : "",
                                                      ": ", status.message()));
    }
  }
  return FinishArchive();
}

std::string ArchiveRounds::Summary() const {
  return absl::StrCat(archived_, " of ", acknowledged_, " acknowledged were archived, 0 lost");
}

// Row 12. The owner is killed under load, its volume with it; the next finds an empty one.
absl::Status ArchiveRounds::LostVolumes(int trials) {
  MOORING_RETURN_IF_ERROR(ForEach(trials, &ArchiveRounds::LoseAVolume));
  if (options_.quiet) return absl::OkStatus();
  std::cout << trials << " volumes lost, " << Summary() << std::endl;
  return absl::OkStatus();
}

absl::Status ArchiveRounds::LoseAVolume() {
  Owner* const owner = owners_->Start(On(NewVolume()));
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(owner, 2 + Below(20)));
  MOORING_RETURN_IF_ERROR(owners_->Listen(MicrosecondsBelow(30000)));
  MOORING_RETURN_IF_ERROR(owners_->Kill(owner));
  RemoveTree(owner->options.volume);
  return absl::OkStatus();
}

// Row 13. The volume goes back to what it was some commits ago.
absl::Status ArchiveRounds::RolledBack(int trials) {
  MOORING_RETURN_IF_ERROR(ForEach(trials, &ArchiveRounds::RollBack));
  if (options_.quiet) return absl::OkStatus();
  std::cout << trials << " volumes rolled back, " << Summary() << std::endl;
  return absl::OkStatus();
}

absl::Status ArchiveRounds::RollBack() {
  const bool as_left = spare_.empty();
  const std::string volume = as_left ? NewVolume() : spare_.back();
  const std::string image = volume + ".image";
  Owner* const owner = owners_->Start(On(volume, as_left));
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(owner, 1 + Below(10)));
  owner->process.Signal(SIGSTOP);
  MOORING_RETURN_IF_ERROR(CopyVolume(volume, image));
  owner->process.Signal(SIGCONT);
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(owner, 1 + Below(10)));
  MOORING_RETURN_IF_ERROR(owners_->Listen(MicrosecondsBelow(30000)));
  MOORING_RETURN_IF_ERROR(owners_->Kill(owner));
  MOORING_RETURN_IF_ERROR(CopyVolume(image, volume));
  RemoveTree(image);
  spare_ = {volume};
  return absl::OkStatus();
}

// Row 13. Two processes, each on a copy of one volume.
absl::Status ArchiveRounds::Clones(int trials) {
  MOORING_RETURN_IF_ERROR(ForEach(trials, &ArchiveRounds::RunOnClones));
  if (options_.quiet) return absl::OkStatus();
  std::cout << trials << " volumes cloned, " << taken_over_
            << " times one took over from the other, " << Summary() << std::endl;
  return absl::OkStatus();
}

absl::Status ArchiveRounds::RunOnClones() {
  const std::string volume = spare_.empty() ? NewVolume() : spare_.back();
  const std::string clone = NewVolume();
  Owner* const owner = owners_->Start(On(volume));
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(owner, 1 + Below(10)));
  MOORING_RETURN_IF_ERROR(owners_->Listen(MicrosecondsBelow(20000)));
  owner->process.Signal(SIGSTOP);
  MOORING_RETURN_IF_ERROR(CopyVolume(volume, clone));
  owner->process.Signal(SIGCONT);
  if (Below(2) == 0) MOORING_RETURN_IF_ERROR(owners_->Kill(owner));
  OwnerOptions second = On(clone, /*as_left=*/false);
  second.acquire_timeout = absl::Milliseconds(Below(300));
  OwnerOptions first = On(volume);
  first.acquire_timeout = absl::Milliseconds(Below(300));
  Owner* const other = owners_->Start(second);
  Owner* const again = owner->gone ? owners_->Start(first) : owner;
  MOORING_RETURN_IF_ERROR(owners_->Await("one of two clones to leave", [&] {
    const bool other_left = other->gone || other->Refused();
    const bool again_left = again->gone || again->Refused();
    return other_left || again_left;
  }));
  taken_over_ += again->Refused() || other->Refused();
  for (Owner* const each : {other, again}) {
    if (each->gone) continue;
    if (!each->Refused()) MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(each, 1));
    MOORING_RETURN_IF_ERROR(owners_->Kill(each));
  }
  spare_ = {Below(2) == 0 && other->holds ? clone : volume};
  return absl::OkStatus();
}

// Row 12. Another store's volume is refused, with the archive and its owner left alone.
absl::Status ArchiveRounds::ForeignVolume() {
  MOORING_RETURN_IF_ERROR(NewArchive());
  const std::string foreign = NewVolume();
  Owner* const stranger = owners_->Start(On(foreign));
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(stranger, 1));
  MOORING_RETURN_IF_ERROR(owners_->Close(stranger));
  const std::string kept = foreign + ".kept";
  MOORING_RETURN_IF_ERROR(CopyVolume(foreign, kept));
  MOORING_RETURN_IF_ERROR(NewArchive());
  Owner* const owner = owners_->Start(On(NewVolume()));
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(owner, 1));
  Owner* const refused = owners_->Start(On(kept));
  MOORING_RETURN_IF_ERROR(owners_->Await("a refusal", [&] { return refused->gone; }));
  if (!absl::IsFailedPrecondition(refused->failure)) {
    return absl::InternalError("another store's volume: " + refused->failure.ToString());
  }
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(owner, 3));
  return FinishArchive();
}

}  // namespace mooring::testing
