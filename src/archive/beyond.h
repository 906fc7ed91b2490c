#pragma once

#include <vector>

#include "src/archive/history.h"
#include "src/archive/restore_plan.h"
#include "src/engine/log_source.h"

namespace mooring::archive {

// Of what the logs of a damaged volume still hold, the pieces that continue the plan's state
// without a gap: for Restorer::PutInPlace(). Nothing where the plan's history is not a prefix of
// the volume's, whose commits then belong to another lineage. `intact` is of
// engine::ReadIntactLogs().
std::vector<engine::LogPiece> SelectBeyond(const RestorePlan& plan, const History& local_history,
                                           std::vector<engine::LogPiece> intact);

}  // namespace mooring::archive
