#include "src/store/volume_monitor.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/batch_operations.h"

namespace mooring::internal {

using volume::SpaceLevel;

VolumeMonitor::VolumeMonitor(std::string directory, std::shared_ptr<engine::SpaceGate> gate,
                             std::shared_ptr<OperationWatch> watch, Callbacks callbacks)
    : directory_(std::move(directory)),
      gate_(std::move(gate)),
      watch_(std::move(watch)),
      callbacks_(std::move(callbacks)),
      reserve_(directory_),
      thread_([this] { Run(); }) {}

VolumeMonitor::~VolumeMonitor() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  thread_.join();
}

absl::Status VolumeMonitor::AdmitOnFullVolume(std::string_view operations) const {
  bool frees_space = level_.load(std::memory_order_acquire) != SpaceLevel::kOut;
  engine::Operation operation;
  for (engine::OperationReader reader(operations); frees_space && reader.Next(&operation);) {
    frees_space = operation.kind != engine::OperationKind::kPut;
  }
  if (frees_space) return absl::OkStatus();
  return AdmitTable();
}

absl::Status VolumeMonitor::AdmitTable() const {
  absl::MutexLock lock(&mutex_);
  return refusal_;
}

void VolumeMonitor::Run() {
  for (;;) {
    Look();
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopped_), kInterval)) return;
  }
}

void VolumeMonitor::Look() {
  const SpaceLevel before = level_.load(std::memory_order_relaxed);
  absl::StatusOr<SpaceLevel> level = before;
  {
    const OperationWatch::Scope scope(watch_.get(), "look at", OperationWatch::Path(directory_));
    level = reserve_.Check(gate_->blocked());
  }
  if (!level.ok()) return;  // A volume that cannot be asked cannot be written: commits will tell.
  if (reserve_.space().read_only && !std::exchange(told_read_only_, true)) {
    callbacks_.read_only(absl::UnavailableError(absl::StrCat(
        "the volume at ", directory_,
        " is mounted read-only; mount it for writing, after a check of the file system, and "
        "reopen the store")));
  }
  if (*level != SpaceLevel::kPlenty) RemoveSetAside();
  // Compactions may use the ballast, but not the last bytes, which are the log's.
  gate_->SetScarce(*level == SpaceLevel::kOut);
  const absl::Status refusal =
      *level == SpaceLevel::kPlenty ? absl::OkStatus() : reserve_.Explain();
  {
    absl::MutexLock lock(&mutex_);
    refusal_ = refusal;
  }
  level_.store(*level, std::memory_order_release);
  if (*level != before) callbacks_.space_changed(refusal);
}

// What an earlier state left must not cost the service its room.
void VolumeMonitor::RemoveSetAside() {
  const std::string aside = directory_ + "/data.aside";
  std::error_code error;
  if (!std::filesystem::exists(aside, error)) return;
  std::filesystem::remove_all(aside, error);
  if (!error) callbacks_.set_aside_removed(aside);
}

}  // namespace mooring::internal
