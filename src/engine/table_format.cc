#include "src/engine/table_format.h"

#include <utility>

#include "rocksdb/filter_policy.h"

namespace mooring::engine {
namespace {

// Index and filter take a fiftieth of a file of 100-byte records, and more of smaller ones.
constexpr uint64_t kMetadataShare = 16;
// What a file that is begun may become.
constexpr uint64_t kFileBytes = uint64_t{64} << 20;

enum class Metadata { kStays, kComesAndGoes };

rocksdb::BlockBasedTableOptions MakeBlockOptions(const std::shared_ptr<rocksdb::Cache>& cache,
                                                 Metadata metadata) {
  const bool stays = metadata == Metadata::kStays;
  rocksdb::BlockBasedTableOptions blocks;
  blocks.block_cache = cache;
  // The newest format that the packaged release reads.
  blocks.format_version = 5;
  // One false read of a file in a hundred, for 10 bits of each key.
  blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // In the cache rather than beside it, where nothing would bound them.
  blocks.cache_index_and_filter_blocks = true;
  blocks.cache_index_and_filter_blocks_with_high_priority = true;
  const rocksdb::PinningTier tier =
      stays ? rocksdb::PinningTier::kAll : rocksdb::PinningTier::kNone;
  blocks.metadata_cache_options.unpartitioned_pinning = tier;
  blocks.metadata_cache_options.partition_pinning = tier;
  // Some bytes for each part, needed by every read of the file.
  blocks.metadata_cache_options.top_level_index_pinning = rocksdb::PinningTier::kAll;
  if (!stays) {
    blocks.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    blocks.partition_filters = true;
  }
  // What is held outside blocks counts as well.
  for (const rocksdb::CacheEntryRole role :
       {rocksdb::CacheEntryRole::kFilterConstruction,
        rocksdb::CacheEntryRole::kBlockBasedTableReader, rocksdb::CacheEntryRole::kFileMetadata}) {
    blocks.cache_usage_options.options_overrides[role].charged =
        rocksdb::CacheEntryRoleOptions::Decision::kEnabled;
  }
  return blocks;
}

// RocksDB's own format under its own name; a file made by either of the two is read by both.
class TableFormat : public rocksdb::TableFactory {
 public:
  TableFormat(std::shared_ptr<rocksdb::Cache> cache, size_t most_kept_bytes)
      : cache_(std::move(cache)),
        most_kept_bytes_(most_kept_bytes),
        staying_(rocksdb::NewBlockBasedTableFactory(MakeBlockOptions(cache_, Metadata::kStays))),
        moving_(
            rocksdb::NewBlockBasedTableFactory(MakeBlockOptions(cache_, Metadata::kComesAndGoes))) {
  }

  const char* Name() const override { return kBlockBasedTableName(); }
  const Customizable* Inner() const override { return staying_.get(); }
  bool IsDeleteRangeSupported() const override { return staying_->IsDeleteRangeSupported(); }

  using TableFactory::NewTableReader;
  rocksdb::Status NewTableReader(const rocksdb::ReadOptions& read,
                                 const rocksdb::TableReaderOptions& options,
                                 std::unique_ptr<rocksdb::RandomAccessFileReader>&& file,
                                 uint64_t file_size, std::unique_ptr<rocksdb::TableReader>* reader,
                                 bool prefetch) const override {
    return For(file_size).NewTableReader(read, options, std::move(file), file_size, reader,
                                         prefetch);
  }
  rocksdb::TableBuilder* NewTableBuilder(const rocksdb::TableBuilderOptions& options,
                                         rocksdb::WritableFileWriter* file) const override {
    return For(kFileBytes).NewTableBuilder(options, file);
  }

 private:
  const rocksdb::TableFactory& For(uint64_t file_bytes) const {
    return cache_->GetPinnedUsage() + file_bytes / kMetadataShare < most_kept_bytes_ ? *staying_
                                                                                     : *moving_;
  }

  const std::shared_ptr<rocksdb::Cache> cache_;
  const size_t most_kept_bytes_;
  const std::unique_ptr<rocksdb::TableFactory> staying_;
  const std::unique_ptr<rocksdb::TableFactory> moving_;
};

}  // namespace

std::shared_ptr<rocksdb::TableFactory> NewTableFormat(std::shared_ptr<rocksdb::Cache> cache,
                                                      size_t most_kept_bytes) {
  return std::make_shared<TableFormat>(std::move(cache), most_kept_bytes);
}

}  // namespace mooring::engine
