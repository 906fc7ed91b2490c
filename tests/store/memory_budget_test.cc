#include "src/store/memory_budget.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace mooring::internal {
namespace {

using mooring::testing::StatusIs;
using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(MemoryBudgetTest, WhatIsNotNamedComesFromTheContainer) {
  ASSERT_OK_AND_ASSIGN(const engine::MemoryPlan plan, DivideMemory(Options(), 1024 * kMiB));
  EXPECT_EQ(plan.cache_bytes, 176 * kMiB);
  EXPECT_EQ(plan.write_buffer_bytes, 32 * kMiB);
  EXPECT_EQ(plan.beside_bytes, 48 * kMiB);
}

TEST(MemoryBudgetTest, ABudgetThatIsNamedGoesBeforeTheContainer) {
  Options options;
  options.memory_budget_bytes = 64 * kMiB;
  ASSERT_OK_AND_ASSIGN(const engine::MemoryPlan plan, DivideMemory(options, 1024 * kMiB));
  EXPECT_EQ(plan.cache_bytes, 32 * kMiB);
}

TEST(MemoryBudgetTest, APartThatIsNamedTakesFromTheOther) {
  Options options;
  options.memory_budget_bytes = 64 * kMiB;
  options.write_buffer_bytes = 16 * kMiB;
  ASSERT_OK_AND_ASSIGN(const engine::MemoryPlan plan, DivideMemory(options, 0));
  EXPECT_EQ(plan.write_buffer_bytes, 16 * kMiB);
  EXPECT_EQ(plan.cache_bytes, 24 * kMiB);
  options.write_buffer_bytes = 0;
  options.cache_bytes = 38 * kMiB;
  ASSERT_OK_AND_ASSIGN(const engine::MemoryPlan other, DivideMemory(options, 0));
  EXPECT_EQ(other.cache_bytes, 38 * kMiB);
  EXPECT_EQ(other.write_buffer_bytes, 2 * kMiB);
}

TEST(MemoryBudgetTest, PartsAloneAreTakenAsTheyAre) {
  Options options;
  options.cache_bytes = options.write_buffer_bytes = 1024 * kMiB;
  ASSERT_OK_AND_ASSIGN(const engine::MemoryPlan plan, DivideMemory(options, 256 * kMiB));
  EXPECT_EQ(plan.cache_bytes, 1024 * kMiB);
  EXPECT_EQ(plan.write_buffer_bytes, 1024 * kMiB);
}

TEST(MemoryBudgetTest, WhatDoesNotFitIsRefusedWithItsNumbers) {
  Options options;
  options.memory_budget_bytes = 15 * kMiB;
  EXPECT_THAT(DivideMemory(options, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("memory_budget_bytes is")));
  options.memory_budget_bytes = 64 * kMiB;
  options.cache_bytes = 60 * kMiB;
  EXPECT_THAT(DivideMemory(options, 0), StatusIs(absl::StatusCode::kInvalidArgument,
                                                 HasSubstr("more than 41943040, what memory")));
}

}  // namespace
}  // namespace mooring::internal
