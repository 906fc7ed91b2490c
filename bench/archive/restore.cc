#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/archive/load.h"
#include "bench/archive/section.h"
#include "mooring/status_macros.h"
#include "src/base/posix_file.h"
#include "src/base/status.h"
#include "src/objectstore/open.h"

namespace mooring::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRestoreAim = 0.8;
constexpr int kParallelGets = 8;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// So that both sides read the device. What is in the page cache of a machine that restores is
// nothing.
void DropFromCache(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    if (!entry.is_regular_file(error)) continue;
    absl::StatusOr<PosixFile> file = PosixFile::Open(entry.path().string(), O_RDONLY);
    if (file.ok()) posix_fadvise(file->fd(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

// An archive of one checkpoint and next to nothing else, and its url.
absl::StatusOr<std::string> MakeArchive(const Ground& ground) {
  MOORING_ASSIGN_OR_RETURN(const std::string url, ground.place.Fresh());
  MOORING_ASSIGN_OR_RETURN(const std::string directory, ground.scratch.FreshDirectory("store"));
  for (const bool archived : {false, true}) {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<MooringPeer> peer,
                             OpenArchived(directory, archived ? url : "", Durability::kVolume));
    const Records records(ground.settings.store_mib);
    if (!archived) MOORING_RETURN_IF_ERROR(records.Load(peer.get()));
    MOORING_RETURN_IF_ERROR(peer->Close());
  }
  return url;
}

absl::StatusOr<double> TimeRestore(const Ground& ground, const std::string& url) {
  MOORING_ASSIGN_OR_RETURN(const std::string directory, ground.scratch.FreshDirectory("store"));
  if (!ground.place.directory().empty()) DropFromCache(ground.place.directory());
  MooringPeer peer({url}, Durability::kVolume);
  PeerOptions options;
  options.directory = directory;
  const Clock::time_point begin = Clock::now();
  MOORING_RETURN_IF_ERROR(peer.Open(options));
  const double seconds = SecondsSince(begin);
  MOORING_RETURN_IF_ERROR(peer.Close());
  return seconds;
}

absl::Status RunCopy(const std::string& from, const std::string& to) {
  std::string arguments[] = {"cp", "-r", from, to};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                  arguments[3].data(), nullptr};
  pid_t child;
  if (const int error = posix_spawnp(&child, "cp", nullptr, nullptr, argv, environ); error != 0) {
    return ErrnoError("cannot run", "cp", error);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) {
    return absl::UnavailableError(absl::StrCat("cp -r ", from, " ", to, " failed"));
  }
  return absl::OkStatus();
}

absl::Status GetAll(const std::string& url, const std::string& directory) {
  MOORING_ASSIGN_OR_RETURN(const auto store, objectstore::OpenObjectStore(url));
  MOORING_ASSIGN_OR_RETURN(const std::vector<objectstore::ObjectInfo> objects, ListAll(*store));
  std::atomic<size_t> next{0};
  std::vector<absl::Status> statuses(kParallelGets);
  std::vector<std::thread> threads;
  for (absl::Status& status : statuses) {
    threads.emplace_back([&] {
      for (size_t i; status.ok() && (i = next++) < objects.size();) {
        status = store->GetToFile(objects[i].key, absl::StrCat(directory, "/", i)).status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) MOORING_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

// The same bytes onto the same volume, without any store.
absl::StatusOr<double> TimeCopy(const Ground& ground, const std::string& url) {
  MOORING_ASSIGN_OR_RETURN(const std::string directory, ground.scratch.FreshDirectory("store"));
  const std::string& archive = ground.place.directory();
  if (!archive.empty()) DropFromCache(archive);
  const Clock::time_point begin = Clock::now();
  MOORING_RETURN_IF_ERROR(archive.empty() ? GetAll(url, directory)
                                          : RunCopy(archive, directory + "/copy"));
  ground.scratch.Settle();
  return SecondsSince(begin);
}

absl::StatusOr<double> BytesAt(const std::string& url) {
  MOORING_ASSIGN_OR_RETURN(const auto store, objectstore::OpenObjectStore(url));
  MOORING_ASSIGN_OR_RETURN(const std::vector<objectstore::ObjectInfo> objects, ListAll(*store));
  double bytes = 0;
  for (const objectstore::ObjectInfo& object : objects) bytes += static_cast<double>(object.size);
  return bytes;
}

}  // namespace

absl::StatusOr<Section> MeasureRestores(const Ground& ground) {
  MOORING_ASSIGN_OR_RETURN(const std::string url, MakeArchive(ground));
  MOORING_ASSIGN_OR_RETURN(const double bytes, BytesAt(url));
  std::vector<double> copies;
  std::vector<double> restores;
  for (int round = 0; round < ground.settings.restores; ++round) {
    // Each round begins with the other one.
    for (const bool restore : {round % 2 == 1, round % 2 == 0}) {
      MOORING_ASSIGN_OR_RETURN(const double seconds,
                               restore ? TimeRestore(ground, url) : TimeCopy(ground, url));
      (restore ? restores : copies).push_back(seconds);
    }
  }
  const double ratio = MedianRatio(copies, restores);
  const std::string baseline = ground.place.directory().empty()
                                   ? absl::StrCat(kParallelGets, " parallel GETs and sync")
                                   : "cp -r and sync";
  Section section;
  section.table.AddRow({"what", "MB", "seconds", "MB/s", "x as fast"});
  const auto add = [&](const std::string& what, const std::vector<double>& seconds,
                       const std::string& times) {
    section.table.AddRow({what, FormatNumber(bytes / 1e6), FormatNumber(Median(seconds)),
                          FormatNumber(bytes / 1e6 / Median(seconds)), times});
    section.rows.emplace_back();
    section.rows.back().Set("what", what).Set("bytes", bytes).Set("seconds_by_round", seconds);
  };
  add(baseline, copies, "1.00");
  add("restore, until the store serves", restores, FormatNumber(ratio));
  section.targets.push_back(
      {absl::StrCat("restore, x as fast as ", baseline), ratio, true, kRestoreAim});
  return section;
}

}  // namespace mooring::bench
