// Records of RocksDB's own log writer, also across and at the ends of blocks.
#include "src/engine/log_records.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/transaction_log.h"
#include "rocksdb/write_batch.h"
#include "src/engine/commit_marker.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::engine {
namespace {

using mooring::testing::StatusIs;

struct Written {
  std::string log;
  std::vector<LogRecord> records;
};

// RocksDB's log of groups whose values have these sizes.
Written WriteLog(const std::vector<size_t>& sizes) {
  const mooring::testing::TempDirectory directory;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 64 << 20;
  rocksdb::DB* opened = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, directory.File("db"), &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  Written written;
  int64_t time = 1;
  for (const size_t size : sizes) {
    rocksdb::WriteBatch batch;
    char marker[kCommitMarkerBytes];
    EncodeCommitMarker({2, ++time}, marker);
    EXPECT_TRUE(batch.PutLogData({marker, sizeof(marker)}).ok());
    EXPECT_TRUE(batch.Put("k", std::string(size, 'v')).ok());
    EXPECT_TRUE(batch.Delete("other").ok());
    EXPECT_TRUE(db->Write({}, &batch).ok());
    std::unique_ptr<rocksdb::LogFile> wal;
    EXPECT_TRUE(db->GetCurrentWalFile(&wal).ok());
    const uint64_t last = db->GetLatestSequenceNumber();
    written.records.push_back({wal->SizeFileBytes(), last - 1, last, time});
    const std::string path = directory.File("db") + wal->PathName();
    EXPECT_TRUE(rocksdb::ReadFileToString(rocksdb::Env::Default(), path, &written.log).ok());
  }
  return written;
}

void ExpectSame(const std::vector<LogRecord>& found, const std::vector<LogRecord>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].end, expected[i].end) << i;
    EXPECT_EQ(found[i].first_sequence, expected[i].first_sequence) << i;
    EXPECT_EQ(found[i].last_sequence, expected[i].last_sequence) << i;
    EXPECT_EQ(found[i].time_us, expected[i].time_us) << i;
  }
}

TEST(LogRecordsTest, RecordsAcrossBlocksAreFound) {
  const Written written = WriteLog({1, 100, 40000, 5, 200000, 32000, 7, 70000});
  std::vector<LogRecord> records;
  ASSERT_OK(ReadLogRecords("log", 0, written.log, &records));
  ExpectSame(records, written.records);
}

TEST(LogRecordsTest, RecordsThatEndAnywhereNearABlocksEndAreFound) {
  // The first record ends in each of the last bytes of the block, and in the next ones.
  for (size_t size = 32768 - 80; size < 32768 - 20; ++size) {
    const Written written = WriteLog({size, 10, 10});
    std::vector<LogRecord> records;
    ASSERT_OK(ReadLogRecords("log", 0, written.log, &records));
    ExpectSame(records, written.records);
    // And from where it ended.
    std::vector<LogRecord> rest;
    const uint64_t begin = records[0].end;
    ASSERT_OK(ReadLogRecords("log", begin, std::string_view(written.log).substr(begin), &rest));
    ExpectSame(rest, {written.records[1], written.records[2]});
  }
}

TEST(LogRecordsTest, ARecordThatIsCutShortIsLeftOut) {
  const Written written = WriteLog({100, 40000});
  for (const uint64_t bytes : {written.log.size() - 1, written.records[0].end + 1}) {
    std::vector<LogRecord> records;
    ASSERT_OK(ReadLogRecords("log", 0, std::string_view(written.log).substr(0, bytes), &records));
    ExpectSame(records, {written.records[0]});
  }
}

TEST(LogRecordsTest, WhatIsNoLogIsDamage) {
  std::vector<LogRecord> records;
  Written written = WriteLog({100, 100});
  written.log[6] = 3;
  EXPECT_THAT(ReadLogRecords("log", 0, written.log, &records),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace mooring::engine
