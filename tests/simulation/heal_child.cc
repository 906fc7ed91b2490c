// heal_child fill VOLUME ARCHIVE SEED      makes a store with several lives in it, all of it
// archived.
//   Says "filled DIGEST", waits for a line, closes, and says "closed".
// heal_child read VOLUME ARCHIVE [accept]  opens, reads everything, and commits once. Says one
// line:
//   "same DIGEST REPAIRED" of what it read, or "refused WHY". With `accept` a loss is accepted.

#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/base/crc32c.h"
#include "src/base/steady_clock.h"

namespace mooring {
namespace {

constexpr int kTables = 3;
constexpr int kLives = 3;
constexpr int kCommits = 60;  // Of a life.
const CommitOptions kArchived{Durability::kArchive, absl::Seconds(60)};

Options OptionsFor(const char* volume, const char* archive) {
  Options options;
  options.volume = volume;
  options.allow_unsafe_volume = true;
  options.cache_bytes = options.write_buffer_bytes = options.wal_file_bytes = int64_t{1} << 20;
  options.max_wal_bytes = int64_t{2} << 20;
  options.acquire_timeout = absl::Seconds(10);
  options.scrub_bytes_per_second = 0;  // What a read meets is looked at all the same.
  options.archive.url = absl::StrCat("file://", archive);
  options.archive.ship_interval = absl::Milliseconds(10);
  options.archive.takeover_wait = absl::Milliseconds(20);
  return options;
}

absl::StatusOr<std::vector<Table>> Tables(Store& store) {
  std::vector<Table> tables;
  for (int i = 0; i < kTables; ++i) {
    MOORING_ASSIGN_OR_RETURN(Table table, store.OpenTable(absl::StrCat("t", i)));
    tables.push_back(std::move(table));
  }
  return tables;
}

// Of every key and value, in order.
absl::StatusOr<uint32_t> Digest(Store& store) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<Table> tables, Tables(store));
  uint32_t digest = 0;
  for (const Table& table : tables) {
    Iterator entries = table.Scan();
    for (; entries.Valid(); entries.Next()) {
      digest = ExtendCrc32c(digest, absl::StrCat(entries.key().size(), entries.value().size()));
      digest = ExtendCrc32c(digest, entries.key());
      digest = ExtendCrc32c(digest, entries.value());
    }
    MOORING_RETURN_IF_ERROR(entries.status());
  }
  return digest;
}

absl::Status Write(Store& store, std::mt19937_64& random) {
  MOORING_ASSIGN_OR_RETURN(std::vector<Table> tables, Tables(store));
  for (int i = 0; i < kCommits; ++i) {
    Table& table = tables[random() % kTables];
    const std::string key = absl::StrCat("key", random() % 100);
    const CommitOptions options = i % 10 == 9 ? kArchived : CommitOptions();
    if (random() % 5 == 0) {
      MOORING_RETURN_IF_ERROR(table.Delete(key, options).status());
      continue;
    }
    std::string value(random() % 12000, '\0');
    for (char& c : value) c = static_cast<char>(random());
    MOORING_RETURN_IF_ERROR(table.Put(key, value, options).status());
  }
  return absl::OkStatus();
}

absl::Status Fill(const char* volume, const char* archive, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::unique_ptr<Store> store;
  for (int life = 0; life < kLives; ++life) {
    if (store != nullptr) MOORING_RETURN_IF_ERROR(store->Close(absl::Minutes(1)).status);
    store.reset();
    MOORING_ASSIGN_OR_RETURN(store, Store::Open(OptionsFor(volume, archive)));
    MOORING_RETURN_IF_ERROR(Write(*store, random));
  }
  MOORING_RETURN_IF_ERROR(store->WaitArchived(store->version(), absl::Minutes(1)));
  MOORING_ASSIGN_OR_RETURN(const uint32_t digest, Digest(*store));
  std::cout << "filled " << digest << std::endl;
  std::string line;
  std::getline(std::cin, line);
  MOORING_RETURN_IF_ERROR(store->Close(absl::Minutes(1)).status);
  std::cout << "closed" << std::endl;
  return absl::OkStatus();
}

// Reads until what is damaged was repaired or is said to be beyond that.
absl::StatusOr<uint32_t> ReadWithHealing(Store& store) {
  const Deadline deadline(absl::Seconds(60));
  while (true) {
    const absl::StatusOr<uint32_t> digest = Digest(store);
    if (!absl::IsDataLoss(digest.status()) || deadline.Passed()) return digest;
    const absl::Status damage = store.health().scrub.damage;
    if (!damage.ok()) return damage;
    absl::SleepFor(absl::Milliseconds(2));
  }
}

// A compaction may have met the damage before the read did: then the store takes no writes until it
// is reopened, which is of use once the file was repaired.
bool IsToBeReopened(const Store& store) {
  const Deadline deadline(absl::Seconds(60));
  while (!deadline.Passed()) {
    const Health health = store.health();
    if (health.state != Health::State::kReadOnly || !health.scrub.damage.ok()) return false;
    if (health.scrub.files_repaired > 0) return true;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return false;
}

absl::Status WriteOne(Store& store) {
  MOORING_ASSIGN_OR_RETURN(Table table, store.OpenTable("more"));
  return table.Put("key", "value", kArchived).status();
}

absl::Status Read(const char* volume, const char* archive, bool accept) {
  Options options = OptionsFor(volume, archive);
  options.archive.accept_loss = accept;
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::Open(options));
  MOORING_ASSIGN_OR_RETURN(const uint32_t digest, ReadWithHealing(*store));
  const absl::Status written = WriteOne(*store);
  if (!written.ok() && IsToBeReopened(*store)) {
    // Not long: nothing more can be archived by it.
    if (!store->Close(absl::Seconds(3)).released) return written;
    store.reset();
    return Read(volume, archive, accept);
  }
  if (!written.ok()) {
    const absl::Status damage = store->health().scrub.damage;
    return damage.ok() ? written : damage;
  }
  std::cout << "same " << digest << " " << store->health().scrub.files_repaired << std::endl;
  return absl::OkStatus();
}

}  // namespace
}  // namespace mooring

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string_view command = argv[1];
  const bool accept = argc > 4 && std::string_view(argv[4]) == "accept";
  const absl::Status status = command == "fill"
                                  ? mooring::Fill(argv[2], argv[3], std::stoull(argv[4]))
                                  : mooring::Read(argv[2], argv[3], accept);
  if (!status.ok()) {
    std::cout << "refused " << absl::StrReplaceAll(status.ToString(), {{"\n", " "}}) << std::endl;
  }
  std::fflush(stdout);
  std::_Exit(0);
}
