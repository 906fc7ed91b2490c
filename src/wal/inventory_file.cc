#include "src/wal/inventory_file.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/wal/io.h"

namespace mooring::wal {
namespace {

using rocksdb::IOOptions;
using rocksdb::Slice;

std::string PathIn(const std::string& directory) { return directory + "/" + InventoryFile::kName; }

uint64_t SlotOffset(uint64_t sequence) { return sequence % 2 * kInventorySlotBytes; }

bool AreSuccessive(const std::vector<uint64_t>& sequences) {
  return sequences.size() == 2 &&
         std::max(sequences[0], sequences[1]) - std::min(sequences[0], sequences[1]) == 1;
}

// Nearly always the first block is all of it.
absl::StatusOr<Decoded> ReadSlot(WindowReader& reader, uint64_t slot, Inventory* inventory) {
  const uint64_t offset = slot * kInventorySlotBytes;
  MOORING_ASSIGN_OR_RETURN(std::string_view bytes, reader.Read(offset, kBlockBytes));
  const Decoded decoded = DecodeInventory(bytes, inventory);
  if (decoded != Decoded::kDamaged) return decoded;
  MOORING_ASSIGN_OR_RETURN(bytes, reader.Read(offset, kInventorySlotBytes));
  return DecodeInventory(bytes, inventory);
}

absl::Status NoWholeSlot(const std::string& path) {
  return absl::DataLossError(
      absl::StrCat(path, ": both copies of the inventory of logs, bytes 0 to ", kInventoryBytes,
                   ", are damaged, so nothing proves that no log is missing. Restore from the "
                   "archive or a backup; nothing was changed"));
}

}  // namespace

absl::StatusOr<Inventory> InventoryFile::Load(rocksdb::FileSystem* fs, const std::string& directory,
                                              const StoreId& store_id) {
  const std::string path = PathIn(directory);
  MOORING_ASSIGN_OR_RETURN(
      auto reader, WindowReader::Open(fs, path, WindowReader::Source::kDevice, kBlockBytes));
  Inventory newest;
  std::vector<uint64_t> sequences;
  for (uint64_t slot = 0; slot < 2; ++slot) {
    Inventory inventory;
    MOORING_ASSIGN_OR_RETURN(const Decoded decoded, ReadSlot(*reader, slot, &inventory));
    if (decoded == Decoded::kNewer) {
      return absl::FailedPreconditionError(
          absl::StrCat(path,
                       " was written by a newer version of this library: open the store "
                       "with that version"));
    }
    if (decoded == Decoded::kDamaged) continue;
    sequences.push_back(inventory.sequence);
    if (inventory.sequence >= newest.sequence) newest = std::move(inventory);
  }
  if (sequences.empty()) return NoWholeSlot(path);
  // W9: beside a slot that is lost, and may have been the newer one, the reach may be an older one.
  newest.current = AreSuccessive(sequences);
  if (!newest.current) {
    for (InventoryEntry& entry : newest.logs) entry.reach = 0;
  }
  if (newest.store_id == store_id) return newest;
  return absl::FailedPreconditionError(
      absl::StrCat(path, " belongs to store ", StoreIdToString(newest.store_id), ", not to ",
                   StoreIdToString(store_id), ": is the right volume mounted?"));
}

absl::Status InventoryFile::CheckSlots(rocksdb::FileSystem* fs, const std::string& directory) {
  const std::string path = PathIn(directory);
  MOORING_ASSIGN_OR_RETURN(
      auto reader, WindowReader::Open(fs, path, WindowReader::Source::kDevice, kBlockBytes));
  for (uint64_t slot = 0; slot < 2; ++slot) {
    Inventory inventory;
    MOORING_ASSIGN_OR_RETURN(const Decoded decoded, ReadSlot(*reader, slot, &inventory));
    if (decoded != Decoded::kDamaged) continue;
    MOORING_ASSIGN_OR_RETURN(const std::string_view bytes,
                             reader->Read(slot * kInventorySlotBytes, kInventorySlotBytes));
    // A new file has one slot that was never written.
    if (bytes.size() == kInventorySlotBytes &&
        bytes.find_first_not_of('\0') == std::string_view::npos) {
      continue;
    }
    return absl::DataLossError(absl::StrCat(path, " is damaged: one of its two slots, from offset ",
                                            slot * kInventorySlotBytes, " on, fails its checksum"));
  }
  return absl::OkStatus();
}

absl::Status InventoryFile::Create(rocksdb::FileSystem* fs, const std::string& directory,
                                   const Inventory& inventory) {
  const std::string path = PathIn(directory);
  const std::string temporary = path + ".tmp";
  MOORING_RETURN_IF_ERROR(WriteZeros(fs, temporary, kInventoryBytes));
  MOORING_ASSIGN_OR_RETURN(std::string slot, EncodeInventory(inventory));
  MOORING_ASSIGN_OR_RETURN(auto file, OpenForWriting(fs, temporary));
  rocksdb::IOStatus status =
      file->Write(SlotOffset(inventory.sequence), Slice(slot), IOOptions(), nullptr);
  if (status.ok()) status = file->Sync(IOOptions(), nullptr);
  const rocksdb::IOStatus closed = file->Close(IOOptions(), nullptr);
  if (status.ok()) status = closed;
  if (status.ok()) status = fs->RenameFile(temporary, path, IOOptions(), nullptr);
  return ToStatus(status, "create", path);
}

absl::StatusOr<std::unique_ptr<InventoryFile>> InventoryFile::Open(rocksdb::FileSystem* fs,
                                                                   const std::string& directory,
                                                                   uint64_t sequence) {
  const std::string path = PathIn(directory);
  MOORING_ASSIGN_OR_RETURN(auto file, OpenForWriting(fs, path));
  return std::unique_ptr<InventoryFile>(new InventoryFile(path, std::move(file), sequence));
}

InventoryFile::InventoryFile(std::string path, std::unique_ptr<rocksdb::FSRandomRWFile> file,
                             uint64_t sequence)
    : path_(std::move(path)), file_(std::move(file)), sequence_(sequence) {}

absl::Status InventoryFile::Write(Inventory inventory, bool sync) {
  inventory.sequence = ++sequence_;
  MOORING_ASSIGN_OR_RETURN(std::string slot, EncodeInventory(inventory));
  MOORING_RETURN_IF_ERROR(ToStatus(
      file_->Write(SlotOffset(sequence_), Slice(slot), IOOptions(), nullptr), "write", path_));
  if (!sync) return absl::OkStatus();
  return ToStatus(file_->Sync(IOOptions(), nullptr), "sync", path_);
}

}  // namespace mooring::wal
