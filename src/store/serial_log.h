#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "mooring/options.h"

namespace mooring::internal {

using LogCallback = std::function<void(LogSeverity, std::string_view)>;

// Calls `log` from any thread, never two at a time. Empty where `log` is.
inline LogCallback OneAtATime(LogCallback log) {
  if (!log) return log;
  return [log = std::move(log), mutex = std::make_shared<absl::Mutex>()](LogSeverity severity,
                                                                         std::string_view text) {
    absl::MutexLock lock(mutex.get());
    log(severity, text);
  };
}

}  // namespace mooring::internal
