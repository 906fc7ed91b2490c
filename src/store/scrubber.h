#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mooring/health.h"
#include "mooring/options.h"
#include "src/engine/file_keeper.h"
#include "src/store/file_healer.h"

namespace mooring::internal {

// Proves the files of a serving store in the background, one after another at a bounded rate, and
// repairs what is damaged. What a read or a checkpoint stumbled over comes first, and faster. A
// pass begins at a random file, so that a store that is opened often has all of them proved, too.
// Thread-safe.
class Scrubber {
 public:
  struct Settings {
    int64_t bytes_per_second = 0;  // 0: only what is suspected is looked at.
    absl::Duration period;         // From one pass's begin to the next one's.
    bool repairs = false;          // There is an archive.
    // Called when the figures have changed.
    std::function<void(const Health::Scrub&)> report;
    // After which what could not be repaired is tried again.
    absl::Duration retry = absl::Seconds(30);
  };

  // `keeper` outlives Join().
  Scrubber(engine::FileKeeper* keeper, FileHealer healer, Settings settings, FileHealer::Log log);
  ~Scrubber();

  // Looks at once at the files that the text names ("000012.sst"), or at all where it names none.
  // Answers what to tell the caller who met the damage.
  std::string Suspect(std::string_view text) ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing more is begun.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for what was under way.
  void Join();

 private:
  void Run();
  void RunSuspects();
  void RetryDamaged();
  void BeginPass();
  void ContinuePass();
  // Whether it was looked at to its end.
  bool Examine(const engine::LiveFile& file, int64_t bytes_per_second, bool suspected);
  bool Wait(absl::Duration most, bool for_suspects);
  bool IsLive(const engine::LiveFile& file) const;
  std::vector<engine::LiveFile> Live() const;
  void Report() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Say(LogSeverity severity, const std::string& text) const;

  engine::FileKeeper* const keeper_;
  const Settings settings_;
  const FileHealer::Log log_;

  // The thread's own.
  FileHealer healer_;
  std::vector<engine::LiveFile> pass_;  // What is left of it, the next one last.
  absl::Duration next_pass_;
  absl::Duration next_retry_ = absl::InfiniteDuration();
  std::map<std::string, engine::LiveFile> damaged_files_;

  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::string> suspects_ ABSL_GUARDED_BY(mutex_);  // Paths.
  bool suspect_all_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, absl::Status> damaged_ ABSL_GUARDED_BY(mutex_);  // By path, not repaired.
  Health::Scrub figures_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace mooring::internal
