#include "src/store/scrubber.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::internal {
namespace {

// Of what is suspected: quick, and yet no commit waits long for the device.
constexpr int64_t kSuspectBytesPerSecond = int64_t{64} << 20;

// "000012.sst" and the like, as an error names them.
std::vector<std::string> FilesIn(std::string_view text) {
  constexpr std::string_view kSuffix = ".sst";
  std::vector<std::string> files;
  for (size_t at = text.find(kSuffix); at != std::string_view::npos;
       at = text.find(kSuffix, at + 1)) {
    size_t begin = at;
    while (begin > 0 && absl::ascii_isdigit(static_cast<unsigned char>(text[begin - 1]))) --begin;
    if (begin < at) files.emplace_back(text.substr(begin, at + kSuffix.size() - begin));
  }
  return files;
}

}  // namespace

Scrubber::Scrubber(engine::FileKeeper* keeper, FileHealer healer, Settings settings,
                   FileHealer::Log log)
    : keeper_(keeper),
      settings_(settings),
      log_(std::move(log)),
      healer_(std::move(healer)),
      next_pass_(settings.bytes_per_second > 0 ? SteadyNow() : absl::InfiniteDuration()),
      thread_([this] { Run(); }) {}

Scrubber::~Scrubber() {
  Stop();
  Join();
}

void Scrubber::Stop() {
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

void Scrubber::Join() {
  if (thread_.joinable()) thread_.join();
}

std::string Scrubber::Suspect(std::string_view text) {
  const std::vector<std::string> files = FilesIn(text);
  const absl::MutexLock lock(&mutex_);
  for (const std::string& file : files) {
    const auto known = damaged_.find(file);
    if (known != damaged_.end()) return std::string(known->second.message());
    suspects_.insert(file);
  }
  if (files.empty()) suspect_all_ = true;
  return settings_.repairs ? "the file is being checked, and repaired from the archive where that "
                             "has it: try again in a moment, and see health()"
                           : "the file is being checked: health() will say what is damaged";
}

void Scrubber::Report() const {
  if (!settings_.report) return;
  Health::Scrub figures;
  {
    const absl::MutexLock lock(&mutex_);
    figures = figures_;
    figures.files_damaged = static_cast<int64_t>(damaged_.size());
    if (!damaged_.empty()) figures.damage = damaged_.begin()->second;
  }
  settings_.report(figures);
}

void Scrubber::Say(LogSeverity severity, const std::string& text) const {
  if (log_) log_(severity, text);
}

// True when it is over: stopped, or, where that is asked for, something is suspected.
bool Scrubber::Wait(absl::Duration most, bool for_suspects) {
  const absl::MutexLock lock(&mutex_);
  const auto over = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopped_ || (for_suspects && (suspect_all_ || !suspects_.empty()));
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&over), most);
}

void Scrubber::Run() {
  while (true) {
    const absl::Duration due = pass_.empty() ? next_pass_ : absl::ZeroDuration();
    const absl::Duration pause = std::min(due, next_retry_) - SteadyNow();
    // Never for long at once: the clock of a waiting thread may stand still.
    Wait(std::clamp(pause, absl::ZeroDuration(), absl::Minutes(1)), /*for_suspects=*/true);
    {
      const absl::MutexLock lock(&mutex_);
      if (stopped_) return;
    }
    RunSuspects();
    if (SteadyNow() >= next_retry_) RetryDamaged();
    if (pass_.empty() && SteadyNow() >= next_pass_) BeginPass();
    if (!pass_.empty()) ContinuePass();
  }
}

std::vector<engine::LiveFile> Scrubber::Live() const {
  absl::StatusOr<std::vector<engine::LiveFile>> files = keeper_->List();
  if (files.ok()) return *std::move(files);
  Say(LogSeverity::kError, absl::StrCat("files are not checked: ", files.status().message()));
  return {};
}

bool Scrubber::IsLive(const engine::LiveFile& file) const {
  const std::vector<engine::LiveFile> files = Live();
  return std::any_of(files.begin(), files.end(),
                     [&](const engine::LiveFile& live) { return live.path == file.path; });
}

void Scrubber::RunSuspects() {
  std::set<std::string> suspects;
  bool all = false;
  {
    const absl::MutexLock lock(&mutex_);
    suspects.swap(suspects_);
    all = std::exchange(suspect_all_, false);
  }
  if (suspects.empty() && !all) return;
  for (const engine::LiveFile& file : Live()) {
    if (all || suspects.count(file.path) != 0) Examine(file, kSuspectBytesPerSecond, true);
  }
}

void Scrubber::BeginPass() {
  next_pass_ = SteadyNow() + settings_.period;
  pass_ = Live();
  std::sort(pass_.begin(), pass_.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  if (pass_.empty()) return;
  std::rotate(pass_.begin(), pass_.begin() + RandomUint64() % pass_.size(), pass_.end());
}

void Scrubber::ContinuePass() {
  if (!Examine(pass_.back(), settings_.bytes_per_second, /*suspected=*/false)) return;
  pass_.pop_back();
  if (!pass_.empty()) return;
  {
    const absl::MutexLock lock(&mutex_);
    ++figures_.passes;
  }
  Report();
}

bool Scrubber::Examine(const engine::LiveFile& file, int64_t bytes_per_second, bool suspected) {
  const absl::Duration begin = SteadyNow();
  int64_t read = 0;
  const auto pace = [&](int64_t bytes) {
    read += bytes;
    const absl::Duration due =
        begin + absl::Seconds(static_cast<double>(read) / static_cast<double>(bytes_per_second));
    const bool over = Wait(std::max(due - SteadyNow(), absl::ZeroDuration()), !suspected);
    {
      const absl::MutexLock lock(&mutex_);
      figures_.bytes_checked += bytes;
    }
    Report();
    return !over;
  };
  const absl::Status checked = keeper_->Check(file, pace);
  if (absl::IsCancelled(checked)) return false;
  // What was removed meanwhile is no damage.
  const bool good = checked.ok() || !IsLive(file);
  if (good && suspected) keeper_->Forget(file);
  absl::Status healed;
  if (!good) {
    Say(LogSeverity::kError, std::string(checked.message()));
    healed = healer_.Heal(file, checked);
  }
  if (!healed.ok()) {
    Say(LogSeverity::kError, std::string(healed.message()));
    damaged_files_[file.path] = file;
    next_retry_ = SteadyNow() + settings_.retry;
  } else {
    damaged_files_.erase(file.path);
  }
  {
    const absl::MutexLock lock(&mutex_);
    ++figures_.files_checked;
    if (!good && healed.ok()) ++figures_.files_repaired;
    damaged_.erase(file.path);
    if (!healed.ok()) damaged_[file.path] = absl::DataLossError(healed.message());
  }
  Report();
  return true;
}

void Scrubber::RetryDamaged() {
  next_retry_ = absl::InfiniteDuration();
  const std::map<std::string, engine::LiveFile> files = damaged_files_;
  for (const auto& [path, file] : files) {
    if (!Examine(file, kSuspectBytesPerSecond, /*suspected=*/true)) return;
  }
}

}  // namespace mooring::internal
