#include "bench/snapshot/copier.h"

#include "absl/strings/str_format.h"
#include "bench/archive/load.h"
#include "bench/workload.h"

namespace mooring::bench {

CopyRecords::CopyRecords(int64_t mebibytes)
    : count_((static_cast<uint64_t>(mebibytes) << 20) / (16 + kValueBytes)) {}

std::string CopyRecords::Key(uint64_t index) { return absl::StrFormat("%016x", Scatter(index)); }

void CopyRecords::FillValue(uint64_t index, std::string* value) {
  value->resize(kValueBytes);
  FillIncompressibly(Scatter(index), value);
}

std::vector<std::unique_ptr<Copier>> MakeCopiers() {
  std::vector<std::unique_ptr<Copier>> copiers;
  copiers.push_back(MakeRocksDbCopier());
#ifdef MOORING_BENCH_SQLITE
  copiers.push_back(MakeSqliteCopier());
#endif
#ifdef MOORING_BENCH_LMDB
  copiers.push_back(MakeLmdbCopier());
#endif
  return copiers;
}

}  // namespace mooring::bench
