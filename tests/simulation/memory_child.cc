// Loads a store, reads it at random, and says what that took: memory_child VOLUME MIB BUDGET_MIB.
// A budget of 0 leaves the choice to the store.

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"

namespace mooring::testing {
namespace {

constexpr uint64_t kValueBytes = 1000;
constexpr uint64_t kInOneCommit = 200;

// In random order, each number another key.
std::string Key(uint64_t number) {
  return absl::StrCat(absl::Hex(number * 0x9e3779b97f4a7c15, absl::kZeroPad16));
}

// Begins with its number, and does not compress.
std::string ValueOf(uint64_t number) {
  std::mt19937_64 random(number);
  std::string value = absl::StrCat(absl::Hex(number, absl::kZeroPad16));
  while (value.size() < kValueBytes) {
    const uint64_t bits = random();
    value.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
  }
  return value;
}

absl::Status Load(Store* store, Table table, uint64_t records) {
  CommitOptions options;
  options.durability = Durability::kProcess;
  WriteBatch batch;
  for (uint64_t i = 0; i < records; ++i) {
    batch.Put(table, Key(i), ValueOf(i));
    if ((i + 1) % kInOneCommit != 0 && i + 1 != records) continue;
    MOORING_RETURN_IF_ERROR(store->Commit(batch, options).status());
    batch.Clear();
  }
  return absl::OkStatus();
}

absl::Status ReadAtRandom(const Table& table, uint64_t records, uint64_t reads) {
  std::mt19937_64 random(7);
  for (uint64_t i = 0; i < reads; ++i) {
    const uint64_t number = random() % records;
    Value value;
    MOORING_RETURN_IF_ERROR(table.Get(Key(number), &value));
    if (value.view() != ValueOf(number)) return absl::DataLossError("another value was read");
  }
  return absl::OkStatus();
}

absl::Status Scan(const Table& table, uint64_t records) {
  uint64_t found = 0;
  Iterator it = table.Scan();
  for (; it.Valid(); it.Next()) ++found;
  MOORING_RETURN_IF_ERROR(it.status());
  if (found == records) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("a scan found ", found, " of ", records));
}

absl::Status Run(const std::string& volume, uint64_t mib, int64_t budget_mib) {
  Options options;
  options.volume = volume;
  options.allow_unsafe_volume = true;
  options.memory_budget_bytes = budget_mib << 20;
  const uint64_t records = (mib << 20) / kValueBytes;
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::Open(options));
  MOORING_ASSIGN_OR_RETURN(Table table, store->OpenTable("pairs"));
  const absl::Time begin = absl::Now();
  MOORING_RETURN_IF_ERROR(Load(store.get(), table, records));
  const absl::Time loaded = absl::Now();
  MOORING_RETURN_IF_ERROR(ReadAtRandom(table, records, records / 32));
  const absl::Time read = absl::Now();
  MOORING_RETURN_IF_ERROR(Scan(table, records));
  table = Table();
  MOORING_RETURN_IF_ERROR(store->Close(absl::Minutes(5)).status);
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  printf(
      "%llu records of %llu B, most memory %ld MiB; loaded in %s, %llu reads in %s, scan in %s\n",
      static_cast<unsigned long long>(records), static_cast<unsigned long long>(kValueBytes),
      usage.ru_maxrss / 1024, absl::FormatDuration(loaded - begin).c_str(),
      static_cast<unsigned long long>(records / 32), absl::FormatDuration(read - loaded).c_str(),
      absl::FormatDuration(absl::Now() - read).c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const absl::Status status =
      mooring::testing::Run(argv[1], strtoull(argv[2], nullptr, 10), atoll(argv[3]));
  if (!status.ok()) printf("%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
