// The process that the kill test kills: opens the store, says in lines on standard output all that
// it holds, is told on standard input where the oracle's chains stand, and then commits with one
// thread for each writer until it is ended, a line for each acknowledgement:
//
//   phase <number>   table <index> <key> <value>   holds   acknowledged <writer> <number> <level>
//   closed ...
//
// with keys and values in hexadecimal.

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "mooring/termination.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"
#include "tests/simulation/kill_workload.h"
#include "tests/simulation/store_under_load.h"

namespace mooring {
namespace {

using testing::CommitOracle;
using testing::kWorkloadTables;
using testing::kWorkloadWriters;
using testing::OracleCommit;

// One write() each, which a pipe takes whole: no line is torn by a kill or by another thread.
void Say(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(4);
}

std::string Hex(std::string_view bytes) { return absl::BytesToHexString(ToAbsl(bytes)); }

class KillChild {
 public:
  KillChild(std::string volume, uint64_t seed, bool large)
      : volume_(std::move(volume)),
        seed_(seed),
        large_(large),
        oracle_(testing::WorkloadOf(seed, large)) {}

  absl::Status Run() {
    MOORING_RETURN_IF_ERROR(OpenStore());
    MOORING_RETURN_IF_ERROR(SayWhatItHolds());
    std::string chains;
    if (!std::getline(std::cin, chains)) return absl::OkStatus();
    oracle_.LoadChains(chains);
    MOORING_ASSIGN_OR_RETURN(const auto handler, TerminationHandler::Install([this] { Close(); }));
    std::vector<std::thread> writers;
    for (int writer = 0; writer < kWorkloadWriters; ++writer) {
      writers.emplace_back([this, writer] { Write(writer); });
    }
    if (std::getenv("MOORING_KILL_CHILD_EATS") != nullptr) EatMemory();
    for (std::thread& writer : writers) writer.join();
    for (;;) pause();  // Close() ends the process, or whoever kills it does.
  }

 private:
  absl::Status OpenStore() {
    Options options;
    options.volume = volume_;
    options.allow_unsafe_volume = true;
    options.cache_bytes = int64_t{8} << 20;
    // Small, so that logs rotate and tables are flushed; large, so that the log grows long.
    options.write_buffer_bytes = int64_t{large_ ? 64 : 1} << 20;
    options.wal_file_bytes = int64_t{large_ ? 8 : 1} << 20;
    options.max_wal_bytes = int64_t{large_ ? 256 : 2} << 20;
    options.progress = [](const Progress& progress) {
      Say(absl::StrCat("phase ", static_cast<int>(progress.phase), "\n"));
    };
    MOORING_ASSIGN_OR_RETURN(store_, Store::Open(options));
    for (int table = 0; table < kWorkloadTables; ++table) {
      MOORING_ASSIGN_OR_RETURN(tables_[static_cast<size_t>(table)],
                               store_->OpenTable(absl::StrCat("table", table)));
    }
    return absl::OkStatus();
  }

  absl::Status SayWhatItHolds() {
    std::string lines;
    for (int table = 0; table < kWorkloadTables; ++table) {
      Iterator iterator = tables_[static_cast<size_t>(table)].Scan();
      for (; iterator.Valid(); iterator.Next()) {
        absl::StrAppend(&lines, "table ", table, " ", Hex(iterator.key()), " ",
                        Hex(iterator.value()), "\n");
      }
      MOORING_RETURN_IF_ERROR(iterator.status());
    }
    lines += "holds\n";
    for (size_t at = 0; at < lines.size();) {  // Alone still: it may take many writes.
      const ssize_t written = ::write(STDOUT_FILENO, lines.data() + at, lines.size() - at);
      if (written < 0) _exit(4);
      at += static_cast<size_t>(written);
    }
    return absl::OkStatus();
  }

  void Write(int writer) {
    // The negative control: a store that acknowledges before it commits must be caught.
    const bool lies = std::getenv("MOORING_KILL_CHILD_LIES") != nullptr;
    std::mt19937_64 random(seed_ + static_cast<uint64_t>(writer));
    WriteBatch batch;
    for (;;) {
      const OracleCommit commit = oracle_.Next(writer);
      testing::FillBatch(commit, tables_, &batch);
      CommitOptions options;
      if (large_ || random() % 2 == 0) options.durability = Durability::kProcess;
      const std::string line =
          absl::StrCat("acknowledged ", writer, " ", commit.parts.front().second,
                       options.durability == Durability::kProcess ? " process\n" : " volume\n");
      if (lies) Say(line);
      const absl::StatusOr<Version> version = store_->Commit(batch, options);
      if (!version.ok()) {
        if (absl::IsFailedPrecondition(version.status())) return;  // Close() was called.
        std::cerr << version.status() << std::endl;
        _exit(5);
      }
      if (!lies) Say(line);
    }
  }

  // For ever, until the kernel has no more to give.
  static void EatMemory() {
    constexpr size_t kMorselBytes = 64 << 10;
    for (;;) {
      std::memset(std::malloc(kMorselBytes), 1, kMorselBytes);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

  void Close() {
    const absl::Duration start = SteadyNow();
    const CloseReport report = store_->Close(testing::kCloseTimeout);
    Say(absl::StrCat("closed ", report.synced, " ", report.released, " ",
                     absl::ToInt64Milliseconds(SteadyNow() - start), "\n"));
    _exit(0);
  }

  const std::string volume_;
  const uint64_t seed_;
  const bool large_;
  CommitOracle oracle_;
  std::unique_ptr<Store> store_;
  std::array<Table, kWorkloadTables> tables_;
};

}  // namespace
}  // namespace mooring

int main(int argc, char** argv) {
  alarm(240);
  if (argc != 4) return 2;
  mooring::KillChild child(argv[1], std::strtoull(argv[2], nullptr, 10),
                           std::string(argv[3]) == "large");
  const absl::Status status = child.Run();
  if (status.ok()) _exit(0);
  std::cerr << status << std::endl;
  _exit(3);
}
