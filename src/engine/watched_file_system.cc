#include "src/engine/watched_file_system.h"

#include <utility>

namespace mooring::engine {
namespace {

using rocksdb::DirFsyncOptions;
using rocksdb::FSReadRequest;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Path = OperationWatch::Path;
using Scope = OperationWatch::Scope;
using Watch = std::shared_ptr<OperationWatch>;

class WatchedSequentialFile : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  WatchedSequentialFile(std::unique_ptr<rocksdb::FSSequentialFile> file, const std::string& path,
                        Watch watch)
      : FSSequentialFileOwnerWrapper(std::move(file)), path_(path), watch_(std::move(watch)) {}

  IOStatus Read(size_t size, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) override {
    const Scope scope(watch_.get(), "read", path_);
    return target()->Read(size, options, result, scratch, debug);
  }
  IOStatus PositionedRead(uint64_t offset, size_t size, const IOOptions& options, Slice* result,
                          char* scratch, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "read", path_);
    return target()->PositionedRead(offset, size, options, result, scratch, debug);
  }

 private:
  const Path path_;
  const Watch watch_;
};

class WatchedRandomAccessFile : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  WatchedRandomAccessFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file,
                          const std::string& path, Watch watch)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), path_(path), watch_(std::move(watch)) {}

  IOStatus Read(uint64_t offset, size_t size, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* debug) const override {
    const Scope scope(watch_.get(), "read", path_);
    return target()->Read(offset, size, options, result, scratch, debug);
  }
  IOStatus MultiRead(FSReadRequest* requests, size_t count, const IOOptions& options,
                     IODebugContext* debug) override {
    const Scope scope(watch_.get(), "read", path_);
    return target()->MultiRead(requests, count, options, debug);
  }
  IOStatus Prefetch(uint64_t offset, size_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    const Scope scope(watch_.get(), "readahead", path_);
    return target()->Prefetch(offset, size, options, debug);
  }

 private:
  const Path path_;
  const Watch watch_;
};

class WatchedWritableFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WatchedWritableFile(std::unique_ptr<rocksdb::FSWritableFile> file, const std::string& path,
                      Watch watch)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(path), watch_(std::move(watch)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "write", path_);
    return target()->Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    const Scope scope(watch_.get(), "write", path_);
    return target()->Append(data, options, verification, debug);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    const Scope scope(watch_.get(), "write", path_);
    return target()->PositionedAppend(data, offset, options, debug);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo& verification,
                            IODebugContext* debug) override {
    const Scope scope(watch_.get(), "write", path_);
    return target()->PositionedAppend(data, offset, options, verification, debug);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "ftruncate", path_);
    return target()->Truncate(size, options, debug);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "close", path_);
    return target()->Close(options, debug);
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "flush", path_);
    return target()->Flush(options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "fdatasync", path_);
    return target()->Sync(options, debug);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "fsync", path_);
    return target()->Fsync(options, debug);
  }
  IOStatus RangeSync(uint64_t offset, uint64_t size, const IOOptions& options,
                     IODebugContext* debug) override {
    const Scope scope(watch_.get(), "sync_file_range", path_);
    return target()->RangeSync(offset, size, options, debug);
  }
  void PrepareWrite(size_t offset, size_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    const Scope scope(watch_.get(), "fallocate", path_);
    target()->PrepareWrite(offset, size, options, debug);
  }
  IOStatus Allocate(uint64_t offset, uint64_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    const Scope scope(watch_.get(), "fallocate", path_);
    return target()->Allocate(offset, size, options, debug);
  }

 private:
  const Path path_;
  const Watch watch_;
};

class WatchedRandomRWFile : public rocksdb::FSRandomRWFileOwnerWrapper {
 public:
  WatchedRandomRWFile(std::unique_ptr<rocksdb::FSRandomRWFile> file, const std::string& path,
                      Watch watch)
      : FSRandomRWFileOwnerWrapper(std::move(file)), path_(path), watch_(std::move(watch)) {}

  IOStatus Write(uint64_t offset, const Slice& data, const IOOptions& options,
                 IODebugContext* debug) override {
    const Scope scope(watch_.get(), "write", path_);
    return target()->Write(offset, data, options, debug);
  }
  IOStatus Read(uint64_t offset, size_t size, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* debug) const override {
    const Scope scope(watch_.get(), "read", path_);
    return target()->Read(offset, size, options, result, scratch, debug);
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "flush", path_);
    return target()->Flush(options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "fdatasync", path_);
    return target()->Sync(options, debug);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "fsync", path_);
    return target()->Fsync(options, debug);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "close", path_);
    return target()->Close(options, debug);
  }

 private:
  const Path path_;
  const Watch watch_;
};

class WatchedDirectory : public rocksdb::FSDirectoryWrapper {
 public:
  WatchedDirectory(std::unique_ptr<rocksdb::FSDirectory> directory, const std::string& path,
                   Watch watch)
      : FSDirectoryWrapper(std::move(directory)), path_(path), watch_(std::move(watch)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const Scope scope(watch_.get(), "fsync", path_);
    return FSDirectoryWrapper::Fsync(options, debug);
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const DirFsyncOptions& directory_options) override {
    const Scope scope(watch_.get(), "fsync", path_);
    return FSDirectoryWrapper::FsyncWithDirOptions(options, debug, directory_options);
  }

 private:
  const Path path_;
  const Watch watch_;
};

// Replaces the file that `opened` answered by a watched one.
template <typename Watched, typename File>
IOStatus Wrap(IOStatus opened, std::unique_ptr<File>* file, const std::string& path,
              const Watch& watch) {
  if (opened.ok()) *file = std::make_unique<Watched>(std::move(*file), path, watch);
  return opened;
}

}  // namespace

IOStatus WatchedFileSystem::NewSequentialFile(const std::string& path, const FileOptions& options,
                                              std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                              Debug* debug) {
  const Scope scope(watch(), "open", Path(path));
  return Wrap<WatchedSequentialFile>(target_->NewSequentialFile(path, options, file, debug), file,
                                     path, watch_);
}

IOStatus WatchedFileSystem::NewRandomAccessFile(const std::string& path, const FileOptions& options,
                                                std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                                Debug* debug) {
  const Scope scope(watch(), "open", Path(path));
  return Wrap<WatchedRandomAccessFile>(target_->NewRandomAccessFile(path, options, file, debug),
                                       file, path, watch_);
}

IOStatus WatchedFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                            std::unique_ptr<rocksdb::FSWritableFile>* file,
                                            Debug* debug) {
  const Scope scope(watch(), "create", Path(path));
  return Wrap<WatchedWritableFile>(target_->NewWritableFile(path, options, file, debug), file, path,
                                   watch_);
}

IOStatus WatchedFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                               std::unique_ptr<rocksdb::FSWritableFile>* file,
                                               Debug* debug) {
  const Scope scope(watch(), "open", Path(path));
  return Wrap<WatchedWritableFile>(target_->ReopenWritableFile(path, options, file, debug), file,
                                   path, watch_);
}

IOStatus WatchedFileSystem::ReuseWritableFile(const std::string& path, const std::string& old_path,
                                              const FileOptions& options,
                                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                                              Debug* debug) {
  const Scope scope(watch(), "rename", Path(old_path));
  return Wrap<WatchedWritableFile>(target_->ReuseWritableFile(path, old_path, options, file, debug),
                                   file, path, watch_);
}

IOStatus WatchedFileSystem::NewRandomRWFile(const std::string& path, const FileOptions& options,
                                            std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                            Debug* debug) {
  const Scope scope(watch(), "open", Path(path));
  return Wrap<WatchedRandomRWFile>(target_->NewRandomRWFile(path, options, file, debug), file, path,
                                   watch_);
}

IOStatus WatchedFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                         std::unique_ptr<rocksdb::FSDirectory>* directory,
                                         Debug* debug) {
  const Scope scope(watch(), "open", Path(path));
  return Wrap<WatchedDirectory>(target_->NewDirectory(path, options, directory, debug), directory,
                                path, watch_);
}

IOStatus WatchedFileSystem::FileExists(const std::string& path, const IOOptions& options,
                                       Debug* debug) {
  const Scope scope(watch(), "stat", Path(path));
  return target_->FileExists(path, options, debug);
}

IOStatus WatchedFileSystem::GetChildren(const std::string& path, const IOOptions& options,
                                        std::vector<std::string>* names, Debug* debug) {
  const Scope scope(watch(), "list", Path(path));
  return target_->GetChildren(path, options, names, debug);
}

IOStatus WatchedFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                       Debug* debug) {
  const Scope scope(watch(), "unlink", Path(path));
  return target_->DeleteFile(path, options, debug);
}

IOStatus WatchedFileSystem::Truncate(const std::string& path, size_t size, const IOOptions& options,
                                     Debug* debug) {
  const Scope scope(watch(), "truncate", Path(path));
  return target_->Truncate(path, size, options, debug);
}

IOStatus WatchedFileSystem::CreateDir(const std::string& path, const IOOptions& options,
                                      Debug* debug) {
  const Scope scope(watch(), "mkdir", Path(path));
  return target_->CreateDir(path, options, debug);
}

IOStatus WatchedFileSystem::CreateDirIfMissing(const std::string& path, const IOOptions& options,
                                               Debug* debug) {
  const Scope scope(watch(), "mkdir", Path(path));
  return target_->CreateDirIfMissing(path, options, debug);
}

IOStatus WatchedFileSystem::GetFileSize(const std::string& path, const IOOptions& options,
                                        uint64_t* size, Debug* debug) {
  const Scope scope(watch(), "stat", Path(path));
  return target_->GetFileSize(path, options, size, debug);
}

IOStatus WatchedFileSystem::RenameFile(const std::string& from, const std::string& to,
                                       const IOOptions& options, Debug* debug) {
  const Scope scope(watch(), "rename", Path(from));
  return target_->RenameFile(from, to, options, debug);
}

IOStatus WatchedFileSystem::LinkFile(const std::string& from, const std::string& to,
                                     const IOOptions& options, Debug* debug) {
  const Scope scope(watch(), "link", Path(from));
  return target_->LinkFile(from, to, options, debug);
}

}  // namespace mooring::engine
