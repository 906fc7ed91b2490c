// How fast is a snapshot made and taken in, against cp, and what do writers notice of it?

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/flags.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench/scratch.h"
#include "bench/snapshot/copier.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/base/posix_file.h"

namespace mooring::bench {
namespace {

struct Settings : CommonSettings {
  Settings() : CommonSettings(5) {}

  int mebibytes = 1024;
  int writers = 8;
  double seconds = 4;
  bool alone = false;
  bool writers_only = false;
};

// What one round of one subject took.
struct Copied {
  double seconds = 0;
  double mebibytes = 0;
  double rss_mebibytes = 0;  // By which the process grew.
};
struct Rows {
  std::vector<double> rates;   // MiB a second, by round.
  std::vector<double> ratios;  // To that of cp in the same round.
  double rss_mebibytes = 0;    // The most.
};

double SecondsOf(const std::function<absl::Status()>& work, absl::Status* status) {
  const auto begin = std::chrono::steady_clock::now();
  *status = work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double MebibytesAt(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    return static_cast<double>(std::filesystem::file_size(path, error)) / (1 << 20);
  }
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error)) {
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  }
  return bytes / (1 << 20);
}

// A line of /proc/self/status, in MiB.
double MemoryNow(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, name.size() + 1, name + ":") != 0) continue;
    return std::strtod(line.c_str() + name.size() + 1, nullptr) / 1024;  // It is in KiB.
  }
  return 0;
}

// Runs `work`, which makes `path`, on a synced volume.
absl::StatusOr<Copied> Measure(const Scratch& scratch, const std::string& path,
                               const std::function<absl::Status()>& work) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
  scratch.Settle();
  std::ofstream("/proc/self/clear_refs") << "5";  // The peak counts from here.
  const double before = MemoryNow("VmRSS");
  Copied copied;
  absl::Status status;
  copied.seconds = SecondsOf(work, &status);
  MOORING_RETURN_IF_ERROR(status);
  copied.mebibytes = MebibytesAt(path);
  copied.rss_mebibytes = MemoryNow("VmHWM") - before;
  return copied;
}

absl::Status Shell(const std::string& command) {
  const int result = ::system(command.c_str());
  if (result == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("'", command, "' answered ", result));
}

// The store that is exported, and what its export is.
class Subject {
 public:
  Subject(const Settings& settings, const Scratch& scratch)
      : settings_(settings), scratch_(scratch), records_(settings.mebibytes) {}

  absl::Status Fill() {
    MOORING_ASSIGN_OR_RETURN(const std::string directory, scratch_.FreshDirectory("store"));
    MOORING_ASSIGN_OR_RETURN(root_, scratch_.FreshDirectory("copies"));
    Options options;
    options.volume = directory;
    options.allow_unsafe_volume = true;
    MOORING_ASSIGN_OR_RETURN(store_, Store::Open(options));
    MOORING_ASSIGN_OR_RETURN(table_, store_->OpenTable("pairs"));
    WriteBatch batch;
    std::string value;
    for (uint64_t i = 0; i < records_.count(); ++i) {
      CopyRecords::FillValue(i, &value);
      batch.Put(table_, CopyRecords::Key(i), value);
      if ((i + 1) % CopyRecords::kRecordsPerBatch != 0 && i + 1 != records_.count()) continue;
      MOORING_RETURN_IF_ERROR(store_->Commit(batch).status());
      batch.Clear();
    }
    // Compactions that loading left over are not the export's.
    const double settle = settings_.quick ? 0 : 10;
    absl::SleepFor(absl::Seconds(settle));
    return absl::OkStatus();
  }

  absl::StatusOr<Copied> Export() {
    return Measure(scratch_, SnapshotPath(),
                   [&] { return store_->ExportSnapshot(SnapshotPath()).status(); });
  }

  // Of what Export() made.
  absl::StatusOr<Copied> Cp() {
    const std::string to = root_ + "/cp";
    return Measure(scratch_, to, [&] {
      return Shell(
          absl::StrCat("cp '", SnapshotPath(), "' '", to, "' && sync '", to, "' '", root_, "'"));
    });
  }

  absl::StatusOr<Copied> Import() {
    ImportOptions options;
    options.volume = root_ + "/imported";
    options.allow_unsafe_volume = true;
    return Measure(scratch_, options.volume, [&]() -> absl::Status {
      MOORING_RETURN_IF_ERROR(MakeDirectoryDurably(options.volume));
      return ImportSnapshot(SnapshotPath(), options).status();
    });
  }

  // Commits a second of all writers, with exports one after the other meanwhile, or without.
  absl::StatusOr<double> Commits(bool exporting) {
    std::atomic<bool> stop{false};
    std::atomic<int64_t> commits{0};
    std::vector<absl::Status> statuses(static_cast<size_t>(settings_.writers) + 1);
    std::vector<std::thread> threads;
    for (int writer = 0; writer < settings_.writers; ++writer) {
      threads.emplace_back([&, writer] { Write(writer, stop, commits, &statuses); });
    }
    if (exporting) {
      threads.emplace_back([&] {
        ExportOptions options;
        options.progress = [&](const SnapshotProgress&) { return !stop; };
        const std::string path = root_ + "/meanwhile";
        while (!stop && statuses.back().ok()) {
          const absl::Status status = store_->ExportSnapshot(path, options).status();
          if (!absl::IsCancelled(status)) statuses.back() = status;
          ::unlink(path.c_str());
        }
      });
    }
    absl::SleepFor(absl::Seconds(settings_.seconds / 4));
    const int64_t begin = commits;
    absl::SleepFor(absl::Seconds(settings_.seconds));
    const auto rate = static_cast<double>(commits - begin) / settings_.seconds;
    stop = true;
    for (std::thread& thread : threads) thread.join();
    for (const absl::Status& status : statuses) MOORING_RETURN_IF_ERROR(status);
    return rate;
  }

  const std::string& root() const { return root_; }

 private:
  std::string SnapshotPath() const { return root_ + "/snapshot"; }

  void Write(int writer, const std::atomic<bool>& stop, std::atomic<int64_t>& commits,
             std::vector<absl::Status>* statuses) {
    const std::string value(100, 'v');
    for (uint64_t i = 0; !stop; ++i) {
      const absl::Status status =
          table_.Put(absl::StrCat("writer", writer, "-", i % 10'000), value).status();
      if (!status.ok()) {
        (*statuses)[static_cast<size_t>(writer)] = status;
        return;
      }
      ++commits;
    }
  }

  const Settings& settings_;
  const Scratch& scratch_;
  const CopyRecords records_;
  std::string root_;
  std::unique_ptr<Store> store_;
  Table table_;
};

using Results = std::vector<std::pair<std::string, Rows>>;

class Bench {
 public:
  Bench(const Settings& settings, const Scratch& scratch)
      : settings_(settings), scratch_(scratch), subject_(settings, scratch) {}

  absl::Status Run() {
    MOORING_RETURN_IF_ERROR(subject_.Fill());
    if (!settings_.alone && !settings_.writers_only) MOORING_RETURN_IF_ERROR(FillCopiers());
    for (int round = 0; round < settings_.rounds && !settings_.writers_only; ++round) {
      MOORING_RETURN_IF_ERROR(RunRound());
    }
    for (int round = 0; round < settings_.rounds; ++round) {
      MOORING_ASSIGN_OR_RETURN(const double with, subject_.Commits(true));
      MOORING_ASSIGN_OR_RETURN(const double without, subject_.Commits(false));
      with_export_.push_back(with);
      without_.push_back(without);
    }
    return Report();
  }

 private:
  absl::Status FillCopiers() {
    const CopyRecords records(settings_.mebibytes);
    copiers_ = MakeCopiers();
    for (size_t i = 0; i < copiers_.size(); ++i) {
      MOORING_ASSIGN_OR_RETURN(const std::string directory,
                               scratch_.FreshDirectory(absl::StrCat("peer", i)));
      MOORING_RETURN_IF_ERROR(copiers_[i]->Fill(directory, records));
    }
    return absl::OkStatus();
  }

  absl::Status RunRound() {
    std::vector<std::pair<std::string, Copied>> round;
    const auto add = [&](const std::string& name, absl::StatusOr<Copied> copied) -> absl::Status {
      MOORING_RETURN_IF_ERROR(copied.status());
      round.emplace_back(name, *copied);
      return absl::OkStatus();
    };
    MOORING_RETURN_IF_ERROR(add("export", subject_.Export()));
    MOORING_RETURN_IF_ERROR(add("cp and sync", subject_.Cp()));
    MOORING_RETURN_IF_ERROR(add("import", subject_.Import()));
    for (const std::unique_ptr<Copier>& copier : copiers_) {
      const std::string path = subject_.root() + "/peer";
      MOORING_RETURN_IF_ERROR(
          add(copier->name(), Measure(scratch_, path, [&] { return copier->Copy(path); })));
    }
    const double cp = round[1].second.mebibytes / round[1].second.seconds;
    for (const auto& [name, copied] : round) {
      Rows& rows = RowsOf(name);
      rows.rates.push_back(copied.mebibytes / copied.seconds);
      rows.ratios.push_back(rows.rates.back() / cp);
      rows.rss_mebibytes = std::max(rows.rss_mebibytes, copied.rss_mebibytes);
    }
    return absl::OkStatus();
  }

  Rows& RowsOf(const std::string& name) {
    for (auto& [known, rows] : results_) {
      if (known == name) return rows;
    }
    return results_.emplace_back(name, Rows()).second;
  }

  absl::Status Report() const {
    TextTable table;
    table.AddRow({"what", "MiB/s", "x cp", "RSS growth MiB"});
    std::vector<JsonObject> rows;
    for (const auto& [name, result] : results_) {
      table.AddRow({name, FormatNumber(Median(result.rates)), FormatNumber(Median(result.ratios)),
                    FormatNumber(result.rss_mebibytes)});
      rows.emplace_back();
      rows.back()
          .Set("what", name)
          .Set("mebibytes_per_second", Median(result.rates))
          .Set("ratio_to_cp", Median(result.ratios))
          .Set("rss_growth_mebibytes", result.rss_mebibytes)
          .Set("mebibytes_per_second_by_round", result.rates);
    }
    const double ratio = MedianRatio(with_export_, without_);
    printf(
        "%s, a state of %d MiB, medians of %d rounds\n\n%s\n%d writers at kVolume: %s commits/s "
        "during exports, %s without, ratio %s\n",
        scratch_.FileSystemName().c_str(), settings_.mebibytes, settings_.rounds,
        table.ToString().c_str(), settings_.writers, FormatNumber(Median(with_export_)).c_str(),
        FormatNumber(Median(without_)).c_str(), FormatNumber(ratio).c_str());
    JsonObject report;
    report.Set("benchmark", "snapshot_bench")
        .Set("file_system", scratch_.FileSystemName())
        .Set("mebibytes", settings_.mebibytes)
        .Set("rounds", settings_.rounds)
        .Set("results", rows)
        .Set("commits_during_export_per_second", with_export_)
        .Set("commits_without_per_second", without_)
        .Set("commits_ratio", ratio);
    return WriteJson(report, settings_.json);
  }

  const Settings& settings_;
  const Scratch& scratch_;
  Subject subject_;
  std::vector<std::unique_ptr<Copier>> copiers_;
  Results results_;
  std::vector<double> with_export_;
  std::vector<double> without_;
};

}  // namespace

absl::Status Run(int argc, char** argv) {
  Settings settings;
  Flags flags("How fast is a snapshot made and taken in, against cp, and what do writers notice?");
  settings.AddTo(&flags);
  flags.Add("mib", "MiB of records (1024)", &settings.mebibytes);
  flags.Add("writers", "writers beside an export (8)", &settings.writers);
  flags.Add("seconds", "seconds for each rate of the writers (4)", &settings.seconds);
  flags.Add("writers-only", "only what writers notice", &settings.writers_only);
  flags.Add("alone", "without the other stores", &settings.alone);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  if (settings.quick) {
    settings.rounds = 1;
    settings.mebibytes = 8;
    settings.seconds = 0.2;
  }
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  return Bench(settings, scratch).Run();
}

}  // namespace mooring::bench
