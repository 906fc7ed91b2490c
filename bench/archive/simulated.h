#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/archive/memory_objects.h"
#include "src/archive/collector.h"

namespace mooring::bench {

// An archive that gets one small entry a second, and a checkpoint a day, on a clock of its own. The
// objects, the collector and the entries are real; what ships is imitated, with small files in
// place of tables. For one thread.
class SimulatedArchive : private archive::CollectionOwner {
 public:
  struct Options {
    absl::Duration retention = absl::Hours(7 * 24);
    bool collects = true;
    int value_bytes = 100;
  };
  explicit SimulatedArchive(const Options& options);

  // `second` is called after each, and may be empty.
  [[nodiscard]] absl::Status Run(int64_t seconds, const std::function<void()>& second);

  const std::shared_ptr<MemoryObjects>& objects() { return objects_; }

 private:
  bool Over() override { return false; }
  uint64_t Head() override { return head_; }
  uint64_t LastCheckpoint() override { return last_checkpoint_; }
  absl::StatusOr<uint64_t> Append(archive::CollectEntry entry, uint64_t last_checkpoint) override;
  absl::Status Prove() override;
  void Mend(const std::vector<archive::ArchivedFile>& files) override {}

  [[nodiscard]] absl::Status Begin();
  [[nodiscard]] absl::Status AppendLog();
  [[nodiscard]] absl::Status AppendCheckpoint();
  [[nodiscard]] absl::Status AppendEntry(decltype(archive::Entry::body) body);

  const Options options_;
  const std::shared_ptr<MemoryObjects> objects_ = std::make_shared<MemoryObjects>();
  const std::string archive_id_;
  const std::string incarnation_;
  archive::Collector collector_;
  archive::History history_;
  std::vector<archive::ArchivedFile> files_;  // Of the newest checkpoint, the oldest first.
  int64_t now_us_ = 0;
  int64_t seconds_ = 0;
  uint64_t head_ = 0;
  uint64_t last_checkpoint_ = 0;
  uint64_t sequence_ = 0;
  uint64_t log_ = 1;
  uint64_t log_bytes_ = 0;
  uint64_t file_number_ = 0;
};

}  // namespace mooring::bench
