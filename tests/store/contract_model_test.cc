#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/store/contract_fixture.h"
#include "tests/testing/seed.h"

namespace mooring {
namespace {

using namespace mooring::testing;  // NOLINT: the tests' vocabulary.

using Model = std::map<std::string, std::string>;

// Random operations on a store and on plain maps, which must agree at every read.
class ModelTest : public ContractTest {
 protected:
  static constexpr size_t kTables = 3;
  struct Moment {
    Snapshot snapshot;
    std::array<Model, kTables> models;
  };

  void OpenTables() {
    for (size_t t = 0; t < kTables; ++t) tables_[t] = Open(absl::StrCat("table", t));
  }

  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  bool OneIn(size_t n) { return Below(n) == 0; }
  // Few and short, of the bytes that ordering may trip over, so that operations meet.
  std::string RandomKey() {
    static constexpr char kBytes[] = {'\0', 'a', 'b', '\x7f', '\x80', '\xff'};
    std::string key(Below(5), '\0');
    for (char& byte : key) byte = kBytes[Below(sizeof(kBytes))];
    return key;
  }
  std::string RandomValue() {
    return std::string(OneIn(20) ? Below(20000) : Below(50), static_cast<char>('a' + Below(26)));
  }
  std::pair<std::string, std::string> RandomRange() {
    std::string a = RandomKey();
    std::string b = RandomKey();
    return std::minmax(std::move(a), std::move(b));
  }

  void AddOperation(WriteBatch* batch) {
    const size_t t = Below(kTables);
    Model& model = models_[t];
    const std::string key = RandomKey();
    switch (Below(8)) {
      case 0:
        batch->Delete(tables_[t], key);
        model.erase(key);
        return;
      case 1: {
        const auto [begin, end] = RandomRange();
        batch->DeleteRange(tables_[t], begin, end);
        model.erase(model.lower_bound(begin), model.lower_bound(end));
        return;
      }
      default:
        const std::string value = RandomValue();
        batch->Put(tables_[t], key, value);
        model[key] = value;
    }
  }

  void CommitSome() {
    WriteBatch batch;
    for (size_t left = 1 + Below(8); left > 0; --left) AddOperation(&batch);
    CommitOptions options = OneIn(20) ? CommitOptions() : kUnsynced;
    if (OneIn(4)) options.timeout = absl::Hours(1);
    ASSERT_OK_AND_ASSIGN(const Version version, store_->Commit(batch, options));
    EXPECT_EQ(version, store_->version());
  }

  void CheckGet(const Table& table, const Model& model, const Snapshot& snapshot) {
    const std::string key = RandomKey();
    const auto found = model.find(key);
    if (found == model.end()) {
      EXPECT_THAT(table.Get(key, snapshot), IsAbsent());
    } else {
      EXPECT_THAT(table.Get(key, snapshot), Holds(found->second));
    }
  }

  void CheckMultiGet(const Table& table, const Model& model, const Snapshot& snapshot) {
    std::vector<std::string> keys(Below(10));
    for (std::string& key : keys) key = RandomKey();
    const auto values =
        table.MultiGet(std::vector<std::string_view>(keys.begin(), keys.end()), snapshot);
    ASSERT_EQ(values.size(), keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto found = model.find(keys[i]);
      if (found == model.end()) {
        EXPECT_THAT(values[i], IsAbsent());
      } else {
        EXPECT_THAT(values[i], Holds(found->second));
      }
    }
  }

  void CheckScan(const Table& table, const Model& model, const Snapshot& snapshot) {
    ScanOptions options;
    options.snapshot = snapshot;
    options.reverse = OneIn(2);
    if (OneIn(3)) options.prefix = RandomKey();
    if (OneIn(2)) std::tie(options.begin, options.end) = RandomRange();
    if (OneIn(3)) options.limit = Below(10);
    std::vector<Entry> expected;
    for (const auto& [key, value] : model) {
      const bool within = key.compare(0, options.prefix.size(), options.prefix) == 0 &&
                          key >= options.begin && (options.end.empty() || key < options.end);
      if (within) expected.emplace_back(key, value);
    }
    if (options.reverse) std::reverse(expected.begin(), expected.end());
    if (expected.size() > options.limit) expected.resize(options.limit);
    EXPECT_EQ(Entries(table.Scan(options)), expected)
        << "prefix " << absl::CHexEscape(options.prefix) << " begin "
        << absl::CHexEscape(options.begin) << " end " << absl::CHexEscape(options.end) << " limit "
        << options.limit << (options.reverse ? " reverse" : "");
  }

  void CheckSome(const std::array<Model, kTables>& models, const Snapshot& snapshot) {
    const size_t t = Below(kTables);
    CheckGet(tables_[t], models[t], snapshot);
    CheckMultiGet(tables_[t], models[t], snapshot);
    CheckScan(tables_[t], models[t], snapshot);
  }

  std::mt19937_64 random_;
  std::array<Table, kTables> tables_;
  std::array<Model, kTables> models_;
};
MOORING_CONTRACT(ModelTest);

TEST_P(ModelTest, RandomOperationsAgreeWithAMap) {
  random_.seed(TestSeed());
  OpenTables();
  std::vector<Moment> moments;
  for (int step = 0; step < 4000 && !HasFailure(); ++step) {
    CommitSome();
    CheckSome(models_, {});
    if (OneIn(50)) moments.push_back({Take(), models_});
    if (!moments.empty()) {
      const Moment& moment = moments[Below(moments.size())];
      CheckSome(moment.models, moment.snapshot);
    }
    if (moments.size() > 5) moments.erase(moments.begin() + static_cast<ptrdiff_t>(Below(5)));
    if (OneIn(400)) {
      moments.clear();
      tables_ = {};
      Reopen();
      OpenTables();
    }
  }
}

}  // namespace
}  // namespace mooring
