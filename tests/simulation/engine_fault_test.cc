// Row 5: the engine and the commit queue over a disk on which any call may fail.
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/simulation/engine_life.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"

namespace mooring::simulation {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.

struct FailingCall {
  std::string name;
  uint32_t calls;
  int error;
  bool permanent;
  bool loses_dirty_pages;
};
void PrintTo(const FailingCall& call, std::ostream* out) { *out << call.name; }

constexpr int kBroken = 1;

// Writes while call number `nth` fails, and judges what is left, after a restart of the process and
// after a power cut. kBroken where anything is wrong.
int MeetFailingCall(const FailingCall& call, uint64_t nth, uint64_t seed) {
  CommitOracle oracle(OracleOptions(seed));
  const auto acknowledge = [&](const OracleCommit& commit, CommitOracle::Level level) {
    oracle.Acknowledge(commit, level);
    return true;
  };
  auto files = FaultFileSystem::Create();
  const bool created = EngineLife::Open(files, /*create=*/true).ok();
  files->faults().Add(
      {call.calls, "", nth, call.permanent, call.error, call.loses_dirty_pages, false});
  if (const auto life = EngineLife::Open(files, /*create=*/false); life.ok()) {
    (*life)->Write(&oracle, 60, seed, acknowledge);
  }
  files->faults().Clear();
  const auto powerless = files->CrashClone(seed);
  std::string wrong = created ? "" : "an untouched disk fails";
  if (wrong.empty() && !call.loses_dirty_pages) {
    wrong = Judge(files->KillClone(), &oracle, CommitOracle::Loss::kProcessKill);
  }
  if (wrong.empty() && call.loses_dirty_pages) {
    wrong = Judge(powerless, &oracle, CommitOracle::Loss::kPowerCut);
  }
  if (wrong.empty()) return 0;
  std::cout << call.name << ", call " << nth << ", MOORING_SEED=" << seed << ": " << wrong
            << std::endl;
  return kBroken;
}

class FailingCallTest : public ::testing::TestWithParam<FailingCall> {};

// Each trial is a process of its own: the packaged RocksDB asserts, and an abort is a crash. This
// process itself never opens an engine, for a forked child would lack its threads.
TEST_P(FailingCallTest, NothingAcknowledgedIsLost) {
  const uint64_t seed = TestSeed();
  const int trials = TestTrials(40);
  std::mt19937_64 random(seed);
  int broken = 0;
  int crashed = 0;
  for (int trial = 0; trial < trials && broken == 0; ++trial) {
    const uint64_t nth = 1 + random() % 400;
    const uint64_t trial_seed = random();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(120);
      const int result = MeetFailingCall(GetParam(), nth, trial_seed);
      std::cout.flush();
      _exit(result);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
      ++crashed;
    } else {
      broken += status != 0;
      EXPECT_EQ(status, 0) << "call " << nth << ", MOORING_SEED=" << seed << ", trial " << trial;
    }
  }
  std::cout << trials << " trials, " << broken << " broken, " << crashed << " crashed" << std::endl;
}

INSTANTIATE_TEST_SUITE_P(
    Calls, FailingCallTest,
    ::testing::Values(FailingCall{"OneWriteOnce", kWriteCall, EIO, false, false},
                      FailingCall{"WritesForGood", kWriteCall, EIO, true, false},
                      FailingCall{"OneSyncOnce", kSyncCall, EIO, false, false},
                      FailingCall{"OneSyncThatLosesItsPages", kSyncCall, EIO, false, true},
                      FailingCall{"SyncsForGood", kSyncCall, EIO, true, false},
                      FailingCall{"OneDirectorySync", kDirectorySyncCall, EIO, false, false},
                      FailingCall{"CreatesForGood", kCreateCall, EROFS, true, false},
                      FailingCall{"AllForGood", kMutatingCalls, EROFS, true, false},
                      FailingCall{"OneRename", kRenameCall, EIO, false, false},
                      FailingCall{"OneDelete", kDeleteCall, EIO, false, false}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace mooring::simulation
