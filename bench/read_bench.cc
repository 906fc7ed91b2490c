// How fast is Table::Get() from a warm store, against RocksDB with the same options?

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/flags.h"
#include "bench/peers/peer.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench/scratch.h"
#include "bench/workload.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "rocksdb/db.h"
#include "src/engine/rocksdb_options.h"

namespace mooring::bench {
namespace {

struct Settings : CommonSettings {
  Settings() : CommonSettings(9) {}

  double seconds = 1;
  int keys = 1'000'000;
  int value_bytes = 100;
  std::vector<int> threads = {1, 2};
};

constexpr int kPutsPerCommit = 1000;

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

absl::Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("rocksdb: ", status.ToString()));
}

// RocksDB with Mooring's own table options. Loaded, closed and opened again, which leaves all data
// in sorted files.
class RawStore {
 public:
  absl::Status Open(const std::string& directory) {
    engine::EngineOptions options;
    options.cache_bytes = kCacheBytes;
    options.write_buffer_bytes = PeerOptions().write_buffer_bytes;
    rocksdb::Options rocksdb_options(rocksdb::DBOptions(),
                                     engine::MakeTableOptions(options, engine::MakeCache(options)));
    rocksdb_options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(rocksdb_options, directory + "/db", &db);
    db_.reset(db);
    return ToStatus(status);
  }

  absl::Status Load(int keys, const Values& values) {
    rocksdb::WriteBatch batch;
    for (int i = 0; i < keys; ++i) {
      const uint64_t index = static_cast<uint64_t>(i);
      batch.Put(ToSlice(Key(0, index).view()), ToSlice(values.Get(index)));
      if ((i + 1) % kPutsPerCommit != 0 && i + 1 != keys) continue;
      MOORING_RETURN_IF_ERROR(ToStatus(db_->Write(rocksdb::WriteOptions(), &batch)));
      batch.Clear();
    }
    return absl::OkStatus();
  }

  absl::Status Close() {
    const rocksdb::Status status = db_->Close();
    db_.reset();
    return ToStatus(status);
  }

  // Reads keys until told to stop; the number of reads.
  template <typename NextKey>
  absl::StatusOr<uint64_t> Read(NextKey next_key, const std::atomic<bool>& stop) const {
    const rocksdb::ReadOptions options;
    rocksdb::PinnableSlice value;
    uint64_t reads = 0;
    for (; !stop.load(std::memory_order_relaxed); ++reads) {
      value.Reset();
      const Key key = next_key();
      const rocksdb::Status status =
          db_->Get(options, db_->DefaultColumnFamily(), ToSlice(key.view()), &value);
      if (!status.ok()) return ToStatus(status);
    }
    return reads;
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
};

class MooringStore {
 public:
  absl::Status Open(const std::string& directory) {
    Options options;
    options.volume = directory;
    options.allow_unsafe_volume = true;
    options.cache_bytes = kCacheBytes;
    options.write_buffer_bytes = PeerOptions().write_buffer_bytes;
    MOORING_ASSIGN_OR_RETURN(store_, Store::Open(options));
    MOORING_ASSIGN_OR_RETURN(table_, store_->OpenTable("pairs"));
    return absl::OkStatus();
  }

  absl::Status Load(int keys, const Values& values) {
    CommitOptions options;
    options.durability = Durability::kProcess;
    WriteBatch batch;
    for (int i = 0; i < keys; ++i) {
      const uint64_t index = static_cast<uint64_t>(i);
      batch.Put(table_, Key(0, index).view(), values.Get(index));
      if ((i + 1) % kPutsPerCommit != 0 && i + 1 != keys) continue;
      MOORING_RETURN_IF_ERROR(store_->Commit(batch, options).status());
      batch.Clear();
    }
    return absl::OkStatus();
  }

  absl::Status Close() {
    table_ = Table();
    const CloseReport report = store_->Close(absl::Minutes(5));
    store_.reset();
    return report.status;
  }

  // Reads keys until told to stop; the number of reads.
  template <typename NextKey>
  absl::StatusOr<uint64_t> Read(NextKey next_key, const std::atomic<bool>& stop) const {
    Value value;
    uint64_t reads = 0;
    for (; !stop.load(std::memory_order_relaxed); ++reads) {
      const Key key = next_key();
      MOORING_RETURN_IF_ERROR(table_.Get(key.view(), &value));
    }
    return reads;
  }

 private:
  std::unique_ptr<Store> store_;
  Table table_;
};

// A store whose data lie in sorted files and whose cache is as full as it gets.
template <typename AnyStore>
absl::Status Prepare(const Settings& settings, const std::string& directory, AnyStore* store) {
  const Values values(static_cast<size_t>(settings.value_bytes));
  MOORING_RETURN_IF_ERROR(store->Open(directory));
  MOORING_RETURN_IF_ERROR(store->Load(settings.keys, values));
  MOORING_RETURN_IF_ERROR(store->Close());
  MOORING_RETURN_IF_ERROR(store->Open(directory));
  uint64_t index = 0;
  std::atomic<bool> stop{false};
  const auto every_key_once = [&] {
    const Key key(0, index);
    if (++index == static_cast<uint64_t>(settings.keys)) stop = true;
    return key;
  };
  return store->Read(every_key_once, stop).status();
}

template <typename AnyStore>
absl::StatusOr<double> ReadsPerSecond(const Settings& settings, int threads,
                                      const AnyStore& store) {
  std::atomic<bool> stop{false};
  std::vector<absl::StatusOr<uint64_t>> reads(static_cast<size_t>(threads), uint64_t{0});
  std::vector<std::thread> readers;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < threads; ++i) {
    readers.emplace_back([&, i] {
      uint64_t state = static_cast<uint64_t>(i);
      const uint64_t keys = static_cast<uint64_t>(settings.keys);
      const auto random_key = [&state, keys] {
        state = Scatter(state);
        return Key(0, state % keys);
      };
      reads[static_cast<size_t>(i)] = store.Read(random_key, stop);
    });
  }
  absl::SleepFor(absl::Seconds(settings.seconds));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  uint64_t total = 0;
  for (const absl::StatusOr<uint64_t>& count : reads) {
    if (!count.ok()) return count.status();
    total += *count;
  }
  return static_cast<double>(total) / elapsed.count();
}

struct ThreadsResult {
  int threads = 0;
  std::vector<double> rocksdb;  // Reads per second, by round.
  std::vector<double> mooring;
};

absl::StatusOr<std::vector<ThreadsResult>> RunRounds(const Settings& settings,
                                                     const Scratch& scratch) {
  RawStore rocksdb;
  MooringStore mooring;
  MOORING_ASSIGN_OR_RETURN(const std::string rocksdb_directory, scratch.FreshDirectory("rocksdb"));
  MOORING_RETURN_IF_ERROR(Prepare(settings, rocksdb_directory, &rocksdb));
  MOORING_ASSIGN_OR_RETURN(const std::string mooring_directory, scratch.FreshDirectory("mooring"));
  MOORING_RETURN_IF_ERROR(Prepare(settings, mooring_directory, &mooring));
  std::vector<ThreadsResult> results(settings.threads.size());
  for (int round = 0; round < settings.rounds; ++round) {
    for (size_t i = 0; i < results.size(); ++i) {
      ThreadsResult& result = results[i];
      result.threads = settings.threads[i];
      const auto measure_rocksdb = [&]() -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const double rate,
                                 ReadsPerSecond(settings, result.threads, rocksdb));
        result.rocksdb.push_back(rate);
        return absl::OkStatus();
      };
      // Each round begins with the other one.
      if (round % 2 == 0) MOORING_RETURN_IF_ERROR(measure_rocksdb());
      MOORING_ASSIGN_OR_RETURN(const double rate,
                               ReadsPerSecond(settings, result.threads, mooring));
      result.mooring.push_back(rate);
      if (round % 2 == 1) MOORING_RETURN_IF_ERROR(measure_rocksdb());
    }
  }
  MOORING_RETURN_IF_ERROR(rocksdb.Close());
  MOORING_RETURN_IF_ERROR(mooring.Close());
  return results;
}

absl::Status Report(const Settings& settings, const std::vector<ThreadsResult>& results) {
  TextTable table;
  table.AddRow({"threads", "rocksdb gets/s", "mooring gets/s", "mooring is x of it"});
  std::vector<JsonObject> rows;
  for (const ThreadsResult& result : results) {
    table.AddRow({absl::StrCat(result.threads), FormatNumber(Median(result.rocksdb)),
                  FormatNumber(Median(result.mooring)),
                  FormatNumber(MedianRatio(result.mooring, result.rocksdb))});
    rows.emplace_back();
    rows.back()
        .Set("threads", result.threads)
        .Set("rocksdb_gets_per_second", Median(result.rocksdb))
        .Set("mooring_gets_per_second", Median(result.mooring))
        .Set("ratio", MedianRatio(result.mooring, result.rocksdb))
        .Set("rocksdb_by_round", result.rocksdb)
        .Set("mooring_by_round", result.mooring);
  }
  printf("%d keys, %d-byte values, warm; medians of %d rounds of %s s\n\n%s", settings.keys,
         settings.value_bytes, settings.rounds, FormatNumber(settings.seconds).c_str(),
         table.ToString().c_str());
  JsonObject report;
  report.Set("benchmark", "read_bench")
      .Set("keys", settings.keys)
      .Set("value_bytes", settings.value_bytes)
      .Set("rounds", settings.rounds)
      .Set("results", rows);
  return WriteJson(report, settings.json);
}

}  // namespace

absl::Status Run(int argc, char** argv) {
  Settings settings;
  Flags flags("How fast is Table::Get() from a warm store, against RocksDB with equal options?");
  settings.AddTo(&flags);
  flags.Add("seconds", "seconds for each measurement (1)", &settings.seconds);
  flags.Add("keys", "keys in the store (1000000)", &settings.keys);
  flags.Add("value-bytes", "bytes of each value (100)", &settings.value_bytes);
  flags.Add("threads", "reader threads (1,2)", &settings.threads);
  MOORING_RETURN_IF_ERROR(flags.Parse(argc, argv));
  if (settings.quick) {
    settings.rounds = 1;
    settings.seconds = 0.05;
    settings.keys = 10'000;
  }
  MOORING_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(settings.volume));
  MOORING_ASSIGN_OR_RETURN(const std::vector<ThreadsResult> results, RunRounds(settings, scratch));
  return Report(settings, results);
}

}  // namespace mooring::bench
