#include "src/archive/volume_record.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "tests/archive/entries.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::HasSubstr;

class VolumeRecordTest : public ::testing::Test {
 protected:
  absl::StatusOr<VolumeRecord> Read() { return ReadVolumeRecord(path_, Id(0x57)); }

  mooring::testing::TempDirectory directory_;
  const std::string path_ = directory_.File("HISTORY");
};

TEST_F(VolumeRecordTest, AMissingOneIsEmpty) {
  ASSERT_OK_AND_ASSIGN(const VolumeRecord record, Read());
  EXPECT_TRUE(record.history.empty());
  EXPECT_EQ(record.archive_id, "");
  EXPECT_FALSE(record.restoring);
}

TEST_F(VolumeRecordTest, WhatIsWrittenIsRead) {
  VolumeRecord record;
  record.history = MakeHistory({{1, 1}, {2, 5}, {3, 1u << 31}});
  record.archive_id = Id(0xa);
  record.archive_had_state = true;
  record.restoring = true;
  ASSERT_OK(WriteVolumeRecord(path_, Id(0x57), record));
  ASSERT_OK_AND_ASSIGN(const VolumeRecord read, Read());
  EXPECT_EQ(read.history, record.history);
  EXPECT_EQ(read.history.entries()[1].epoch, 2u);
  EXPECT_EQ(read.archive_id, Id(0xa));
  EXPECT_TRUE(read.archive_had_state);
  EXPECT_TRUE(read.restoring);
  ASSERT_OK(WriteVolumeRecord(path_, Id(0x57), VolumeRecord()));
  ASSERT_OK_AND_ASSIGN(const VolumeRecord empty, Read());
  EXPECT_TRUE(empty.history.empty());
  EXPECT_FALSE(empty.archive_had_state);
}

TEST_F(VolumeRecordTest, EveryDamagedByteIsDataLossByName) {
  VolumeRecord record;
  record.history = MakeHistory({{1, 1}, {2, 5}});
  ASSERT_OK(WriteVolumeRecord(path_, Id(0x57), record));
  ASSERT_OK_AND_ASSIGN(const std::string whole, ReadFile(path_));
  for (size_t i = 0; i <= whole.size(); ++i) {
    std::string data = whole.substr(0, i);  // Cut, or with one bit turned.
    if (i % 2 == 0 && i < whole.size()) {
      data = whole;
      data[i] = static_cast<char>(data[i] ^ 1);
    }
    if (data == whole) continue;
    ASSERT_OK(WriteFileDurably(path_, data));
    EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_))) << i;
  }
}

TEST_F(VolumeRecordTest, ANewerFormatAndAnotherStoreAreRefusedByName) {
  ASSERT_OK(WriteVolumeRecord(path_, Id(0x58), VolumeRecord()));
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(Id(0x58))));
  const std::string body =
      "mooring history: do not change, move or remove this file\nformat 2\nwho knows\n";
  ASSERT_OK(WriteFileDurably(path_, body + absl::StrFormat("crc32c %08x\n", Crc32c(body))));
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format 2")));
}

}  // namespace
}  // namespace mooring::archive
