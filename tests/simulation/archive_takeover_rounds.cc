// Rows 16, 17 and 2 of the fault table: owners who stall, race, and are killed while they open.

#include <signal.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/steady_clock.h"
#include "tests/simulation/archive_rounds.h"

namespace mooring::testing {
namespace {

absl::Status Unexpected(const Owner& owner, const std::string& what) {
  return absl::InternalError(absl::StrCat(ArchiveOracle::NameOf(owner.number), " ", what, ": ",
                                          owner.failure.ToString(), "; ",
                                          owner.refusal.ToString()));
}

}  // namespace

// Row 16. The owner is stopped, another takes over on another volume and writes, and the first one
// goes on.
absl::Status ArchiveRounds::Zombies(int trials) {
  MOORING_RETURN_IF_ERROR(ForEach(trials, &ArchiveRounds::MakeAZombie));
  if (options_.quiet) return absl::OkStatus();
  std::cout << trials << " rounds with a zombie, " << interrupted_
            << " of them stopped during open, " << Summary() << std::endl;
  return absl::OkStatus();
}

absl::Status ArchiveRounds::MakeAZombie() {
  if (owner_ == nullptr) {
    MOORING_ASSIGN_OR_RETURN(owner_, StartUntilOpen(On(NewVolume())));
  }
  Owner* zombie = owner_;
  const bool opening = zombie->holds && Below(8) == 0;
  if (opening) {
    MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(zombie, 1));
    MOORING_RETURN_IF_ERROR(owners_->Kill(zombie));
    OwnerOptions again = On(Below(2) == 0 ? zombie->options.volume : NewVolume());
    again.acquire_timeout = absl::Milliseconds(Below(300));
    zombie = owners_->Start(again);
    MOORING_RETURN_IF_ERROR(owners_->Listen(MicrosecondsBelow(300000)));
  } else {
    MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(zombie, 1 + Below(5)));
    MOORING_RETURN_IF_ERROR(owners_->Listen(MicrosecondsBelow(20000)));
  }
  zombie->process.Signal(SIGSTOP);
  interrupted_ += !zombie->holds;
  const bool reuse = !spare_.empty() && Below(2) == 0;
  OwnerOptions options = On(reuse ? spare_.back() : NewVolume());
  if (reuse) spare_.pop_back();
  options.takeover_wait = absl::Milliseconds(50 + Below(100));
  MOORING_ASSIGN_OR_RETURN(Owner * heir, StartUntilOpen(options));
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(heir, 1 + Below(4)));
  if (!options_.faults.two_winners) MOORING_RETURN_IF_ERROR(AskByLineage(heir));
  zombie->process.Signal(SIGCONT);
  const auto noticed = [&] { return zombie->Refused() || zombie->gone || heir->Refused(); };
  if (options_.faults.two_winners) {  // It may never notice: then the judge must.
    return owners_->Listen(absl::Milliseconds(300));
  }
  MOORING_RETURN_IF_ERROR(owners_->Await("a zombie to notice", noticed));
  // One that was stopped before it looked may take over from an heir who is slow.
  if (heir->Refused() && opening) std::swap(heir, zombie);
  if (heir->Refused()) return Unexpected(*heir, "was fenced by a zombie");
  MOORING_RETURN_IF_ERROR(BuryZombie(zombie));
  owner_ = heir;
  return absl::OkStatus();
}

bool ArchiveRounds::InTrouble(const Owner& owner) const {
  return options_.faults.failed > 0 && absl::IsUnavailable(owner.failure);
}

// As whoever restarts a pod does while the archive is in trouble.
absl::StatusOr<Owner*> ArchiveRounds::StartUntilOpen(const OwnerOptions& options) {
  for (;;) {
    Owner* const owner = owners_->Start(options);
    MOORING_RETURN_IF_ERROR(owners_->Await("an open", [&] { return owner->holds || owner->gone; }));
    if (owner->holds) return owner;
    if (!InTrouble(*owner)) return Unexpected(*owner, "did not open");
  }
}

// WaitArchived() of what the takeover left behind, and of what it found.
absl::Status ArchiveRounds::AskByLineage(Owner* heir) {
  for (const auto& [version, expected] :
       {std::pair(heir->finding.left_behind, absl::StatusCode::kDataLoss),
        std::pair(heir->finding.kept, absl::StatusCode::kOk)}) {
    if (!version) continue;
    MOORING_ASSIGN_OR_RETURN(const absl::StatusCode answer, owners_->AskArchived(heir, *version));
    if (answer == expected) continue;
    return absl::DataLossError(absl::StrCat("WaitArchived() of version ", version->ToString(),
                                            " answers ", absl::StatusCodeToString(answer),
                                            " and not ", absl::StatusCodeToString(expected)));
  }
  return absl::OkStatus();
}

absl::Status ArchiveRounds::BuryZombie(Owner* zombie) {
  if (zombie->gone && !absl::IsFailedPrecondition(zombie->failure) && !InTrouble(*zombie)) {
    return Unexpected(*zombie, "was not told of another owner");
  }
  if (!zombie->gone && zombie->fenced != kChains) {
    return Unexpected(*zombie, "was refused without IsFenced()");
  }
  if (!zombie->gone) {
    MOORING_RETURN_IF_ERROR(Below(2) == 0 ? owners_->Kill(zombie) : owners_->Close(zombie));
  }
  if (zombie->closed_archived) return Unexpected(*zombie, "says at its close that all is archived");
  if (Below(2) == 0) {
    RemoveTree(zombie->options.volume);
  } else {
    spare_.push_back(zombie->options.volume);
  }
  return absl::OkStatus();
}

struct ArchiveRounds::Racer {
  Owner* owner = nullptr;
  absl::Duration killed_after = absl::InfiniteDuration();

  bool Settled() const {
    return owner->gone || owner->Refused() || (owner->holds && owner->archived >= 2);
  }
  bool Left() const { return owner->gone || owner->Refused(); }
};

// Row 17. Two to five open at once, on empty volumes, copies of one, and one as it was left; some
// are killed at any moment.
absl::Status ArchiveRounds::Races(int trials) {
  MOORING_RETURN_IF_ERROR(ForEach(trials, &ArchiveRounds::Race));
  if (options_.quiet) return absl::OkStatus();
  std::cout << trials << " rounds of a race, " << refused_ << " losers refused, " << taken_over_
            << " overtaken, " << interrupted_ << " killed, " << Summary() << std::endl;
  return absl::OkStatus();
}

absl::Status ArchiveRounds::Race() {
  std::vector<Racer> racers = StartRacers();
  MOORING_RETURN_IF_ERROR(RunRacers(&racers));
  MOORING_RETURN_IF_ERROR(JudgeLosers(racers));
  const auto last =
      std::find_if(racers.begin(), racers.end(), [](const Racer& racer) { return !racer.Left(); });
  for (const Racer& racer : racers) {
    if (racer.owner->gone) continue;
    const bool close = Below(4) == 0;
    const bool owns = !racer.owner->Refused();
    MOORING_RETURN_IF_ERROR(close ? owners_->Close(racer.owner) : owners_->Kill(racer.owner));
    if (close && owns && !racer.owner->closed_archived) {
      return Unexpected(*racer.owner, "closed without archiving the rest");
    }
  }
  if (last == racers.end()) return absl::OkStatus();
  spare_ = {last->owner->options.volume};
  for (const Racer& racer : racers) {
    if (racer.owner != last->owner) RemoveTree(racer.owner->options.volume);
  }
  return absl::OkStatus();
}

std::vector<ArchiveRounds::Racer> ArchiveRounds::StartRacers() {
  std::vector<Racer> racers(static_cast<size_t>(2 + Below(4)));
  std::vector<OwnerOptions> options;
  std::vector<std::string> left = spare_;
  for (size_t i = 0; i < racers.size(); ++i) {
    OwnerOptions opener = On(NewVolume());
    const int kind = Below(10);
    if (!spare_.empty() && kind < 3) {
      opener.as_left = false;
      // A copy that fails leaves no volume, which is as good.
      CopyVolume(spare_.back(), opener.volume).IgnoreError();
    } else if (!left.empty() && kind == 3) {
      opener.volume = left.back();
      left.clear();
    }
    opener.takeover_wait = absl::Milliseconds(60 + Below(100));
    opener.acquire_timeout = absl::Milliseconds(Below(300));
    // All may be killed before there is a state.
    if (owners_->oracle().archived() == 0) opener.arguments = {"create_without_state=1"};
    if (Below(3) == 0) racers[i].killed_after = MicrosecondsBelow(500000);
    options.push_back(std::move(opener));
  }
  for (size_t i = 0; i < racers.size(); ++i) racers[i].owner = owners_->Start(options[i]);
  return racers;
}

absl::Status ArchiveRounds::RunRacers(std::vector<Racer>* racers) {
  std::vector<Racer> by_time = *racers;
  std::sort(by_time.begin(), by_time.end(),
            [](const Racer& a, const Racer& b) { return a.killed_after < b.killed_after; });
  const absl::Duration start = SteadyNow();
  for (const Racer& racer : by_time) {
    if (racer.killed_after == absl::InfiniteDuration()) break;
    MOORING_RETURN_IF_ERROR(owners_->Listen(start + racer.killed_after - SteadyNow()));
    if (racer.owner->gone) continue;
    MOORING_RETURN_IF_ERROR(owners_->Kill(racer.owner));
    ++interrupted_;
  }
  MOORING_RETURN_IF_ERROR(owners_->Await("a race to settle", [&] {
    return std::all_of(racers->begin(), racers->end(),
                       [](const Racer& racer) { return racer.Settled(); });
  }));
  if (options_.faults.two_winners) return owners_->Listen(absl::Milliseconds(200));
  return owners_->Await("all owners but one to leave", [&] {
    return std::count_if(racers->begin(), racers->end(),
                         [](const Racer& racer) { return !racer.Left(); }) <= 1;
  });
}

absl::Status ArchiveRounds::JudgeLosers(const std::vector<Racer>& racers) {
  for (const Racer& racer : racers) {
    const Owner& owner = *racer.owner;
    if (owner.killed) continue;
    if (owner.gone) {
      ++refused_;
      // On a slow machine the winner's first checkpoint may take longer than it is watched for.
      const bool too_early = absl::IsDataLoss(owner.failure) &&
                             absl::StrContains(owner.failure.message(), "never got a checkpoint");
      if (!absl::IsFailedPrecondition(owner.failure) && !too_early && !InTrouble(owner)) {
        return Unexpected(owner, "lost a race");
      }
    } else if (owner.Refused()) {
      ++taken_over_;
      if (owner.fenced != kChains) return Unexpected(owner, "was refused without IsFenced()");
    }
  }
  return absl::OkStatus();
}

// Row 2. The state is restored, claimed and brought to a first checkpoint by processes that are
// killed again and again on the way.
absl::Status ArchiveRounds::KilledOpens(int trials) {
  MOORING_RETURN_IF_ERROR(ForEach(trials, &ArchiveRounds::KillAnOpen));
  if (options_.quiet) return absl::OkStatus();
  std::cout << trials << " kills, " << interrupted_ << " of them before the store was open, "
            << Summary() << std::endl;
  if (interrupted_ >= trials / 5) return absl::OkStatus();
  return absl::InternalError("too few kills hit an open to prove anything");
}

absl::Status ArchiveRounds::FillForOpens() {
  OwnerOptions fill = On(NewVolume());
  fill.arguments = {"payload=20000"};
  Owner* const owner = owners_->Start(fill);
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(owner, 100));
  MOORING_RETURN_IF_ERROR(owners_->Kill(owner));
  const absl::Duration start = SteadyNow();
  Owner* const again = owners_->Start(On(NewVolume()));
  MOORING_RETURN_IF_ERROR(owners_->AwaitHolds(again));
  reach_ = SteadyNow() - start;
  return owners_->Kill(again);
}

absl::Status ArchiveRounds::KillAnOpen() {
  constexpr int kKillsForEachFill = 10;
  if (opens_to_kill_ == 0 || owner_ == nullptr) {
    MOORING_RETURN_IF_ERROR(FillForOpens());
    opens_to_kill_ = kKillsForEachFill;
  }
  // On what the one before left, or on nothing.
  const bool go_on = owner_ != nullptr && Below(3) > 0;
  Owner* const owner = owners_->Start(On(go_on ? owner_->options.volume : NewVolume()));
  owner_ = owner;
  const auto phases = static_cast<size_t>(Below(8));
  MOORING_RETURN_IF_ERROR(owners_->Await("a phase of an open", [&] {
    return owner->phases.size() >= phases || owner->holds || owner->gone;
  }));
  const absl::Duration longest = phases == 0 ? reach_ * 1.2 : absl::Milliseconds(30);
  MOORING_RETURN_IF_ERROR(
      owners_->Listen(MicrosecondsBelow(1 + static_cast<int>(absl::ToInt64Microseconds(longest)))));
  if (owner->gone) return Unexpected(*owner, "did not open");
  interrupted_ += !owner->holds;
  MOORING_RETURN_IF_ERROR(owners_->Kill(owner));
  if (--opens_to_kill_ > 0) return absl::OkStatus();
  Owner* const last = owners_->Start(On(owner->options.volume));
  MOORING_RETURN_IF_ERROR(owners_->AwaitArchived(last, 1));
  return owners_->Kill(last);
}

}  // namespace mooring::testing
