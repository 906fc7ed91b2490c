#include "src/engine/space_gate_file_system.h"

#include <errno.h>
#include <string.h>

#include <string_view>
#include <utility>
#include <vector>

namespace mooring::engine {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// RocksDB has a code for ENOSPC, and for EDQUOT only the system's words.
bool IsOutOfSpace(const IOStatus& status) {
  if (status.ok()) return false;
  if (status.IsNoSpace()) return true;
  static const std::string quota = strerror(EDQUOT);
  return status.IsIOError() && status.ToString().find(quota) != std::string::npos;
}

IOStatus PlainError(const IOStatus& status) {
  if (!IsOutOfSpace(status)) return status;
  return IOStatus::IOError("no room on the volume", status.ToString());
}

// The compaction of this thread, from its begin to its end as RocksDB tells its listeners.
struct Compaction {
  bool under_way = false;
  bool given_up = false;
  std::vector<std::pair<std::shared_ptr<rocksdb::FileSystem>, std::string>> files;
};
thread_local Compaction compaction;

// RocksDB takes this for the end of a compaction that closing has interrupted, and goes on.
IOStatus GiveUpCompaction() {
  compaction.given_up = true;
  return rocksdb::status_to_io_status(rocksdb::Status::ShutdownInProgress());
}

// Makes `call` until it does not answer that there is no room, or the gate says that it must fail.
template <typename Call>
IOStatus MakeWithRoom(SpaceGate* gate, Call call) {
  IOStatus status = call();
  if (!IsOutOfSpace(status)) return status;
  const SpaceGate::Blocked blocked(gate);
  while (IsOutOfSpace(status)) {
    if (!gate->AwaitRetry()) return PlainError(status);
    status = call();
  }
  return status;
}

bool BeginsWith(std::string_view text, std::string_view begin) {
  return text.substr(0, begin.size()) == begin;
}
bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Whether RocksDB makes files of that name. All others are the log's own.
bool IsOfRocksDb(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view end : {".sst", ".blob", ".log", ".dbtmp"}) {
    if (EndsWith(name, end)) return true;
  }
  for (const std::string_view begin : {"MANIFEST-", "OPTIONS-", "CURRENT", "IDENTITY"}) {
    if (BeginsWith(name, begin)) return true;
  }
  return false;
}

// Whether a compaction of this thread can be given up by a call on `path` that fails: while it
// writes its files, but not while it installs them. RocksDB stops writing for good after a MANIFEST
// that failed.
bool IsGivenUpFor(std::string_view path) { return compaction.under_way && EndsWith(path, ".sst"); }

class GatedWritableFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  GatedWritableFile(std::unique_ptr<rocksdb::FSWritableFile> file, const std::string& path,
                    std::shared_ptr<SpaceGate> gate)
      : FSWritableFileOwnerWrapper(std::move(file)),
        path_(path),
        of_rocksdb_(IsOfRocksDb(path)),
        gate_(std::move(gate)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const auto append = [&] { return AppendOnce(data, options, debug); };
    if (IsGivenUpFor(path_)) {
      if (gate_->scarce()) return GiveUpCompaction();
      const IOStatus status = append();
      return IsOutOfSpace(status) ? GiveUpCompaction() : status;
    }
    if (!of_rocksdb_ && data.size() > SpaceGateFileSystem::kAlwaysWaitsBytes) return append();
    return MakeWithRoom(gate_.get(), append);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    const IOStatus status = MakeWithRoom(
        gate_.get(), [&] { return target()->PositionedAppend(data, offset, options, debug); });
    if (status.ok()) end_ = offset + data.size();
    return status;
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
    return PositionedAppend(data, offset, options, debug);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = PlainError(target()->Truncate(size, options, debug));
    if (status.ok()) end_ = size;
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return PlainError(target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return PlainError(target()->Fsync(options, debug));
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return PlainError(target()->Close(options, debug));
  }
  void PrepareWrite(size_t offset, size_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    if (!gate_->scarce()) target()->PrepareWrite(offset, size, options, debug);
  }

 private:
  // An append that fails may have written a part, after which the descriptor's own position is not
  // the file's logical end any more.
  IOStatus AppendOnce(const Slice& data, const IOOptions& options, IODebugContext* debug) {
    IOStatus status;
    if (torn_) {
      status = target()->PositionedAppend(data, end_, options, debug);
    } else {
      status = target()->Append(data, options, debug);
    }
    if (status.ok()) {
      end_ += data.size();
    } else {
      torn_ = true;
    }
    return status;
  }

  const std::string path_;
  const bool of_rocksdb_;
  const std::shared_ptr<SpaceGate> gate_;
  uint64_t end_ = 0;
  bool torn_ = false;
};

class GatedRandomRWFile : public rocksdb::FSRandomRWFileOwnerWrapper {
 public:
  GatedRandomRWFile(std::unique_ptr<rocksdb::FSRandomRWFile> file, std::shared_ptr<SpaceGate> gate)
      : FSRandomRWFileOwnerWrapper(std::move(file)), gate_(std::move(gate)) {}

  IOStatus Write(uint64_t offset, const Slice& data, const IOOptions& options,
                 IODebugContext* debug) override {
    return MakeWithRoom(gate_.get(), [&] { return target()->Write(offset, data, options, debug); });
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return PlainError(target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return PlainError(target()->Fsync(options, debug));
  }

 private:
  const std::shared_ptr<SpaceGate> gate_;
};

class SpaceGateListener : public rocksdb::EventListener {
 public:
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { compaction = {}; }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    compaction = {};
    compaction.under_way = true;
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override {
    const Compaction ended = std::exchange(compaction, {});
    if (!ended.given_up || info.status.ok()) return;
    // RocksDB would leave them until its next look at the whole directory, in hours.
    for (const auto& [file_system, path] : ended.files) {
      file_system->DeleteFile(path, IOOptions(), nullptr).PermitUncheckedError();
    }
  }
};

}  // namespace

IOStatus SpaceGateFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                                              Debug* debug) {
  const bool given_up = IsGivenUpFor(path);
  const auto make = [&] { return target_->NewWritableFile(path, options, file, debug); };
  const IOStatus status = given_up ? make() : MakeWithRoom(gate_.get(), make);
  if (given_up && IsOutOfSpace(status)) return GiveUpCompaction();
  if (!status.ok()) return status;
  *file = std::make_unique<GatedWritableFile>(std::move(*file), path, gate_);
  if (given_up) compaction.files.emplace_back(target_, path);
  return status;
}

IOStatus SpaceGateFileSystem::NewRandomRWFile(const std::string& path, const FileOptions& options,
                                              std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                              Debug* debug) {
  IOStatus status = MakeWithRoom(
      gate_.get(), [&] { return target_->NewRandomRWFile(path, options, file, debug); });
  if (status.ok()) *file = std::make_unique<GatedRandomRWFile>(std::move(*file), gate_);
  return status;
}

IOStatus SpaceGateFileSystem::CreateDir(const std::string& path, const IOOptions& options,
                                        Debug* debug) {
  return MakeWithRoom(gate_.get(), [&] { return target_->CreateDir(path, options, debug); });
}

IOStatus SpaceGateFileSystem::CreateDirIfMissing(const std::string& path, const IOOptions& options,
                                                 Debug* debug) {
  return MakeWithRoom(gate_.get(),
                      [&] { return target_->CreateDirIfMissing(path, options, debug); });
}

IOStatus SpaceGateFileSystem::RenameFile(const std::string& from, const std::string& to,
                                         const IOOptions& options, Debug* debug) {
  return MakeWithRoom(gate_.get(), [&] { return target_->RenameFile(from, to, options, debug); });
}

IOStatus SpaceGateFileSystem::LinkFile(const std::string& from, const std::string& to,
                                       const IOOptions& options, Debug* debug) {
  return MakeWithRoom(gate_.get(), [&] { return target_->LinkFile(from, to, options, debug); });
}

std::shared_ptr<rocksdb::EventListener> NewSpaceGateListener() {
  return std::make_shared<SpaceGateListener>();
}

}  // namespace mooring::engine
