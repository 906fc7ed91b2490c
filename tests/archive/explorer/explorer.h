#pragma once

#include <string>
#include <vector>

#include "tests/archive/explorer/world.h"

namespace mooring::archive::explorer {

struct Verdict {
  size_t states = 0;
  size_t depth = 0;        // Steps from the beginning to the last state looked at.
  bool exhausted = false;  // Every course of events within the scenario's budgets was tried.
  std::string violation;   // Empty where every state was as it should be.
  std::vector<std::string> trace;  // A shortest way to it.
};

// Tries every course of events, shortest first, and judges every state:
//
//   I1  what was acknowledged at kArchive is what the archive restores, in the same order
//   I2  no owner gets an acknowledgement for an entry that landed after a newer claim was confirmed
//   I3  there is one history: acknowledgements of all owners agree
//   I4  whoever took over can restore
//   I5  a volume whose commits nobody else continued is never set aside, and one that lacks or
//       contradicts what the archive holds is never kept
//   I6  each of the lineage's two newest checkpoints alone restores what it holds
//   I7  nothing comes back that was left behind
Verdict Explore(const Scenario& scenario);

}  // namespace mooring::archive::explorer
