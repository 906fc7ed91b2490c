#include "src/engine/no_options_file.h"

#include <utility>

#include "absl/strings/match.h"
#include "src/base/status.h"

namespace mooring::engine {
namespace {

constexpr char kLeftOut[] = "the file of RocksDB's options is left out";

class FileSystemWithoutOptionsFile : public rocksdb::FileSystemWrapper {
 public:
  FileSystemWithoutOptionsFile(std::shared_ptr<rocksdb::FileSystem> base, std::string directory)
      : FileSystemWrapper(std::move(base)), prefix_(std::move(directory) + "/OPTIONS-") {}
  const char* Name() const override { return "MooringFileSystemWithoutOptionsFile"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    if (absl::StartsWith(path, prefix_)) return rocksdb::IOStatus::NotSupported(kLeftOut);
    return target()->NewWritableFile(path, options, file, debug);
  }

 private:
  const std::string prefix_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> WithoutOptionsFile(std::shared_ptr<rocksdb::FileSystem> base,
                                                        std::string directory) {
  return std::make_shared<FileSystemWithoutOptionsFile>(std::move(base), std::move(directory));
}

bool WarnsOfOptionsFile(std::string_view message) {
  return absl::StrContains(ToAbsl(message), kLeftOut);
}

}  // namespace mooring::engine
