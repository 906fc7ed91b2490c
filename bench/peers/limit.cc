#include <fcntl.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"

namespace mooring::bench {
namespace {

constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kFileBytes = uint64_t{16} << 20;

// What the device allows: blocks that are allocated and were written before are overwritten one
// after the other, each with one pwrite and one fdatasync. No store of one writer that waits for
// the device can be faster. It writes one block whatever the value, and has one writer.
class Limit : public Peer {
 public:
  absl::Status Open(const PeerOptions& options) override {
    if (options.survives != Survives::kPowerLoss) {
      return absl::UnimplementedError("the limit is that of the device");
    }
    MOORING_ASSIGN_OR_RETURN(file_,
                             PosixFile::Open(options.directory + "/limit", O_RDWR | O_CREAT));
    for (uint64_t offset = 0; offset < kFileBytes; offset += block_.size()) {
      MOORING_RETURN_IF_ERROR(file_.WriteAt(offset, block_));
    }
    return file_.Sync();
  }

  absl::Status Commit(int, std::string_view key, std::string_view) override {
    block_.replace(0, key.size(), key);
    MOORING_RETURN_IF_ERROR(file_.WriteAt(next_ % kFileBytes, block_));
    next_ += kBlockBytes;
    return file_.SyncData();
  }

  absl::Status Close() override {
    file_.Close();
    return absl::OkStatus();
  }

 private:
  PosixFile file_;
  std::string block_ = std::string(kBlockBytes, 'x');
  uint64_t next_ = 0;
};

}  // namespace

std::unique_ptr<Peer> MakeLimit() { return std::make_unique<Limit>(); }

}  // namespace mooring::bench
