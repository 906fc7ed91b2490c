#include "src/archive/beyond.h"

#include <utility>

namespace mooring::archive {
namespace {

// Whether `piece` goes on where the plan's logs end.
bool Continues(const RestorePlan& plan, const engine::LogPiece& piece) {
  const uint64_t next = plan.state.last_sequence + 1;
  if (piece.begin != 0 || piece.last_sequence < next) return false;
  if (!plan.logs.empty()) {
    const Segment& last = plan.logs.back().info();
    if (piece.log == last.log && piece.generation == last.generation) {
      return piece.first_sequence <= next && piece.end > last.end;
    }
    if (piece.log <= last.log) return false;
  }
  return piece.log >= plan.min_log && piece.first_sequence == next;
}

}  // namespace

std::vector<engine::LogPiece> SelectBeyond(const RestorePlan& plan, const History& local_history,
                                           std::vector<engine::LogPiece> intact) {
  const uint64_t end = plan.state.last_sequence;
  if (!(local_history.Until(end) == plan.state.history.Until(end))) return {};
  std::vector<engine::LogPiece> selected;
  for (engine::LogPiece& piece : intact) {
    if (selected.empty()) {
      if (Continues(plan, piece)) selected.push_back(std::move(piece));
      continue;
    }
    const engine::LogPiece& last = selected.back();
    if (piece.log <= last.log || piece.begin != 0 ||
        piece.first_sequence != last.last_sequence + 1) {
      break;
    }
    selected.push_back(std::move(piece));
  }
  return selected;
}

}  // namespace mooring::archive
