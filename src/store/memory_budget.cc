#include "src/store/memory_budget.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/memory_limit.h"

namespace mooring::internal {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

absl::Status CheckPart(absl::string_view name, int64_t value, int64_t most) {
  if (value == 0 || (value >= kMiB && value <= most)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("option ", name, " is ", value,
                                                 "; it must be from ", kMiB, " to ", most,
                                                 ", or 0: chosen from memory_budget_bytes"));
}

absl::Status CheckBudget(int64_t budget) {
  if (budget == 0 || (budget >= engine::kLeastMemoryBudget && budget <= engine::kMostMemoryBudget))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "option memory_budget_bytes is ", budget, "; it must be from ", engine::kLeastMemoryBudget,
      " to ", engine::kMostMemoryBudget, ", or 0: a quarter of the container's limit"));
}

}  // namespace

absl::StatusOr<engine::MemoryPlan> DivideMemory(const Options& options, int64_t container_limit) {
  const int64_t given = options.memory_budget_bytes;
  MOORING_RETURN_IF_ERROR(CheckBudget(given));
  MOORING_RETURN_IF_ERROR(CheckPart("cache_bytes", options.cache_bytes, kMiB << 20));
  MOORING_RETURN_IF_ERROR(CheckPart("write_buffer_bytes", options.write_buffer_bytes, 4096 * kMiB));
  const int64_t budget = given > 0 ? given : engine::DefaultMemoryBudget(container_limit);
  engine::MemoryPlan plan =
      engine::PlanMemory(budget, static_cast<int>(std::thread::hardware_concurrency()));
  const int64_t counted = plan.cache_bytes + plan.write_buffer_bytes;
  // A part that is named takes from the other one, which keeps at least 1 MiB.
  if (options.cache_bytes > 0) {
    plan.cache_bytes = options.cache_bytes;
    plan.write_buffer_bytes = std::clamp(counted - plan.cache_bytes, kMiB, plan.write_buffer_bytes);
  }
  if (options.write_buffer_bytes > 0) {
    plan.write_buffer_bytes = options.write_buffer_bytes;
    if (options.cache_bytes == 0) {
      plan.cache_bytes = std::max(counted - plan.write_buffer_bytes, kMiB);
    }
  }
  if (given > 0 && plan.cache_bytes + plan.write_buffer_bytes > counted) {
    return absl::InvalidArgumentError(
        absl::StrCat("options cache_bytes (", plan.cache_bytes, ") and write_buffer_bytes (",
                     plan.write_buffer_bytes, ") are together more than ", counted,
                     ", what memory_budget_bytes (", given,
                     ") has for them; name the budget alone, or raise it"));
  }
  return plan;
}

absl::StatusOr<engine::MemoryPlan> DivideMemory(const Options& options) {
  return DivideMemory(options, ContainerMemoryLimit());
}

}  // namespace mooring::internal
