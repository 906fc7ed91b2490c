// collection_child VOLUME URL OWNER CLOCK PINS: an owner that writes until its input ends or says
// so. Its output: "open", "ack NUMBER HASH EPOCH SEQUENCE" for what it was told at kArchive,
// "export PATH NUMBER" for a snapshot that was published with at least that commit, "fenced" when
// it notices that it is a zombie, "error ..." for what must not be.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/simulation/collection_ring.h"

#ifdef MOORING_CHILD_HAS_S3
#include "mooring/s3.h"
#endif

namespace mooring::testing {
namespace {

constexpr int kArchiveEach = 3;
constexpr absl::Duration kBetweenCommits = absl::Milliseconds(5);
constexpr absl::Duration kBetweenExports = absl::Seconds(2);

void Say(const std::string& line) {
  static absl::Mutex mutex(absl::kConstInit);
  absl::MutexLock lock(&mutex);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

int Fail(const absl::Status& status) {
  Say(absl::StrCat("error ", status.ToString()));
  return 1;
}

class Owner {
 public:
  Owner(std::string volume, int64_t number) : volume_(std::move(volume)), owner_(number) {}

  int Run(const Options& options) {
    auto store = Store::Open(options);
    if (!store.ok()) return Fail(store.status());
    store_ = *std::move(store);
    auto table = store_->OpenTable("t");
    if (!table.ok()) return IsFenced(table.status()) ? Fenced() : Fail(table.status());
    table_ = *table;
    auto ring = ReadRing(table_);
    if (!ring.ok()) return Fail(ring.status());
    if (!ring->empty()) last_ = ring->rbegin()->second;
    Say("open");
    std::thread exporter([this] { Export(); });
    std::thread writer([this] { Write(); });
    char command = 0;
    while (::read(STDIN_FILENO, &command, 1) > 0 && command != 'c') {
      // Asked for its status by who finds that it does not go on.
      Fail(absl::UnknownError(absl::StrCat("at ", written_.load(), ", ",
                                           ToString(store_->archive_status()), ", health ",
                                           store_->health().ToString())));
    }
    done_ = true;
    writer.join();
    exporter.join();
    table_ = {};
    store_->Close(absl::Minutes(2)).status.IgnoreError();
    return 0;
  }

 private:
  int Fenced() {
    Say("fenced");
    return 0;
  }

  void Write() {
    for (int i = 0; !done_; ++i) {
      const RingCommit next = last_.Next(owner_);
      WriteBatch batch;
      batch.Put(table_, next.Key(), next.Value());
      const bool archived = i % kArchiveEach == 0;
      const auto version = store_->Commit(
          batch, {archived ? Durability::kArchive : Durability::kVolume, absl::InfiniteDuration()});
      if (IsFenced(version.status())) {
        Fenced();
        return;
      }
      if (!version.ok()) {
        Fail(version.status());
        return;
      }
      last_ = next;
      written_ = next.number;
      if (archived) {
        Say(absl::StrCat("ack ", next.number, " ", next.hash, " ", version->epoch, " ",
                         version->sequence));
      }
      absl::SleepFor(kBetweenCommits);
    }
  }

  // Also of a zombie: what it publishes is its own past, whole.
  void Export() {
    for (int i = 0; !done_; ++i) {
      for (int wait = 0; !done_ && wait < 20; ++wait) absl::SleepFor(kBetweenExports / 20);
      if (done_) return;
      const std::string path = absl::StrCat(volume_, "-", owner_, "-", i, ".snapshot");
      const int64_t least = written_;
      const auto info = store_->ExportSnapshot(path);
      if (info.ok()) Say(absl::StrCat("export ", path, " ", least));
      const bool may_be = absl::IsFailedPrecondition(info.status()) ||
                          absl::IsCancelled(info.status()) || absl::IsUnavailable(info.status());
      if (!info.ok() && !may_be) Fail(info.status());
    }
  }

  const std::string volume_;
  const int64_t owner_;
  std::unique_ptr<Store> store_;
  Table table_;
  RingCommit last_;
  std::atomic<int64_t> written_{0};
  std::atomic<bool> done_{false};
};

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  if (argc != 6) return 2;
#ifdef MOORING_CHILD_HAS_S3
  mooring::EnableS3();
#endif
  const std::string volume = argv[1];
  mooring::testing::CollectFast({std::atoll(argv[4])}, std::string(argv[5]) == "pins");
  mooring::testing::Owner owner(volume, std::atoll(argv[3]));
  mooring::Options options = mooring::testing::RingOptions(volume, argv[2]);
  options.progress = [](const mooring::Progress& progress) {
    mooring::testing::Say(absl::StrCat("note ", std::string(mooring::PhaseName(progress.phase))));
  };
  return owner.Run(options);
}
