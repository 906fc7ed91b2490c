#include "mooring/health.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/options.h"

namespace mooring {
namespace {

absl::string_view StateName(Health::State state) {
  switch (state) {
    case Health::State::kStarting:
      return "starting";
    case Health::State::kServing:
      return "serving";
    case Health::State::kFull:
      return "full";
    case Health::State::kReadOnly:
      return "read-only";
    case Health::State::kClosed:
      return "closed";
  }
  return "unknown";
}

}  // namespace

std::string_view PhaseName(Progress::Phase phase) {
  switch (phase) {
    case Progress::Phase::kInspectingVolume:
      return "inspecting-volume";
    case Progress::Phase::kAcquiringLock:
      return "acquiring-lock";
    case Progress::Phase::kReadingLog:
      return "reading-log";
    case Progress::Phase::kReplayingLog:
      return "replaying-log";
    case Progress::Phase::kServing:
      return "serving";
    case Progress::Phase::kReachingArchive:
      return "reaching-archive";
    case Progress::Phase::kWatchingArchive:
      return "watching-archive";
    case Progress::Phase::kRestoring:
      return "restoring";
  }
  return "unknown";
}

std::string Health::ToString() const {
  std::string text(StateName(state));
  if (!reason.ok()) absl::StrAppend(&text, ": ", reason.ToString());
  if (stall.has_value()) {
    absl::StrAppend(&text, "; waiting ", absl::FormatDuration(stall->age), " for ",
                    stall->operation);
  }
  if (!scrub.damage.ok()) absl::StrAppend(&text, "; damaged: ", scrub.damage.message());
  return text;
}

Health HealthMonitor::Get() const {
  std::lock_guard<std::mutex> lock(mutex_);
  Health health = health_;
  if (stall_probe_) health.stall = stall_probe_();
  return health;
}

void HealthMonitor::Set(Health::State state, absl::Status reason) {
  std::lock_guard<std::mutex> lock(mutex_);
  health_.state = state;
  health_.reason = std::move(reason);
}

void HealthMonitor::SetScrub(Health::Scrub scrub) {
  std::lock_guard<std::mutex> lock(mutex_);
  health_.scrub = std::move(scrub);
}

void HealthMonitor::SetStallProbe(std::function<std::optional<Health::Stall>()> probe) {
  std::lock_guard<std::mutex> lock(mutex_);
  stall_probe_ = std::move(probe);
}

}  // namespace mooring
