#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mooring/store.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {

// Something that keeps the promises of include/mooring: a later engine is one more of these.
struct Implementation {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<Store>>(const Options&)> open;
};

// NOLINTNEXTLINE: found by GoogleTest under this name.
inline void PrintTo(const Implementation& implementation, std::ostream* out) {
  *out << implementation.name;
}

inline std::vector<Implementation> Implementations() {
  return {{"RocksDb", [](const Options& options) { return Store::Open(options); }}};
}

// A store as small as it can be, so that tests meet rotation, flushes and eviction.
inline Options SmallOptions(std::string volume) {
  Options options;
  options.volume = std::move(volume);
  options.allow_unsafe_volume = true;  // The disk of a test may be a container's own.
  options.cache_bytes = int64_t{1} << 20;
  options.write_buffer_bytes = int64_t{1} << 20;
  options.wal_file_bytes = int64_t{1} << 20;
  options.max_wal_bytes = int64_t{2} << 20;
  return options;
}

inline const CommitOptions kUnsynced{Durability::kProcess, absl::InfiniteDuration()};

using Entry = std::pair<std::string, std::string>;

inline ScanOptions AsOf(Snapshot snapshot) {
  ScanOptions options;
  options.snapshot = std::move(snapshot);
  return options;
}

// What is left of a scan, which must end well.
inline std::vector<Entry> Entries(Iterator iterator) {
  std::vector<Entry> entries;
  for (; iterator.Valid(); iterator.Next()) {
    entries.emplace_back(iterator.key(), iterator.value());
  }
  EXPECT_OK(iterator.status());
  return entries;
}

inline std::vector<std::string> Keys(Iterator iterator) {
  std::vector<std::string> keys;
  for (Entry& entry : Entries(std::move(iterator))) keys.push_back(std::move(entry.first));
  return keys;
}

// The answer of a read: "is OK and holds `value`", and "there is no such key".
MATCHER_P(Holds, value, "") {
  *result_listener << arg.status().ToString();
  if (arg.ok()) *result_listener << " " << ::testing::PrintToString(arg->view().substr(0, 100));
  return arg.ok() && arg->view() == std::string_view(value);
}
MATCHER(IsAbsent, "") {
  *result_listener << arg.status().ToString();
  return arg.status().code() == absl::StatusCode::kNotFound && arg.status().message().empty();
}

// An open store, with a table "t" in it.
class ContractTest : public ::testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override {
    options_ = SmallOptions(directory_.path());
    Reopen();
  }

  // Closes, and opens again. Nothing that reads the store may be alive.
  void Reopen() {
    if (store_ != nullptr) {
      const CloseReport report = store_->Close(absl::Minutes(2));
      ASSERT_OK(report.status);
      ASSERT_TRUE(report.released);
    }
    table_ = Table();
    store_.reset();
    ASSERT_OK_AND_ASSIGN(store_, GetParam().open(options_));
    table_ = Open("t");
  }

  Table Open(std::string_view name) {
    absl::StatusOr<Table> table = store_->OpenTable(name);
    EXPECT_OK(table);
    return table.ok() ? *std::move(table) : Table();
  }
  std::vector<std::string> TableNames() {
    absl::StatusOr<std::vector<std::string>> names = store_->ListTables();
    EXPECT_OK(names);
    return names.ok() ? *std::move(names) : std::vector<std::string>();
  }
  Snapshot Take() {
    absl::StatusOr<Snapshot> snapshot = store_->TakeSnapshot();
    EXPECT_OK(snapshot);
    return snapshot.ok() ? *std::move(snapshot) : Snapshot();
  }

  HangGuard guard_;
  TempDirectory directory_;
  Options options_;
  std::unique_ptr<Store> store_;
  Table table_;
};

}  // namespace mooring::testing

// Runs `suite`, a class made from ContractTest, against every implementation.
#define MOORING_CONTRACT(suite)                                                          \
  INSTANTIATE_TEST_SUITE_P(                                                              \
      Contract, suite, ::testing::ValuesIn(::mooring::testing::Implementations()),       \
      [](const ::testing::TestParamInfo<::mooring::testing::Implementation>& instance) { \
        return instance.param.name;                                                      \
      })
