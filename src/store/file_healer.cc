#include "src/store/file_healer.h"

#include <filesystem>
#include <map>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/archive/file_fetch.h"
#include "src/base/posix_file.h"
#include "src/volume/space_reserve.h"

namespace mooring::internal {
namespace {

// Beside the copy: for the engine to go on.
constexpr uint64_t kMarginBytes = uint64_t{4} << 20;

// What checkpoints name, the newest last.
using Copies = std::multimap<std::tuple<std::string, uint64_t, uint32_t>, archive::ArchivedFile>;

Copies CopiesOf(const std::vector<archive::JournalItem>& journal) {
  Copies copies;
  for (const archive::JournalItem& item : journal) {
    if (!item.entry) continue;
    const auto* checkpoint = item.entry->As<archive::CheckpointEntry>();
    if (checkpoint == nullptr) continue;
    for (const archive::ArchivedFile& file : checkpoint->files) {
      copies.emplace(std::tuple(file.path, file.size, file.crc32c), file);
    }
  }
  return copies;
}

// A file has the same name in all checkpoints, but where an upload was repeated.
absl::Status FetchAny(archive::Remote& remote, const Copies& copies, const engine::LiveFile& file,
                      const std::string& to) {
  absl::Status status = absl::NotFoundError("no checkpoint of the archive names it");
  const auto [begin, end] = copies.equal_range({file.path, file.size, file.crc32c});
  std::string tried;
  for (auto copy = begin; copy != end; ++copy) {
    if (copy->second.name == std::exchange(tried, copy->second.name)) continue;
    status = archive::FetchFile(remote.store(), copy->second, to);
    if (!absl::IsDataLoss(status)) return status;
  }
  return status;
}

}  // namespace

FileHealer::FileHealer(engine::FileKeeper* keeper, std::string scratch, Fetch fetch, Log log)
    : keeper_(keeper),
      scratch_(std::move(scratch)),
      fetch_(std::move(fetch)),
      log_(std::move(log)) {}

absl::Status FileHealer::CheckSpace(const engine::LiveFile& file) const {
  MOORING_ASSIGN_OR_RETURN(const volume::VolumeSpace space, volume::ReadVolumeSpace(scratch_));
  if (space.free_bytes >= file.size + kMarginBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("to repair ", file.path, " from the archive, ", file.size + kMarginBytes,
                   " bytes are needed on the volume, and ", space.free_bytes, " of ",
                   space.total_bytes, " are free. Give it a larger volume."));
}

absl::Status FileHealer::FetchAndRepair(const engine::LiveFile& file, const std::string& copy) {
  MOORING_RETURN_IF_ERROR(CheckSpace(file));
  MOORING_RETURN_IF_ERROR(fetch_(file, copy));
  MOORING_ASSIGN_OR_RETURN(const uint64_t first, keeper_->Repair(file, copy));
  MOORING_RETURN_IF_ERROR(keeper_->Check(file, [](int64_t) { return true; }));
  if (log_) {
    log_(LogSeverity::kWarning, absl::StrCat(file.path, " was damaged from byte ", first,
                                             " on and is repaired from the archive"));
  }
  return absl::OkStatus();
}

absl::Status FileHealer::Heal(const engine::LiveFile& file, const absl::Status& damage) {
  if (!fetch_) {
    return absl::DataLossError(
        absl::StrCat(damage.message(),
                     ". There is no archive to repair it from: restore a copy of the volume, "
                     "or drop the table that it belongs to."));
  }
  MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(scratch_));
  const absl::Status healed = FetchAndRepair(file, absl::StrCat(scratch_, "/", file.path));
  std::error_code ignored;  // What stays is removed the next time.
  std::filesystem::remove_all(scratch_, ignored);
  if (healed.ok() || absl::IsResourceExhausted(healed) || absl::IsUnavailable(healed)) {
    return healed;
  }
  const bool no_copy = absl::IsNotFound(healed);
  return absl::DataLossError(absl::StrCat(
      damage.message(), ". It is not repaired: ", healed.message(),
      no_copy ? ". Close the store, move the data directory away and open again: the archive "
                "restores what it has, and says how far that reaches."
              : ""));
}

absl::StatusOr<int> HealFromArchive(engine::FileKeeper& keeper, archive::Remote& remote,
                                    const std::string& scratch, const FileHealer::Log& log) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<engine::LiveFile> files, keeper.List());
  std::vector<std::pair<engine::LiveFile, absl::Status>> damaged;
  for (const engine::LiveFile& file : files) {
    const absl::Status checked = keeper.Check(file, [](int64_t) { return true; });
    if (absl::IsDataLoss(checked)) damaged.emplace_back(file, checked);
  }
  if (damaged.empty()) return 0;
  MOORING_ASSIGN_OR_RETURN(const std::vector<archive::JournalItem> journal, remote.ReadRecent());
  const Copies copies = CopiesOf(journal);
  FileHealer healer(
      &keeper, scratch,
      [&](const engine::LiveFile& file, const std::string& to) {
        return FetchAny(remote, copies, file, to);
      },
      log);
  for (const auto& [file, damage] : damaged) {
    MOORING_RETURN_IF_ERROR(healer.Heal(file, damage));
  }
  return static_cast<int>(damaged.size());
}

}  // namespace mooring::internal
