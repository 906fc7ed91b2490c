#pragma once

#include <cstdint>

namespace mooring::engine {

inline constexpr int64_t kLeastMemoryBudget = int64_t{16} << 20;
inline constexpr int64_t kMostMemoryBudget = int64_t{1} << 40;

// How an engine spends the memory that it may take. rocksdb_options.cc says why.
struct MemoryPlan {
  int64_t cache_bytes = 0;         // For blocks of files, their indexes and filters.
  int64_t write_buffer_bytes = 0;  // For recent writes; what they do not take, blocks may.
  int64_t beside_bytes = 0;        // For what no cache counts.
  int max_open_files = 0;
  int background_jobs = 0;
};

// What an engine may take where nobody said: a part of what the container may (0: no limit).
int64_t DefaultMemoryBudget(int64_t container_limit);

MemoryPlan PlanMemory(int64_t budget_bytes, int processors);

}  // namespace mooring::engine
