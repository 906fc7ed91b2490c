// Row 4: the engine and the commit queue over a disk that loses what was not synced.
#include <iostream>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/simulation/engine_life.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"

namespace mooring::simulation {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.

// A machine whose power is cut again and again while it writes. What is wrong, or nothing.
std::string CutAgainAndAgain(uint64_t seed, int cuts, bool acknowledge_early) {
  std::mt19937_64 random(seed);
  CommitOracle oracle(OracleOptions(seed));
  auto files = FaultFileSystem::Create();
  for (int cut = 0; cut < cuts; ++cut) {
    const uint64_t cut_seed = random();
    const uint64_t write_seed = random();
    const int cut_at = static_cast<int>(random() % 60);  // Acknowledgements until then.
    std::mutex mutex;
    int acknowledged = 0;
    std::shared_ptr<FaultFileSystem> after;
    const auto acknowledge = [&](const OracleCommit& commit, CommitOracle::Level level) {
      std::lock_guard<std::mutex> lock(mutex);
      if (after != nullptr) return false;
      oracle.Acknowledge(commit, level);
      if (acknowledged++ == cut_at) after = files->CrashClone(cut_seed);
      return after == nullptr;
    };
    {
      const auto life = EngineLife::Open(files, /*create=*/cut == 0);
      if (!life.ok()) return absl::StrCat("cut ", cut, ": ", life.status().ToString());
      (*life)->Write(&oracle, 40, write_seed, acknowledge, acknowledge_early);
      if (after == nullptr) after = files->CrashClone(cut_seed);
    }
    files = std::move(after);
    const std::string wrong = Judge(files, &oracle, CommitOracle::Loss::kPowerCut);
    if (!wrong.empty()) return absl::StrCat("cut ", cut, ": ", wrong);
  }
  return "";
}

constexpr int kCutsPerMachine = 4;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kUsualTrials = 200;  // What counts there is what the sanitizer sees.
#else
constexpr int kUsualTrials = 1000;
#endif

// Row 4.
TEST(EngineFaultTest, PowerCutsLoseNothingAcknowledged) {
  const uint64_t seed = TestSeed();
  const int trials = TestTrials(kUsualTrials);
  for (int machine = 0; machine * kCutsPerMachine < trials; ++machine) {
    ASSERT_EQ(CutAgainAndAgain(seed + static_cast<uint64_t>(machine), kCutsPerMachine, false), "")
        << "MOORING_SEED=" << seed + machine;
  }
  std::cout << trials << " power cuts, 0 broken" << std::endl;
}

// The negative control of row 4: acknowledged before the sync.
TEST(EngineFaultTest, AnEarlyAcknowledgementIsCaught) {
  const uint64_t seed = TestSeed();
  for (int machine = 0; machine < 250; ++machine) {
    const std::string wrong =
        CutAgainAndAgain(seed + static_cast<uint64_t>(machine), kCutsPerMachine, true);
    if (wrong.empty()) continue;
    std::cout << "caught by machine " << machine << ", " << wrong << std::endl;
    return;
  }
  FAIL() << "1,000 power cuts did not notice commits acknowledged before their sync";
}

}  // namespace
}  // namespace mooring::simulation
