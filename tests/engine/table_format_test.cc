#include "src/engine/table_format.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rocksdb/cache.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/table_properties.h"
#include "tests/testing/temp_directory.h"

namespace mooring::engine {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr int kRecords = 1'000'000;  // Some 1.5 MiB of filter and index.

class TableFormatTest : public ::testing::Test {
 protected:
  rocksdb::Options OptionsKeeping(size_t most_kept_bytes) {
    rocksdb::Options options;
    options.table_factory = NewTableFormat(cache_, most_kept_bytes);
    return options;
  }
  static std::string Key(int number) { return absl::StrCat(10'000'000 + number); }

  void Make(size_t most_kept_bytes) {
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), OptionsKeeping(most_kept_bytes));
    ASSERT_TRUE(writer.Open(path_).ok());
    for (int i = 0; i < kRecords; ++i) ASSERT_TRUE(writer.Put(Key(i), "v").ok());
    ASSERT_TRUE(writer.Finish().ok());
  }

  // What stays in use of the cache while the file is open and was read; whether it is in parts.
  void Read(size_t most_kept_bytes, size_t* in_use, bool* in_parts) {
    rocksdb::SstFileReader reader(OptionsKeeping(most_kept_bytes));
    ASSERT_TRUE(reader.Open(path_).ok());
    int records = 0;
    {
      const std::unique_ptr<rocksdb::Iterator> it(reader.NewIterator(rocksdb::ReadOptions()));
      for (it->SeekToFirst(); it->Valid(); it->Next()) ++records;
      ASSERT_TRUE(it->status().ok());
    }
    EXPECT_EQ(records, kRecords);
    *in_use = cache_->GetPinnedUsage();
    *in_parts = reader.GetTableProperties()->index_partitions > 0;
  }

  const testing::TempDirectory directory_;
  const std::string path_ = directory_.File("file.sst");
  const std::shared_ptr<rocksdb::Cache> cache_ = rocksdb::NewLRUCache(64 * kMiB, 0);
};

TEST_F(TableFormatTest, IndexAndFilterStayWhereThereIsRoom) {
  ASSERT_NO_FATAL_FAILURE(Make(32 * kMiB));
  size_t in_use = 0;
  bool in_parts = true;
  ASSERT_NO_FATAL_FAILURE(Read(32 * kMiB, &in_use, &in_parts));
  EXPECT_GT(in_use, kMiB);
  EXPECT_FALSE(in_parts);
}

TEST_F(TableFormatTest, IndexAndFilterComeAndGoInPartsWhereThereIsNone) {
  ASSERT_NO_FATAL_FAILURE(Make(0));
  size_t in_use = 0;
  bool in_parts = false;
  ASSERT_NO_FATAL_FAILURE(Read(0, &in_use, &in_parts));
  EXPECT_LT(in_use, kMiB);
  EXPECT_TRUE(in_parts);
}

TEST_F(TableFormatTest, EachReadsTheFilesOfTheOther) {
  size_t in_use = 0;
  bool in_parts = false;
  ASSERT_NO_FATAL_FAILURE(Make(0));
  ASSERT_NO_FATAL_FAILURE(Read(32 * kMiB, &in_use, &in_parts));
  EXPECT_GT(in_use, kMiB) << "parts stay as well";
  EXPECT_TRUE(in_parts);
  ASSERT_NO_FATAL_FAILURE(Make(32 * kMiB));
  ASSERT_NO_FATAL_FAILURE(Read(0, &in_use, &in_parts));
  EXPECT_LT(in_use, kMiB);
  EXPECT_FALSE(in_parts);
}

}  // namespace
}  // namespace mooring::engine
