#include "src/wal/continuity_filter.h"

#include <rocksdb/write_batch.h>

#include <string>

#include "tests/testing/status_matchers.h"

namespace mooring::wal {
namespace {

using mooring::testing::StatusIs;
using Option = rocksdb::WalFilter::WalProcessingOption;
using ::testing::HasSubstr;

// A batch as the log has it: its sequence number in the first eight bytes.
rocksdb::WriteBatch Batch(uint64_t sequence, int count) {
  rocksdb::WriteBatch batch;
  for (int i = 0; i < count; ++i) batch.Put("key", "value").PermitUncheckedError();
  batch.PutLogData("marker").PermitUncheckedError();
  std::string data = batch.Data();
  for (int i = 0; i < 8; ++i) {
    data[static_cast<size_t>(i)] = static_cast<char>(sequence >> (8 * i));
  }
  return rocksdb::WriteBatch(data);
}

class ContinuityFilterTest : public ::testing::Test {
 protected:
  Option Found(uint64_t sequence, int count) {
    rocksdb::WriteBatch changed;
    bool is_changed = false;
    return filter_.LogRecordFound(5, "/db/000005.log", Batch(sequence, count), &changed,
                                  &is_changed);
  }
  ContinuityFilter filter_{/*enabled=*/true, /*stop_at_unknown_tables=*/false};
};

// W5.
TEST_F(ContinuityFilterTest, RecordsThatFollowEachOtherPass) {
  for (const int count : {1, 3, 0, 0, 70}) {
    static uint64_t next = uint64_t{1} << 40;
    EXPECT_EQ(Found(next, count), Option::kContinueProcessing);
    next += static_cast<uint64_t>(count);
  }
  EXPECT_OK(filter_.status());
}

TEST_F(ContinuityFilterTest, GapAndRepetitionAreDataLoss) {
  for (const uint64_t wrong : {uint64_t{104}, uint64_t{102}, uint64_t{0}}) {
    filter_.ColumnFamilyLogNumberMap({}, {});
    EXPECT_EQ(Found(100, 3), Option::kContinueProcessing);
    EXPECT_EQ(Found(wrong, 1), Option::kCorruptedRecord);
    EXPECT_THAT(filter_.status(), StatusIs(absl::StatusCode::kDataLoss,
                                           HasSubstr("/db/000005.log: a record begins")));
  }
}

TEST_F(ContinuityFilterTest, EachReplayStartsAnew) {
  EXPECT_EQ(Found(100, 3), Option::kContinueProcessing);
  filter_.ColumnFamilyLogNumberMap({}, {});
  EXPECT_EQ(Found(7, 1), Option::kContinueProcessing);
  EXPECT_OK(filter_.status());
}

}  // namespace
}  // namespace mooring::wal
