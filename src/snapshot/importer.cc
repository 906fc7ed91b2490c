#include "src/snapshot/importer.h"

#include <fcntl.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/engine/restored_directory.h"
#include "src/snapshot/exporter.h"
#include "src/snapshot/file.h"

namespace mooring::snapshot {
namespace {

constexpr size_t kMaxCurrentBytes = 256;

// Where the parts go, but for CURRENT, which comes last of all.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual absl::Status Begin(const Part& part) { return absl::OkStatus(); }
  virtual absl::Status Take(std::string_view data) { return absl::OkStatus(); }
  virtual absl::Status End() { return absl::OkStatus(); }
};

// The parts as files.
class Files : public Receiver {
 public:
  explicit Files(std::string directory) : directory_(std::move(directory)) {}

  absl::Status Begin(const Part& part) override {
    MOORING_ASSIGN_OR_RETURN(
        PosixFile file, PosixFile::Open(directory_ + "/" + part.name, O_WRONLY | O_CREAT | O_EXCL));
    file_.emplace(std::move(file));
    return absl::OkStatus();
  }
  absl::Status Take(std::string_view data) override { return file_->Append(data); }
  absl::Status End() override {
    file_.reset();
    return absl::OkStatus();
  }

 private:
  const std::string directory_;
  std::optional<StreamedFile> file_;
};

struct Contents {
  std::string manifest_path;
  std::string current;
  int64_t bytes = 0;
};

class PartsReader {
 public:
  PartsReader(Reader& reader, const Head& head, Receiver& receiver,
              const SnapshotProgressCallback& progress)
      : reader_(reader), head_(head), receiver_(receiver), progress_(progress) {}

  absl::StatusOr<Contents> Run() {
    while (true) {
      MOORING_ASSIGN_OR_RETURN(const std::optional<Part> part, reader_.NextPart());
      if (!part) break;
      MOORING_RETURN_IF_ERROR(ReadPart(*part));
    }
    if (!contents_.manifest_path.empty() && contents_.current == contents_.manifest_path + "\n") {
      return std::move(contents_);
    }
    return absl::DataLossError(
        absl::StrCat("the snapshot is not that of a whole store: its CURRENT names '",
                     contents_.current, "', and its MANIFEST is '", contents_.manifest_path, "'"));
  }

 private:
  absl::Status ReadPart(const Part& part) {
    const bool current = part.kind == PartKind::kCurrent;
    if (part.kind == PartKind::kManifest) {
      if (!contents_.manifest_path.empty()) {
        return absl::DataLossError(
            absl::StrCat("the snapshot has two MANIFESTs, ", part.name, " is the second"));
      }
      contents_.manifest_path = part.name;
    }
    if (!current) MOORING_RETURN_IF_ERROR(receiver_.Begin(part));
    while (true) {
      MOORING_ASSIGN_OR_RETURN(const std::string_view data, reader_.ReadData());
      if (data.empty()) break;
      if (!current) {
        MOORING_RETURN_IF_ERROR(receiver_.Take(data));
      } else if (contents_.current.size() + data.size() <= kMaxCurrentBytes) {
        contents_.current.append(data);
      } else {
        return absl::DataLossError("the snapshot's CURRENT is too long to be one");
      }
      MOORING_RETURN_IF_ERROR(Report(data.size()));
    }
    return current ? absl::OkStatus() : receiver_.End();
  }

  absl::Status Report(size_t bytes) {
    contents_.bytes += static_cast<int64_t>(bytes);
    const auto total = static_cast<int64_t>(head_.bytes);
    if (!progress_ || progress_({contents_.bytes, total})) return absl::OkStatus();
    return absl::CancelledError(
        absl::StrCat("cancelled after ", contents_.bytes, " of ", total, " bytes"));
  }

  Reader& reader_;
  const Head& head_;
  Receiver& receiver_;
  const SnapshotProgressCallback& progress_;
  Contents contents_;
};

SnapshotInfo Report(const Head& head, const Reader& reader, const Contents& contents) {
  SnapshotInfo info = Describe(head);
  info.parts = static_cast<int64_t>(reader.parts());
  info.bytes = contents.bytes;
  info.stored_bytes = static_cast<int64_t>(reader.offset());
  return info;
}

}  // namespace

absl::StatusOr<SnapshotInfo> Verify(Reader& reader, const Head& head,
                                    const SnapshotProgressCallback& progress) {
  Receiver nobody;
  MOORING_ASSIGN_OR_RETURN(const Contents contents,
                           PartsReader(reader, head, nobody, progress).Run());
  return Report(head, reader, contents);
}

absl::StatusOr<SnapshotInfo> Import(Reader& reader, const Head& head, const std::string& directory,
                                    const std::string& store_id,
                                    const SnapshotProgressCallback& progress) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<engine::RestoredDirectory> restored,
                           engine::RestoredDirectory::Begin(directory, store_id));
  Files files(directory);
  MOORING_ASSIGN_OR_RETURN(const Contents contents,
                           PartsReader(reader, head, files, progress).Run());
  MOORING_RETURN_IF_ERROR(
      restored->Finish(contents.manifest_path, /*manifest=*/{}, contents.current));
  return Report(head, reader, contents);
}

}  // namespace mooring::snapshot
