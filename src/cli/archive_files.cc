#include "src/cli/archive_files.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mooring/status_macros.h"
#include "src/archive/entry.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"

namespace mooring::cli {
namespace {

constexpr int kPage = 1000;
constexpr int64_t kPieceBytes = int64_t{8} << 20;

// OK, DATA_LOSS for damage, or why it could not be read.
absl::Status CheckFile(objectstore::ObjectStore& store, const archive::ArchivedFile& file,
                       const std::function<void(int64_t)>& read) {
  const std::string key = archive::FileKey(file.name);
  const auto size = static_cast<int64_t>(file.size);
  uint32_t crc = 0;
  for (int64_t at = 0; at < size;) {
    const auto piece = store.GetRange(key, at, std::min(kPieceBytes, size - at));
    if (absl::IsNotFound(piece.status())) return absl::DataLossError("it is missing");
    if (absl::IsOutOfRange(piece.status()) || (piece.ok() && piece->empty())) {
      return absl::DataLossError(absl::StrCat("it ends at byte ", at, " of ", size));
    }
    MOORING_RETURN_IF_ERROR(piece.status());
    crc = ExtendCrc32c(crc, *piece);
    at += static_cast<int64_t>(piece->size());
    read(static_cast<int64_t>(piece->size()));
  }
  if (crc == file.crc32c) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat(
      "its %d bytes have CRC-32C %08x, and what was written %08x", size, crc, file.crc32c));
}

}  // namespace

absl::StatusOr<ObjectSizes> ListObjects(objectstore::ObjectStore& store) {
  ObjectSizes sizes;
  std::string after;
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const auto page, store.List("", after, kPage));
    for (const objectstore::ObjectInfo& object : page) {
      sizes.by_key[object.key] = object.size;
      ++sizes.objects;
      sizes.bytes += object.size;
    }
    if (page.size() < kPage) return sizes;
    after = page.back().key;
  }
}

absl::StatusOr<ArchiveCheck> CheckArchive(const ArchiveView& view, bool quick,
                                          ProgressMeter* meter) {
  ArchiveCheck check;
  std::map<std::string, archive::ArchivedFile> files;
  std::set<std::string> going;  // Named by a COLLECT: whoever still names them must not.
  for (const archive::JournalItem& item : view.journal) {
    if (item.entry == nullptr) {
      check.findings.emplace_back(archive::SlotKey(item.slot), item.status);
    } else if (const auto* checkpoint = item.entry->As<archive::CheckpointEntry>()) {
      for (const archive::ArchivedFile& file : checkpoint->files) files[file.name] = file;
    } else if (const auto* collect = item.entry->As<archive::CollectEntry>()) {
      going.insert(collect->files.begin(), collect->files.end());
    }
  }
  for (const std::string& name : going) files.erase(name);
  MOORING_ASSIGN_OR_RETURN(const ObjectSizes sizes, ListObjects(view.remote->store()));
  int64_t total = 0;
  for (const auto& [name, file] : files) total += static_cast<int64_t>(file.size);
  for (const auto& [name, file] : files) {
    const std::string key = archive::FileKey(name);
    const auto listed = sizes.by_key.find(key);
    absl::Status status;
    if (listed == sizes.by_key.end()) {
      status = absl::DataLossError("it is missing");
    } else if (listed->second != static_cast<int64_t>(file.size)) {
      status = absl::DataLossError(
          absl::StrCat("it has ", listed->second, " bytes, and ", file.size, " were written"));
    } else if (!quick) {
      status = CheckFile(view.remote->store(), file,
                         [&](int64_t bytes) { meter->Update(check.bytes += bytes, total); });
    } else {
      check.bytes += listed->second;
    }
    ++check.files;
    if (absl::IsDataLoss(status)) {
      check.findings.emplace_back(key, status);
    } else if (!status.ok()) {
      return Annotate(status, key);
    }
  }
  return check;
}

}  // namespace mooring::cli
