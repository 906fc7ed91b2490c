#include "tests/simulation/killed_store.h"

#include <signal.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "mooring/status_macros.h"
#include "src/base/steady_clock.h"
#include "tests/simulation/kill_workload.h"

namespace mooring::testing {
namespace {

// Far more than any step takes: only a child that hangs meets it.
constexpr absl::Duration kPatience = absl::Minutes(2);

std::vector<std::string> ArgumentsFor(const std::string& directory, uint64_t seed, bool large) {
  return {MOORING_KILL_CHILD, directory, absl::StrCat(seed), large ? "large" : "small"};
}

}  // namespace

absl::StatusOr<OracleTables> ReadInChild(const std::string& directory, uint64_t seed) {
  std::vector<std::string> arguments = {"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>&1"};
  for (std::string& argument : ArgumentsFor(directory, seed, /*large=*/false)) {
    arguments.push_back(std::move(argument));
  }
  ChildProcess reader(arguments);
  reader.CloseInput();
  const absl::Duration end = SteadyNow() + kPatience;
  OracleTables tables;
  std::string said;
  for (std::string line; line != "holds";) {
    line = reader.ReadLine(end - SteadyNow());
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    int index = 0;
    if (words[0] == "table" && words.size() == 4 && absl::SimpleAtoi(words[1], &index)) {
      tables[index][absl::HexStringToBytes(words[2])] = absl::HexStringToBytes(words[3]);
    } else if (words[0] != "phase" && line != "holds") {
      absl::StrAppend(&said, line, " ");
    }
    if (line != "holds" && (reader.ended() || SteadyNow() > end)) {
      if (!reader.ended()) return absl::DeadlineExceededError("the reader hangs: " + said);
      if (line.empty()) {
        return absl::AbortedError(absl::StrCat("ended with ", reader.Wait(), ": ", said));
      }
    }
  }
  if (const int result = reader.Wait(end - SteadyNow()); result != 0) {
    return absl::AbortedError(absl::StrCat("ended with ", result, ": ", said));
  }
  return tables;
}

KilledStore::KilledStore(KilledStoreOptions options)
    : options_(std::move(options)), oracle_(WorkloadOf(options_.seed, options_.large)) {}

absl::Status KilledStore::Live(const KillPlan& plan) {
  may_write_ = !plan.before_writing;
  started_ = SteadyNow();
  std::vector<std::string> arguments = options_.launcher;
  for (std::string& argument : ArgumentsFor(options_.directory, options_.seed, options_.large)) {
    arguments.push_back(std::move(argument));
  }
  Life life(arguments, options_.environment);
  alive_ = &life.process;
  absl::Status status = AwaitItsTime(plan, &life);
  if (status.ok()) status = End(plan, &life);
  alive_ = nullptr;
  MOORING_RETURN_IF_ERROR(status);
  opened_ += life.holds;
  interrupted_ += !life.holds;
  closed_ += life.closed;
  return absl::OkStatus();
}

void KilledStore::Pause() const { alive_->Signal(SIGSTOP); }
void KilledStore::Resume() const { alive_->Signal(SIGCONT); }

absl::Status KilledStore::Look(const std::string& directory, CommitOracle::Loss loss) {
  MOORING_ASSIGN_OR_RETURN(const OracleTables tables, ReadInChild(directory, options_.seed));
  return oracle_.Judge(tables, loss).status();
}

absl::Status KilledStore::AwaitItsTime(const KillPlan& plan, Life* life) {
  while (life->acknowledgements < plan.acknowledgements || life->phases < plan.phases) {
    if (SteadyNow() > started_ + kPatience) {
      return absl::DeadlineExceededError(absl::StrCat("the process hangs: phases ", life->phases,
                                                      ", acknowledged ", life->acknowledgements));
    }
    const absl::StatusOr<bool> goes_on = Listen(absl::Seconds(1), life);
    if (!goes_on.ok()) return goes_on.status();
    if (!*goes_on) {
      return absl::InternalError(
          absl::StrCat("the process ended by itself: ", life->process.Wait()));
    }
  }
  return ListenFor(plan.moment, life);
}

absl::Status KilledStore::ListenFor(absl::Duration time, Life* life) {
  const absl::Duration moment = SteadyNow() + time;
  while (SteadyNow() < moment) {
    const absl::StatusOr<bool> goes_on = Listen(moment - SteadyNow(), life);
    if (!goes_on.ok()) return goes_on.status();
    if (!*goes_on) break;
  }
  return absl::OkStatus();
}

absl::Status KilledStore::End(const KillPlan& plan, Life* life) {
  for (int i = 0; plan.at_the_moment && i < plan.moments; ++i) {
    if (i > 0) MOORING_RETURN_IF_ERROR(ListenFor(plan.moment, life));
    MOORING_RETURN_IF_ERROR(plan.at_the_moment());
  }
  if (plan.terminate) {
    life->process.Signal(SIGTERM);
    const absl::Duration kill = SteadyNow() + (plan.spare ? kPatience : plan.grace);
    for (absl::StatusOr<bool> goes_on = true; *goes_on && SteadyNow() < kill;) {
      goes_on = Listen(kill - SteadyNow(), life);
      if (!goes_on.ok()) return goes_on.status();
    }
  }
  const bool must_end_alone = plan.terminate && plan.spare;
  if (!must_end_alone && !plan.ends_alone) life->process.Signal(SIGKILL);
  while (!life->process.ended()) {  // What stands in the pipe was acknowledged, too.
    if (SteadyNow() > started_ + 2 * kPatience) return absl::DeadlineExceededError("it lives on");
    const absl::StatusOr<bool> goes_on = Listen(absl::Seconds(1), life);
    if (!goes_on.ok()) return goes_on.status();
  }
  const int result = life->process.Wait();
  // One that was killed may have been at its end already, after SIGTERM only.
  const bool fine = must_end_alone ? result == 0 && life->closed
                                   : result == -SIGKILL || (plan.terminate && result == 0);
  if (fine) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the process ended with ", result));
}

absl::StatusOr<bool> KilledStore::Listen(absl::Duration wait, Life* life) {
  const bool got = life->process.Read(&life->unread, wait);
  size_t begin = 0;
  for (size_t end; (end = life->unread.find('\n', begin)) != std::string::npos; begin = end + 1) {
    absl::Status status = TakeIn(std::string_view(life->unread).substr(begin, end - begin), life);
    if (!status.ok()) return status;
  }
  life->unread.erase(0, begin);
  return got || !life->process.ended();
}

absl::Status KilledStore::TakeIn(std::string_view line, Life* life) {
  const std::vector<std::string> words = absl::StrSplit(std::string(line), ' ');
  int index = 0;
  if (words[0] == "phase" && words.size() == 2 && absl::SimpleAtoi(words[1], &index)) {
    ++life->phases;
    phases_.insert(static_cast<Progress::Phase>(index));
  } else if (words[0] == "table" && words.size() == 4 && absl::SimpleAtoi(words[1], &index)) {
    life->tables[index][absl::HexStringToBytes(words[2])] = absl::HexStringToBytes(words[3]);
  } else if (words[0] == "holds") {
    return Judge(life);
  } else if (words[0] == "acknowledged" && words.size() == 4) {
    ++life->acknowledgements;
    return Acknowledge(words);
  } else if (words[0] == "closed" && words.size() == 4) {
    return TakeInClose(words, life);
  } else {
    return absl::InternalError(absl::StrCat("the process said: ", std::string(line)));
  }
  return absl::OkStatus();
}

absl::Status KilledStore::Acknowledge(const std::vector<std::string>& words) {
  int writer = 0;
  uint64_t number = 0;
  if (!absl::SimpleAtoi(words[1], &writer) || !absl::SimpleAtoi(words[2], &number)) {
    return absl::InternalError(absl::StrCat("a strange line: ", absl::StrJoin(words, " ")));
  }
  ++acknowledged_;
  oracle_.AcknowledgeNumber(
      writer, number,
      words[3] == "volume" ? CommitOracle::Level::kVolume : CommitOracle::Level::kProcess);
  return absl::OkStatus();
}

// Row 20: Close() returns on time, and if it says that the volume is released, it was synced.
absl::Status KilledStore::TakeInClose(const std::vector<std::string>& words, Life* life) {
  life->closed = true;
  int64_t took_ms = 0;
  const bool synced = words[1] == "1";
  const bool released = words[2] == "1";
  if (!absl::SimpleAtoi(words[3], &took_ms) || (released && !synced)) {
    return absl::InternalError(absl::StrCat("a strange close: ", absl::StrJoin(words, " ")));
  }
  const absl::Duration took = absl::Milliseconds(took_ms);
  if (took > kCloseTimeout + absl::Minutes(1)) {
    return absl::InternalError(absl::StrCat("Close() took ", absl::FormatDuration(took)));
  }
  if (!released && took < kCloseTimeout - absl::Milliseconds(10)) {
    return absl::InternalError("Close() gave up before its time");
  }
  return absl::OkStatus();
}

absl::Status KilledStore::Judge(Life* life) {
  life->holds = true;
  last_open_ = SteadyNow() - started_;
  const absl::StatusOr<CommitOracle::Position> position =
      oracle_.Judge(life->tables, CommitOracle::Loss::kProcessKill);
  if (!position.ok()) return position.status();
  // A writer makes a commit when the one before it was acknowledged, so at most one is unknown.
  const CommitOracle::Position acknowledged =
      oracle_.LastAcknowledged(CommitOracle::Level::kProcess);
  for (size_t writer = 0; writer < position->size(); ++writer) {
    if ((*position)[writer] > acknowledged[writer] + 1) {
      return absl::InternalError(absl::StrCat("writer ", writer, " stands at ", (*position)[writer],
                                              " after acknowledging ", acknowledged[writer]));
    }
  }
  oracle_.ContinueFrom(*position);
  // Whatever was recovered and read is durable against kills: the model need not replay it.
  for (size_t writer = 0; writer < position->size(); ++writer) {
    oracle_.AcknowledgeNumber(static_cast<int>(writer), (*position)[writer],
                              CommitOracle::Level::kVolume);
  }
  if (may_write_) life->process.Write(oracle_.SaveChains() + "\n");
  return absl::OkStatus();
}

}  // namespace mooring::testing
