#include "src/engine/manifest_witness.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/base/status.h"
#include "src/engine/rocksdb_status.h"

namespace mooring::engine {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::string_view kMagic = "MOORMAN\n";
constexpr uint64_t kVersion = 1;
constexpr size_t kEntriesAt = 36;
constexpr size_t kEntryBytes = 20;
// Far more than one incarnation makes; the slot has room for twice as many.
constexpr size_t kMaxEntries = 100;
constexpr std::string_view kManifestPrefix = "MANIFEST-";
constexpr std::string_view kRemedy = " Nothing was changed. Restore a copy of the volume.";

void Put(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}
uint64_t Read(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

std::string EncodeSlot(uint64_t sequence, const std::vector<ManifestWitness::Entry>& entries) {
  std::string body;
  Put(kVersion, 8, &body);
  Put(sequence, 8, &body);
  Put(entries.size(), 8, &body);
  for (const ManifestWitness::Entry& entry : entries) {
    Put(entry.manifest, 8, &body);
    Put(entry.length, 8, &body);
    Put(entry.crc, 4, &body);
  }
  body.resize(ManifestWitness::kSlotBytes - kMagic.size() - 4);
  std::string slot(kMagic);
  Put(Crc32c(body), 4, &slot);
  return slot + body;
}

bool DecodeSlot(std::string_view slot, uint64_t* sequence,
                std::vector<ManifestWitness::Entry>* entries) {
  if (slot.size() < ManifestWitness::kSlotBytes || slot.substr(0, kMagic.size()) != kMagic) {
    return false;
  }
  if (Read(slot, 8, 4) != Crc32c(slot.substr(12)) || Read(slot, 12, 8) != kVersion) return false;
  *sequence = Read(slot, 20, 8);
  const uint64_t count = Read(slot, 28, 8);
  if (count > kMaxEntries) return false;
  entries->clear();
  for (size_t at = kEntriesAt; entries->size() < count; at += kEntryBytes) {
    entries->push_back(
        {Read(slot, at, 8), Read(slot, at + 8, 8), static_cast<uint32_t>(Read(slot, at + 16, 4))});
  }
  return true;
}

// The first `limit` bytes, or fewer where the file ends.
struct Prefix {
  uint64_t length = 0;
  uint32_t crc = 0;
  std::string text;  // Where `keep` was set.
};
absl::StatusOr<Prefix> ReadPrefix(rocksdb::FileSystem* files, const std::string& path,
                                  uint64_t limit, bool keep) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  MOORING_RETURN_IF_ERROR(FromRocksDb(files->NewSequentialFile(path, FileOptions(), &file, nullptr),
                                      "opening " + path));
  Prefix prefix;
  std::string buffer(1 << 16, '\0');
  while (prefix.length < limit) {
    Slice got;
    const uint64_t wanted = std::min<uint64_t>(buffer.size(), limit - prefix.length);
    MOORING_RETURN_IF_ERROR(FromRocksDb(
        file->Read(wanted, IOOptions(), &got, buffer.data(), nullptr), "reading " + path));
    if (got.empty()) break;
    prefix.crc = ExtendCrc32c(prefix.crc, {got.data(), got.size()});
    prefix.length += got.size();
    if (keep) prefix.text.append(got.data(), got.size());
  }
  return prefix;
}

// The number in the path of a MANIFEST of `directory`, or 0.
uint64_t ManifestNumber(std::string_view path, std::string_view directory) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || path.substr(0, slash) != directory) return 0;
  const std::string_view name = path.substr(slash + 1);
  uint64_t number = 0;
  if (name.substr(0, kManifestPrefix.size()) != kManifestPrefix ||
      !absl::SimpleAtoi(ToAbsl(name.substr(kManifestPrefix.size())), &number)) {
    return 0;
  }
  return number;
}

class WitnessedManifest : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WitnessedManifest(std::unique_ptr<rocksdb::FSWritableFile> file, uint64_t number,
                    std::shared_ptr<ManifestWitness> witness)
      : FSWritableFileOwnerWrapper(std::move(file)), witness_(std::move(witness)) {
    entry_.manifest = number;
  }

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = target()->Append(data, options, debug);
    if (!status.ok()) return status;
    entry_.crc = ExtendCrc32c(entry_.crc, {data.data(), data.size()});
    entry_.length += data.size();
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = target()->Sync(options, debug);
    return status.ok() ? Record() : status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = target()->Fsync(options, debug);
    return status.ok() ? Record() : status;
  }

 private:
  IOStatus Record() {
    const absl::Status status = witness_->Record(entry_);
    return status.ok() ? IOStatus::OK() : IOStatus::IOError(status.ToString());
  }

  const std::shared_ptr<ManifestWitness> witness_;
  ManifestWitness::Entry entry_;
};

class ManifestFileSystem : public rocksdb::FileSystemWrapper {
 public:
  ManifestFileSystem(std::shared_ptr<rocksdb::FileSystem> base, std::string directory,
                     std::shared_ptr<ManifestWitness> witness)
      : FileSystemWrapper(std::move(base)),
        directory_(std::move(directory)),
        witness_(std::move(witness)) {}
  const char* Name() const override { return "MooringManifestFileSystem"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    const IOStatus status = target()->NewWritableFile(path, options, file, debug);
    const uint64_t number = ManifestNumber(path, directory_);
    if (!status.ok() || number == 0) return status;
    *file = std::make_unique<WitnessedManifest>(std::move(*file), number, witness_);
    return status;
  }

 private:
  const std::string directory_;
  const std::shared_ptr<ManifestWitness> witness_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ManifestWitness>> ManifestWitness::Load(
    rocksdb::FileSystem* files, const std::string& directory) {
  std::unique_ptr<ManifestWitness> witness(new ManifestWitness(files, directory));
  absl::MutexLock lock(&witness->mutex_);
  const std::string current = directory + "/CURRENT";
  if (files->FileExists(current, {}, nullptr).IsNotFound()) return witness;
  MOORING_RETURN_IF_ERROR(witness->LoadSlots());
  MOORING_ASSIGN_OR_RETURN(const Prefix named, ReadPrefix(files, current, 100, /*keep=*/true));
  const std::string manifest = absl::StrCat(directory, "/", named.text.substr(0, named.length - 1));
  if (named.text.empty() || named.text.back() != '\n' || ManifestNumber(manifest, directory) == 0) {
    return absl::DataLossError(
        absl::StrCat(current, " is damaged: it names no MANIFEST.", ToAbsl(kRemedy)));
  }
  if (files->FileExists(manifest, {}, nullptr).IsNotFound()) {
    return absl::DataLossError(
        absl::StrCat(manifest, " is missing, and ", current, " names it.", ToAbsl(kRemedy)));
  }
  if (witness->found_) MOORING_RETURN_IF_ERROR(witness->Prove(manifest));
  return witness;
}

absl::Status ManifestWitness::CheckSlots(rocksdb::FileSystem* files, const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kName);
  if (files->FileExists(path, {}, nullptr).IsNotFound()) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const Prefix bytes,
                           ReadPrefix(files, path, 2 * kSlotBytes, /*keep=*/true));
  for (uint64_t at = 0; at < 2 * kSlotBytes; at += kSlotBytes) {
    uint64_t sequence = 0;
    std::vector<Entry> entries;
    const std::string_view all = bytes.text;
    if (all.size() >= at + kSlotBytes &&
        DecodeSlot(all.substr(at, kSlotBytes), &sequence, &entries)) {
      continue;
    }
    return absl::DataLossError(absl::StrCat(
        path, " is damaged: one of its two copies, from offset ", at, " on, fails its checksum"));
  }
  return absl::OkStatus();
}

absl::Status ManifestWitness::LoadSlots() {
  const std::string path = directory_ + "/" + kName;
  if (files_->FileExists(path, {}, nullptr).IsNotFound()) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const Prefix bytes,
                           ReadPrefix(files_, path, 2 * kSlotBytes, /*keep=*/true));
  for (uint64_t slot = 0; slot < 2; ++slot) {
    const std::string_view all = bytes.text;
    uint64_t sequence = 0;
    std::vector<Entry> entries;
    if (all.size() < (slot + 1) * kSlotBytes ||
        !DecodeSlot(all.substr(slot * kSlotBytes, kSlotBytes), &sequence, &entries) ||
        (found_ && sequence < sequence_)) {
      continue;
    }
    found_ = true;
    sequence_ = sequence;
    entries_ = std::move(entries);
  }
  if (found_) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(path, ": both copies are damaged, so nothing proves that the MANIFEST is whole.",
                   ToAbsl(kRemedy)));
}

absl::Status ManifestWitness::Prove(const std::string& manifest) {
  const uint64_t number = ManifestNumber(manifest, directory_);
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& known) { return known.manifest == number; });
  if (entry == entries_.end()) {
    return absl::DataLossError(
        absl::StrCat(directory_, "/", kName, " does not know of ", manifest,
                     ", which CURRENT names: one of the three is an older copy.", ToAbsl(kRemedy)));
  }
  MOORING_ASSIGN_OR_RETURN(const Prefix prefix,
                           ReadPrefix(files_, manifest, entry->length, /*keep=*/false));
  if (prefix.length < entry->length) {
    return absl::DataLossError(absl::StrCat(manifest, " ends at offset ", prefix.length, ", but ",
                                            entry->length, " bytes of it had been synced.",
                                            ToAbsl(kRemedy)));
  }
  if (prefix.crc != entry->crc) {
    return absl::DataLossError(absl::StrCat(manifest, " is damaged within bytes 0 to ",
                                            entry->length, ", which had been synced.",
                                            ToAbsl(kRemedy)));
  }
  entries_ = {Entry(*entry)};
  return absl::OkStatus();
}

absl::Status ManifestWitness::OpenFile() {
  const std::string path = directory_ + "/" + kName;
  if (!found_) {
    const std::string temporary = path + ".tmp";
    std::unique_ptr<rocksdb::FSWritableFile> file;
    IOStatus status = files_->NewWritableFile(temporary, FileOptions(), &file, nullptr);
    if (status.ok()) {
      status = file->Append(EncodeSlot(0, {}) + EncodeSlot(0, {}), IOOptions(), nullptr);
    }
    if (status.ok()) status = file->Sync(IOOptions(), nullptr);
    if (status.ok()) status = file->Close(IOOptions(), nullptr);
    if (status.ok()) status = files_->RenameFile(temporary, path, IOOptions(), nullptr);
    std::unique_ptr<rocksdb::FSDirectory> directory;
    if (status.ok()) status = files_->NewDirectory(directory_, IOOptions(), &directory, nullptr);
    if (status.ok()) status = directory->Fsync(IOOptions(), nullptr);
    MOORING_RETURN_IF_ERROR(FromRocksDb(status, "making " + path));
    found_ = true;
  }
  IOStatus opened = files_->NewRandomRWFile(path, FileOptions(), &file_, nullptr);
  // A killed owner's slot may not be on the disk yet, and the other one is about to be overwritten.
  if (opened.ok()) opened = file_->Sync(IOOptions(), nullptr);
  if (!opened.ok()) file_.reset();
  return FromRocksDb(opened, "opening " + path);
}

absl::Status ManifestWitness::Record(const Entry& entry) {
  absl::MutexLock lock(&mutex_);
  if (file_ == nullptr) MOORING_RETURN_IF_ERROR(OpenFile());
  if (entries_.empty() || entries_.back().manifest != entry.manifest) {
    if (entries_.size() == kMaxEntries) entries_.erase(entries_.begin());
    entries_.push_back(entry);
  }
  entries_.back() = entry;
  ++sequence_;
  IOStatus status = file_->Write(sequence_ % 2 * kSlotBytes, EncodeSlot(sequence_, entries_),
                                 IOOptions(), nullptr);
  if (status.ok()) status = file_->Sync(IOOptions(), nullptr);
  return FromRocksDb(status, absl::StrCat("writing ", directory_, "/", kName));
}

absl::StatusOr<std::shared_ptr<rocksdb::FileSystem>> NewManifestFileSystem(
    std::shared_ptr<rocksdb::FileSystem> base, const std::string& directory) {
  MOORING_ASSIGN_OR_RETURN(std::shared_ptr<ManifestWitness> witness,
                           ManifestWitness::Load(base.get(), directory));
  return std::make_shared<ManifestFileSystem>(std::move(base), directory, std::move(witness));
}

}  // namespace mooring::engine
