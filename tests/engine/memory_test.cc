// What an engine takes of memory: how a budget is divided, and that it is kept under load.
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "src/engine/batch_operations.h"
#include "src/engine/memory_plan.h"
#include "src/engine/open.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::engine {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(MemoryPlanTest, TheDefaultIsAQuarterOfTheContainerWithinLimits) {
  EXPECT_EQ(DefaultMemoryBudget(0), 512 * kMiB);
  EXPECT_EQ(DefaultMemoryBudget(1024 * kMiB), 256 * kMiB);
  EXPECT_EQ(DefaultMemoryBudget(64 * kMiB), 32 * kMiB);
  EXPECT_EQ(DefaultMemoryBudget(int64_t{1} << 50), 4096 * kMiB);
}

TEST(MemoryPlanTest, EveryBudgetIsDividedWithoutARest) {
  for (int64_t budget = kLeastMemoryBudget; budget <= kMostMemoryBudget; budget = budget * 5 / 3) {
    const MemoryPlan plan = PlanMemory(budget, 2);
    EXPECT_EQ(plan.cache_bytes + plan.write_buffer_bytes + plan.beside_bytes, budget);
    EXPECT_GE(plan.cache_bytes, budget / 2) << budget;
    EXPECT_GE(plan.write_buffer_bytes, kMiB) << budget;
    EXPECT_LE(plan.write_buffer_bytes, 256 * kMiB) << budget;
    EXPECT_GE(plan.max_open_files, 64) << budget;
  }
}

TEST(MemoryPlanTest, JobsGrowWithProcessorsAsFarAsMemoryAllows) {
  EXPECT_EQ(PlanMemory(512 * kMiB, 2).background_jobs, 4);
  EXPECT_EQ(PlanMemory(512 * kMiB, 64).background_jobs, 8);
  EXPECT_EQ(PlanMemory(512 * kMiB, 0).background_jobs, 2);
  EXPECT_EQ(PlanMemory(32 * kMiB, 64).background_jobs, 2);
}

class MemoryTest : public ::testing::Test {
 protected:
  MemoryTest() {
    const MemoryPlan plan = PlanMemory(kBudget, 2);
    options_.directory = directory_.File("db");
    options_.store_id = "00112233445566778899aabbccddeeff";
    options_.create = true;
    options_.cache_bytes = plan.cache_bytes;
    options_.write_buffer_bytes = plan.write_buffer_bytes;
    options_.wal_file_bytes = 4 * kMiB;
    options_.max_wal_bytes = 16 * kMiB;
    std::filesystem::create_directory(options_.directory);
  }

  void Open() {
    ASSERT_OK_AND_ASSIGN(engine_, engine::Open(options_));
    options_.create = false;
  }

  // A key in random places and a value that does not shrink.
  void Write(const EngineTable& table, int records) {
    std::string operations;
    for (int i = 0; i < records; ++i) {
      std::string value(50, '\0');
      for (char& c : value) c = static_cast<char>(random_());
      AppendOperation({OperationKind::kPut, table.id(), Key(written_++), value}, &operations);
    }
    engine_->BeginGroup();
    ASSERT_OK(engine_->AddToGroup({operations, static_cast<uint32_t>(records), 0}));
    ASSERT_OK(engine_->WriteGroup(/*sync=*/false).status());
  }
  void Read(const EngineTable& table, int records) {
    for (int i = 0; i < records; ++i) {
      Value value;
      ASSERT_OK(engine_->Get(table, Key(random_() % written_), nullptr, &value));
    }
  }
  static std::string Key(uint64_t number) {
    return absl::StrCat(absl::Hex(number * 0x9e3779b97f4a7c15, absl::kZeroPad16));
  }
  void ExpectWithinBudget() {
    const MemoryUse use = engine_->memory_use();
    EXPECT_LE(use.cache_bytes, options_.cache_bytes + options_.write_buffer_bytes);
    // One flush may be under way while the next buffers fill.
    EXPECT_LE(use.write_buffer_bytes, 2 * options_.write_buffer_bytes);
    EXPECT_LE(use.open_file_bytes, options_.cache_bytes / 4) << "indexes and filters are blocks";
    most_.cache_bytes = std::max(most_.cache_bytes, use.cache_bytes);
    most_.write_buffer_bytes = std::max(most_.write_buffer_bytes, use.write_buffer_bytes);
  }

  static constexpr int64_t kBudget = 16 * kMiB;

  const testing::TempDirectory directory_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  std::mt19937_64 random_{7};
  uint64_t written_ = 0;
  MemoryUse most_;
};

TEST_F(MemoryTest, CacheAndWriteBuffersStayInTheBudgetUnderLoad) {
  ASSERT_NO_FATAL_FAILURE(Open());
  std::vector<TablePtr> tables;
  ASSERT_OK_AND_ASSIGN(tables.emplace_back(), engine_->CreateTable("a"));
  ASSERT_NO_FATAL_FAILURE(Write(*tables[0], 10000));
  const MemoryUse before_any_flush = engine_->memory_use();
  EXPECT_GT(before_any_flush.write_buffer_bytes, kMiB / 2);
  EXPECT_GE(before_any_flush.pinned_bytes, before_any_flush.write_buffer_bytes / 2);
  while (written_ < 500000) {  // About twice the budget.
    ASSERT_NO_FATAL_FAILURE(Write(*tables[0], 1000));
    ASSERT_NO_FATAL_FAILURE(Read(*tables[0], 20));
    ASSERT_NO_FATAL_FAILURE(ExpectWithinBudget());
  }
  EXPECT_GT(most_.cache_bytes, options_.cache_bytes / 2) << "the load must press on the cache";
  EXPECT_GT(most_.write_buffer_bytes, options_.write_buffer_bytes / 2);

  // A cache that has no room for all indexes and filters.
  tables.clear();
  ASSERT_OK(engine_->Close());
  options_.cache_bytes = 2 * kMiB;
  options_.write_buffer_bytes = kMiB / 4;
  ASSERT_NO_FATAL_FAILURE(Open());
  tables = engine_->Tables();
  for (int i = 0; i < 100; ++i) {
    ASSERT_NO_FATAL_FAILURE(Read(*tables[0], 100));
    ASSERT_NO_FATAL_FAILURE(ExpectWithinBudget());
  }
  ASSERT_OK(engine_->Close());
}

}  // namespace
}  // namespace mooring::engine
