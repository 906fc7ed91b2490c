#include "tests/archive/explorer/explorer.h"

#include <deque>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "tests/archive/explorer/steps.h"

namespace mooring::archive::explorer {
namespace {

struct Visit {
  uint32_t parent = 0;
  std::string step;
};

class Exploration {
 public:
  explicit Exploration(const Scenario& scenario) : scenario_(scenario), steps_(scenario) {}

  Verdict Run() {
    Add(steps_.Begin(), 0, "begin");
    while (!queue_.empty() && verdict_.violation.empty() && visits_.size() < scenario_.max_states) {
      const World world = std::move(queue_.front());
      queue_.pop_front();
      const uint32_t parent = expanded_++;
      for (Step& step : steps_.From(world))
        Add(std::move(step.world), parent, std::move(step.label));
    }
    verdict_.states = visits_.size();
    verdict_.exhausted = queue_.empty() && verdict_.violation.empty();
    verdict_.depth = Trace(visits_.size() - 1).size();
    return std::move(verdict_);
  }

 private:
  void Add(World world, uint32_t parent, std::string step) {
    if (!verdict_.violation.empty()) return;
    const std::string fingerprint = world.Fingerprint();
    const std::pair<size_t, size_t> key = {absl::HashOf(fingerprint), absl::HashOf(fingerprint, 1)};
    if (world.violation.empty() && !seen_.insert(key).second) return;
    visits_.push_back({parent, std::move(step)});
    if (world.violation.empty()) world.violation = steps_.Judge(world);
    if (!world.violation.empty()) {
      verdict_.violation = world.violation;
      verdict_.trace = Trace(visits_.size() - 1);
      return;
    }
    queue_.push_back(std::move(world));
  }

  std::vector<std::string> Trace(size_t visit) const {
    std::vector<std::string> steps;
    for (; visit != 0; visit = visits_[visit].parent) {
      steps.insert(steps.begin(), visits_[visit].step);
    }
    return steps;
  }

  const Scenario scenario_;
  Steps steps_;
  Verdict verdict_;
  std::deque<World> queue_;
  uint32_t expanded_ = 0;  // States leave the queue in the order of their visits.
  std::vector<Visit> visits_;
  absl::flat_hash_set<std::pair<size_t, size_t>> seen_;
};

}  // namespace

Verdict Explore(const Scenario& scenario) { return Exploration(scenario).Run(); }

}  // namespace mooring::archive::explorer
