// The process that the archive suites start, stop and kill: opens a store with an archive, says in
// lines on standard output all that it holds, and then does what it is told on standard input.
//
//   archive_child volume=PATH url=URL owner=NAME seed=N [takeover_wait_us=N acquire_us=N write=1
//   ...]
//
//   says:  phase <n>   opened <epoch> <sequence>   record ...   head ...   holds
//          ack <process|volume|archive> <chain> <number> <hash> <epoch> <sequence> <time us>
//          refused <chain> <fenced> <code> <message>
//          status <time us> <lag us> <lag bytes> <archived sequence> <state> <last error>
//          waited <code> <message>    closed <synced> <released> <archived>
//          failed <fenced> <code> <message>, and ends with 3
//   takes: write    wait <epoch> <sequence>    close

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "mooring/archive.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"
#include "tests/simulation/archive_chains.h"
#include "tests/simulation/fault_object_store.h"
#ifdef MOORING_CHILD_HAS_S3
#include "mooring/s3.h"
#endif

namespace mooring {
namespace {

using testing::ChainNumbers;
using testing::ChainRecord;
using testing::kChains;

void Say(std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, lines.data(), lines.size());
    if (written < 0) _exit(4);
    lines.remove_prefix(static_cast<size_t>(written));
  }
}

// A line of at most this length is written whole, whoever else writes.
constexpr size_t kLongestMessage = 1000;

std::string OneLine(const absl::Status& status) {
  std::string message(status.message());
  message.resize(std::min(message.size(), kLongestMessage));
  return absl::StrCat(static_cast<int>(status.code()), " ",
                      absl::StrReplaceAll(message, {{"\n", " "}}));
}

int64_t NowMicroseconds() { return absl::ToInt64Microseconds(SteadyNow()); }

class Arguments {
 public:
  Arguments(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::pair<std::string, std::string> pair =
          absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
      values_[pair.first] = pair.second;
    }
  }
  std::string Text(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? "" : found->second;
  }
  int64_t Number(const std::string& name, int64_t usual) const {
    int64_t number = usual;
    return absl::SimpleAtoi(Text(name), &number) ? number : usual;
  }
  absl::Duration Time(const std::string& name, int64_t usual_us) const {
    const int64_t time = Number(name, usual_us);
    return time < 0 ? absl::InfiniteDuration() : absl::Microseconds(time);
  }

 private:
  std::map<std::string, std::string> values_;
};

class ArchiveChild {
 public:
  explicit ArchiveChild(const Arguments& arguments)
      : arguments_(arguments),
        owner_(arguments.Text("owner")),
        seed_(static_cast<uint64_t>(arguments.Number("seed", 1))),
        archive_timeout_(arguments.Time("archive_timeout_us", -1)),
        payload_(static_cast<uint64_t>(arguments.Number("payload", 200))),
        lies_(arguments.Number("lies", 0) != 0) {}

  absl::Status Run() {
    MOORING_RETURN_IF_ERROR(OpenStore());
    MOORING_RETURN_IF_ERROR(SayWhatItHolds());
    if (arguments_.Number("write", 0) != 0) StartWriting();
    for (std::string line; std::getline(std::cin, line);) Obey(line);
    for (;;) pause();
  }

 private:
  struct Chain {
    std::atomic<uint64_t> acknowledged{0};
    uint64_t number = 0;     // Its writer's own.
    std::string hash = "-";  // Its writer's own.
  };
  struct LocalCommit {
    uint64_t number = 0;
    std::string hash;
    Version version;
  };

  absl::Status OpenStore() {
    Options options;
    options.volume = arguments_.Text("volume");
    options.store_id = arguments_.Text("store_id");
    options.create_if_missing = arguments_.Number("create_if_missing", 1) != 0;
    options.allow_unsafe_volume = true;
    options.acquire_timeout = arguments_.Time("acquire_us", 60000000);
    options.cache_bytes = int64_t{4} << 20;
    // Small, so that logs rotate and tables are flushed.
    options.write_buffer_bytes = int64_t{1} << 20;
    options.wal_file_bytes = int64_t{1} << 20;
    options.max_wal_bytes = int64_t{4} << 20;
    options.archive.url = arguments_.Text("url");
    options.archive.ship_interval = arguments_.Time("ship_us", 10000);
    options.archive.fence_check_interval = arguments_.Time("fence_us", 20000);
    options.archive.takeover_wait = arguments_.Time("takeover_wait_us", 150000);
    options.archive.serve_unreached = arguments_.Number("serve_unreached", 0) != 0;
    options.archive.create_without_state = arguments_.Number("create_without_state", 0) != 0;
    options.progress = [](const Progress& progress) {
      Say(absl::StrCat("phase ", static_cast<int>(progress.phase), "\n"));
    };
    if (arguments_.Number("verbose", 0) != 0) {
      options.log = [this](LogSeverity, std::string_view text) {
        std::cerr << owner_ << ": " << text << std::endl;
      };
    }
    MOORING_ASSIGN_OR_RETURN(store_, Store::Open(options));
    const Version version = store_->version();
    Say(absl::StrCat("opened ", version.epoch, " ", version.sequence, "\n"));
    MOORING_ASSIGN_OR_RETURN(table_, store_->OpenTable(testing::kChainTable));
    return absl::OkStatus();
  }

  absl::Status SayWhatItHolds() {
    std::string lines;
    Iterator iterator = table_.Scan();
    for (; iterator.Valid(); iterator.Next()) {
      int chain = iterator.key().back() - '0';
      if (iterator.key().front() == 'h') {
        lines += testing::HeadLine(chain, iterator.value());
        continue;
      }
      MOORING_ASSIGN_OR_RETURN(const ChainRecord record,
                               testing::DecodeRecord(iterator.key(), iterator.value(), &chain));
      lines += testing::RecordLine(chain, record);
      Chain& end = chains_[static_cast<size_t>(chain)];
      end.number = record.number;
      end.hash = record.hash;
      end.acknowledged = record.number;
    }
    MOORING_RETURN_IF_ERROR(iterator.status());
    Say(lines + "holds\n");
    return absl::OkStatus();
  }

  void Obey(const std::string& line) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    Version version;
    if (words[0] == "write") {
      StartWriting();
    } else if (words[0] == "close") {
      CloseStore();
    } else if (words[0] == "wait" && words.size() == 3 &&
               absl::SimpleAtoi(words[1], &version.epoch) &&
               absl::SimpleAtoi(words[2], &version.sequence)) {
      Say(absl::StrCat("waited ", OneLine(store_->WaitArchived(version, absl::Minutes(1))), "\n"));
    } else {
      _exit(6);
    }
  }

  void StartWriting() {
    if (!CommitInAllChains()) return;
    for (int chain = 0; chain < kChains; ++chain) {
      threads_.emplace_back([this, chain] { Write(chain); });
    }
    threads_.emplace_back([this] { AskForLocalCommits(); });
    threads_.emplace_back([this] { Report(); });
  }

  // The next record of `chain`, and its operations in `batch`.
  ChainRecord Next(int chain, std::mt19937_64* random, WriteBatch* batch) {
    ChainRecord record;
    record.number = chains_[static_cast<size_t>(chain)].number + 1;
    record.owner = owner_;
    record.previous = chains_[static_cast<size_t>(chain)].hash;
    for (size_t i = 0; i < kChains; ++i) record.seen[i] = chains_[i].acknowledged;
    const uint64_t longest = (*random)() % 16 == 0 ? 8000 : payload_;
    const auto size = static_cast<size_t>((*random)() % longest);
    std::string payload(size, '\0');
    for (char& byte : payload) byte = static_cast<char>((*random)());
    const std::string value = testing::EncodeRecord(record, payload);
    record.hash = testing::HashRecord(chain, record.number, value);
    batch->Put(table_, testing::RecordKey(chain, record.number), value);
    batch->Put(table_, testing::HeadKey(chain), absl::StrCat(record.number, " ", record.hash));
    return record;
  }

  bool CommitInAllChains() {
    std::mt19937_64 random(seed_);
    WriteBatch batch;
    std::array<ChainRecord, kChains> records;
    for (int chain = 0; chain < kChains; ++chain) {
      records[static_cast<size_t>(chain)] = Next(chain, &random, &batch);
    }
    const absl::StatusOr<Version> version = store_->Commit(batch);
    for (int chain = 0; chain < kChains; ++chain) {
      if (version.ok()) {
        Acknowledge("volume", chain, records[static_cast<size_t>(chain)], *version);
      } else {
        SayRefused(chain, version.status());
      }
    }
    return version.ok();
  }

  void Acknowledge(std::string_view level, int chain, const ChainRecord& record, Version version) {
    Chain& end = chains_[static_cast<size_t>(chain)];
    end.number = record.number;
    end.hash = record.hash;
    end.acknowledged = record.number;
    SayAcknowledged(level, chain, record.number, record.hash, version);
  }

  static void SayAcknowledged(std::string_view level, int chain, uint64_t number,
                              const std::string& hash, Version version) {
    Say(absl::StrCat("ack ", ToAbsl(level), " ", chain, " ", number, " ", hash, " ", version.epoch,
                     " ", version.sequence, " ", NowMicroseconds(), "\n"));
  }

  static void SayRefused(int chain, const absl::Status& status) {
    Say(absl::StrCat("refused ", chain, " ", IsFenced(status), " ", OneLine(status), "\n"));
  }

  static std::string_view LevelName(Durability durability) {
    return durability == Durability::kProcess  ? "process"
           : durability == Durability::kVolume ? "volume"
                                               : "archive";
  }

  // Chain 0 never waits for the archive, chain 1 always, chain 2 now and then.
  Durability Choose(int chain, std::mt19937_64* random) const {
    const uint64_t choice = chain == 1 ? 2 : (*random)() % static_cast<uint64_t>(2 + chain / 2);
    return choice == 0   ? Durability::kProcess
           : choice == 1 ? Durability::kVolume
                         : Durability::kArchive;
  }

  void Write(int chain) {
    std::mt19937_64 random(seed_ * 10 + static_cast<uint64_t>(chain));
    for (;;) {
      WriteBatch batch;
      const ChainRecord record = Next(chain, &random, &batch);
      const Durability durability = Choose(chain, &random);
      CommitOptions options;
      options.durability = durability;
      if (durability == Durability::kArchive) {
        options.timeout = archive_timeout_;
        if (lies_) options.durability = Durability::kVolume;
      }
      const absl::StatusOr<Version> version = store_->Commit(batch, options);
      const auto unarchived = UnarchivedVersion(version.status());
      if (version.ok()) {
        Acknowledge(LevelName(durability), chain, record, *version);
        if (chain == 0) Remember({record.number, record.hash, *version});
      } else if (unarchived && !IsFenced(version.status())) {
        Acknowledge(LevelName(Durability::kVolume), chain, record, *unarchived);
      } else {
        return SayRefused(chain, version.status());
      }
      if (chain != 1) absl::SleepFor(absl::Microseconds(random() % 2000));
    }
  }

  void Remember(LocalCommit commit) {
    absl::MutexLock lock(&mutex_);
    newest_local_ = std::move(commit);
  }

  // Turns commits of chain 0 into archived ones.
  void AskForLocalCommits() {
    for (;;) {
      absl::SleepFor(absl::Milliseconds(5));
      LocalCommit commit;
      {
        absl::MutexLock lock(&mutex_);
        commit = newest_local_;
      }
      if (commit.number == 0) continue;
      const absl::Status status = store_->WaitArchived(commit.version, archive_timeout_);
      if (status.ok()) SayAcknowledged("archive", 0, commit.number, commit.hash, commit.version);
      if (absl::IsFailedPrecondition(status)) return;
    }
  }

  void Report() {
    for (;;) {
      const int64_t now = NowMicroseconds();
      const ArchiveStatus status = store_->archive_status();
      const absl::Duration lag = std::min(status.lag, absl::Hours(1));
      Say(absl::StrCat("status ", now, " ",
                       absl::ToInt64Microseconds(absl::Ceil(lag, absl::Microseconds(1))), " ",
                       status.lag_bytes, " ", status.archived ? status.archived->sequence : 0, " ",
                       static_cast<int>(status.state), " ", OneLine(status.last_error), "\n"));
      if (status.state == ArchiveStatus::State::kClosed) return;
      absl::SleepFor(absl::Milliseconds(10));
    }
  }

  void CloseStore() {
    const CloseReport report = store_->Close(absl::Seconds(60));
    Say(absl::StrCat("closed ", report.synced, " ", report.released, " ", report.archived, "\n"));
    _exit(0);
  }

  const Arguments& arguments_;
  const std::string owner_;
  const uint64_t seed_;
  const absl::Duration archive_timeout_;
  const uint64_t payload_;
  const bool lies_;  // The negative control: says archived of what is on the volume.
  std::unique_ptr<Store> store_;
  Table table_;
  std::array<Chain, kChains> chains_;
  std::vector<std::thread> threads_;
  absl::Mutex mutex_;
  LocalCommit newest_local_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace
}  // namespace mooring

int main(int argc, char** argv) {
  alarm(280);
  const mooring::Arguments arguments(argc, argv);
  mooring::testing::RegisterFaultScheme(static_cast<uint64_t>(arguments.Number("seed", 1)));
#ifdef MOORING_CHILD_HAS_S3
  mooring::EnableS3();
#endif
  mooring::ArchiveChild child(arguments);
  const absl::Status status = child.Run();
  if (status.ok()) _exit(0);
  mooring::Say(
      absl::StrCat("failed ", mooring::IsFenced(status), " ", mooring::OneLine(status), "\n"));
  _exit(3);
}
