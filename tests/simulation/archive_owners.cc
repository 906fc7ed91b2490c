#include "tests/simulation/archive_owners.h"

#include <poll.h>
#include <signal.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::testing {
namespace {

// The clocks of commits and of acknowledgements are not the same.
constexpr absl::Duration kClockSlack = absl::Milliseconds(2);

absl::Status Strange(const std::vector<std::string>& words) {
  return absl::InternalError(absl::StrCat("a strange line: ", absl::StrJoin(words, " ")));
}

// "<code> <message>" from the word `first` on.
absl::Status StatusFrom(const std::vector<std::string>& words, size_t first) {
  int code = 0;
  if (words.size() <= first || !absl::SimpleAtoi(words[first], &code)) return Strange(words);
  const auto rest = words.begin() + static_cast<std::ptrdiff_t>(first) + 1;
  return absl::Status(static_cast<absl::StatusCode>(code), absl::StrJoin(rest, words.end(), " "));
}

}  // namespace

Owner* ArchiveOwners::Start(const OwnerOptions& options) {
  const int number = oracle_.Begin(options.volume, options.as_left);
  std::vector<std::string> arguments = {
      MOORING_ARCHIVE_CHILD,
      "volume=" + options.volume,
      "url=" + options_.url,
      "owner=" + ArchiveOracle::NameOf(number),
      absl::StrCat("seed=", options_.seed + static_cast<uint64_t>(number)),
      absl::StrCat("write=", options.writes ? 1 : 0),
      absl::StrCat("takeover_wait_us=", absl::ToInt64Microseconds(options.takeover_wait)),
      absl::StrCat("acquire_us=", absl::ToInt64Microseconds(options.acquire_timeout))};
  for (const auto* more : {&options_.arguments, &options.arguments}) {
    arguments.insert(arguments.end(), more->begin(), more->end());
  }
  std::error_code ignored;
  std::filesystem::create_directories(options.volume, ignored);
  owners_.push_back(std::make_unique<Owner>(number, options, arguments, options_.environment));
  return owners_.back().get();
}

absl::Status ArchiveOwners::Await(std::string_view what, const std::function<bool()>& condition) {
  const Deadline deadline(kOwnerPatience);
  while (wrong_.ok() && !condition()) {
    if (deadline.Passed()) {
      wrong_ = absl::DeadlineExceededError(absl::StrCat("waited in vain: ", ToAbsl(what)));
    }
    ReadFrom(std::min(deadline.Left(), absl::Seconds(1)));
  }
  return wrong_;
}

absl::Status ArchiveOwners::AwaitHolds(Owner* owner) {
  MOORING_RETURN_IF_ERROR(Await("an open", [&] { return owner->holds || owner->gone; }));
  if (!owner->holds) Wrong(*owner, owner->failure);
  return wrong_;
}

absl::Status ArchiveOwners::AwaitArchived(Owner* owner, int commits) {
  MOORING_RETURN_IF_ERROR(AwaitHolds(owner));
  const int enough = owner->archived + commits;
  MOORING_RETURN_IF_ERROR(Await("archived commits", [&] {
    return owner->archived >= enough || owner->Refused() || owner->gone;
  }));
  if (owner->archived < enough) Wrong(*owner, owner->refusal);
  return wrong_;
}

absl::Status ArchiveOwners::Listen(absl::Duration time) {
  const Deadline deadline(time);
  while (wrong_.ok() && !deadline.Passed()) ReadFrom(deadline.Left());
  return wrong_;
}

absl::Status ArchiveOwners::Kill(Owner* owner) {
  owner->killed = true;
  owner->process.Signal(SIGKILL);
  return Await("the end of a killed process", [&] { return owner->gone; });
}

absl::Status ArchiveOwners::Close(Owner* owner) {
  owner->process.Write("close\n");
  return Await("a close", [&] { return owner->gone; });
}

absl::StatusOr<absl::StatusCode> ArchiveOwners::AskArchived(Owner* owner, Version version) {
  owner->waited.reset();
  owner->process.Write(absl::StrCat("wait ", version.epoch, " ", version.sequence, "\n"));
  MOORING_RETURN_IF_ERROR(
      Await("WaitArchived()", [&] { return owner->waited.has_value() || owner->gone; }));
  if (!owner->waited) return absl::InternalError("the process ended");
  return *owner->waited;
}

absl::Status ArchiveOwners::JudgeAll(const std::string& volume) {
  for (const std::unique_ptr<Owner>& owner : owners_) {
    if (!owner->gone) MOORING_RETURN_IF_ERROR(Kill(owner.get()));
  }
  OwnerOptions options;
  options.volume = volume;
  options.writes = false;
  options.takeover_wait = absl::ZeroDuration();
  Owner* const judge = Start(options);
  MOORING_RETURN_IF_ERROR(AwaitHolds(judge));
  return Close(judge);
}

// False where nobody said anything within `wait`.
bool ArchiveOwners::ReadFrom(absl::Duration wait) {
  std::vector<pollfd> waiting;
  std::vector<Owner*> of;
  for (const std::unique_ptr<Owner>& owner : owners_) {
    if (owner->gone) continue;
    waiting.push_back({owner->process.output(), POLLIN, 0});
    of.push_back(owner.get());
  }
  const int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1)));
  if (::poll(waiting.data(), waiting.size(), static_cast<int>(ms)) <= 0) return false;
  for (size_t i = 0; i < waiting.size(); ++i) {
    if (waiting[i].revents == 0) continue;
    of[i]->process.Read(&of[i]->unread, absl::ZeroDuration());
    TakeIn(of[i]);
    if (of[i]->process.ended()) Wrong(*of[i], TakeInEnd(of[i]));
  }
  return true;
}

void ArchiveOwners::TakeIn(Owner* owner) {
  size_t begin = 0;
  for (size_t end; (end = owner->unread.find('\n', begin)) != std::string::npos; begin = end + 1) {
    Wrong(*owner, TakeIn(owner, owner->unread.substr(begin, end - begin)));
  }
  owner->unread.erase(0, begin);
}

absl::Status ArchiveOwners::TakeIn(Owner* owner, const std::string& line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  const std::string& what = words[0];
  int number = 0;
  if (what == "ack") return TakeInAcknowledgement(owner, words);
  if (what == "status") return TakeInStatus(owner, words);
  if (testing::ReadLine(words, &owner->found)) return absl::OkStatus();
  if (what == "phase" && words.size() == 2 && absl::SimpleAtoi(words[1], &number)) {
    owner->phases.push_back(static_cast<Progress::Phase>(number));
    phases_.insert(owner->phases.back());
  } else if (what == "opened" && words.size() == 3) {
    if (!absl::SimpleAtoi(words[1], &owner->opened.epoch)) return Strange(words);
  } else if (line == "holds") {
    MOORING_ASSIGN_OR_RETURN(owner->finding, oracle_.Judge(owner->number, owner->found));
    owner->holds = true;
  } else if (what == "refused" && words.size() > 4) {
    ++owner->refused;
    owner->fenced += words[2] == "1";
    owner->refusal = StatusFrom(words, 3);
  } else if (what == "failed" && words.size() > 3) {
    owner->failure = StatusFrom(words, 2);
  } else if (what == "waited" && words.size() > 1) {
    owner->waited = StatusFrom(words, 1).code();
  } else if (what == "closed" && words.size() == 4) {
    owner->closed = true;
    owner->closed_archived = words[3] == "1";
    if (owner->closed_archived) oracle_.ArchivedAll(owner->number);
  } else {
    return Strange(words);
  }
  return absl::OkStatus();
}

absl::Status ArchiveOwners::TakeInAcknowledgement(Owner* owner,
                                                  const std::vector<std::string>& words) {
  ArchiveOracle::Commit commit;
  int64_t time_us = 0;
  if (words.size() != 8 || !absl::SimpleAtoi(words[2], &commit.chain) ||
      !absl::SimpleAtoi(words[3], &commit.number) ||
      !absl::SimpleAtoi(words[5], &commit.version.epoch) ||
      !absl::SimpleAtoi(words[6], &commit.version.sequence) ||
      !absl::SimpleAtoi(words[7], &time_us)) {
    return Strange(words);
  }
  commit.hash = words[4];
  // The lag is that of what is on the volume for good.
  commit.time = words[1] == "process" ? absl::InfiniteDuration() : absl::Microseconds(time_us);
  const bool archived = words[1] == "archive";
  ++(archived ? owner->archived : owner->on_volume);
  owner->newest = std::max(owner->newest, commit.version);
  oracle_.Acknowledge(owner->number,
                      archived ? ArchiveOracle::Level::kArchive : ArchiveOracle::Level::kVolume,
                      std::move(commit));
  return absl::OkStatus();
}

absl::Status ArchiveOwners::TakeInStatus(Owner* owner, const std::vector<std::string>& words) {
  int64_t time_us = 0;
  int64_t lag_us = 0;
  if (words.size() < 7 || !absl::SimpleAtoi(words[1], &time_us) ||
      !absl::SimpleAtoi(words[2], &lag_us) ||
      !absl::SimpleAtoi(words[4], &owner->archived_sequence)) {
    return Strange(words);
  }
  owner->lag = absl::Microseconds(lag_us);
  oracle_.Archived(owner->number, owner->archived_sequence,
                   absl::Microseconds(time_us) - owner->lag - kClockSlack);
  return absl::OkStatus();
}

absl::Status ArchiveOwners::TakeInEnd(Owner* owner) {
  owner->gone = true;
  oracle_.End(owner->number);
  const int result = owner->process.Wait();
  if (owner->killed || (owner->closed && result == 0)) return absl::OkStatus();
  if (!owner->failure.ok() && result == 3) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the process ended by itself, with ", result));
}

void ArchiveOwners::Wrong(const Owner& owner, const absl::Status& status) {
  if (status.ok() || !wrong_.ok()) return;
  wrong_ = absl::Status(status.code(), absl::StrCat(ArchiveOracle::NameOf(owner.number), " on ",
                                                    owner.options.volume, ": ", status.message()));
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

absl::Status CopyVolume(const std::string& from, const std::string& to) {
  RemoveTree(to);
  ChildProcess copy({"/bin/cp", "-a", "--reflink=auto", from, to});
  const int result = copy.Wait();
  if (result == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("copying ", from, " ended with ", result));
}

}  // namespace mooring::testing
