#include "src/wal/format.h"

#include <cctype>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "src/base/crc32c.h"
#include "src/base/posix_file.h"
#include "src/wal/io.h"
#include "src/wal/log_dump.h"
#include "tests/testing/fault_file_system.h"
#include "tests/testing/status_matchers.h"

namespace mooring::wal {
namespace {

using mooring::testing::FaultFileSystem;
using mooring::testing::StatusIs;
using ::testing::HasSubstr;

StoreId TestId() { return ParseStoreId("00112233445566778899aabbccddeeff").value(); }

// The worked example of FORMAT.md.
LogHeader ExampleHeader() {
  LogHeader header;
  header.log = 12;
  header.generation = 0x1122334455667788;
  header.capacity = 65536;
  header.incarnation = 3;
  header.predecessor = {9, 0x99aabbccddeeff00, 4711};
  header.store_id = TestId();
  return header;
}

FrameHeader ExampleFrame() {
  FrameHeader frame;
  frame.generation = 0x1122334455667788;
  frame.log = 12;
  frame.logical_offset = 0;
  frame.physical_offset = 4096;
  frame.payload_bytes = 5;
  frame.payload_crc = Crc32c("hello");
  frame.durable = {9, 0x99aabbccddeeff00, 4711};
  return frame;
}

Inventory ExampleInventory() {
  Inventory inventory;
  inventory.sequence = 7;
  inventory.incarnation = 3;
  inventory.store_id = TestId();
  inventory.logs = {{9, 0x99aabbccddeeff00, 65536, 3, 4711, true},
                    {12, 0x1122334455667788, 65536, 3, 0, false, kReachUnit}};
  return inventory;
}

// Rows of 16 bytes, rows of zeros left out.
std::string HexDump(std::string_view bytes, size_t offset) {
  std::string text;
  for (size_t row = 0; row < bytes.size(); row += 16) {
    const std::string_view part = bytes.substr(row, 16);
    if (part.find_first_not_of('\0') == std::string_view::npos) continue;
    text += absl::StrFormat("%06x ", offset + row);
    for (const char c : part) text += absl::StrFormat(" %02x", static_cast<uint8_t>(c));
    text += "\n";
  }
  return text;
}

std::string ExampleInBytes() {
  std::string header(kHeaderBytes, '\0');
  EncodeLogHeader(ExampleHeader(), header.data());
  std::string frame(FrameBytes(kFrameHeaderBytes, 5), '\0');
  EncodeFrameHeader(ExampleFrame(), frame.data());
  frame.replace(kFrameHeaderBytes, 5, "hello");
  return "000012.log\n" + HexDump(header, 0) + HexDump(frame, kHeaderBytes) + "\nMOORING-LOGS\n" +
         HexDump(EncodeInventory(ExampleInventory()).value(), kInventorySlotBytes);
}

// The bytes of version 1 never change: FORMAT.md shows them.
TEST(FormatTest, WorkedExampleStandsInTheFormatPage) {
  ASSERT_OK_AND_ASSIGN(const std::string page, ReadFile(MOORING_SOURCE_DIR "/src/wal/FORMAT.md"));
  EXPECT_NE(page.find(ExampleInBytes()), std::string::npos) << ExampleInBytes();
}

TEST(FormatTest, LogHeaderIsReadBack) {
  std::string block(kHeaderBytes, 'x');
  for (const bool first : {false, true}) {
    LogHeader header = ExampleHeader();
    header.first = first;
    EncodeLogHeader(header, block.data());
    LogHeader read;
    ASSERT_EQ(DecodeLogHeader(block, &read), Decoded::kOk);
    EXPECT_TRUE(read == header);
  }
}

TEST(FormatTest, FrameHeaderIsReadBack) {
  std::string bytes(kFrameHeaderBytes, 'x');
  EncodeFrameHeader(ExampleFrame(), bytes.data());
  FrameHeader read;
  ASSERT_EQ(DecodeFrameHeader(bytes, &read), Decoded::kOk);
  EXPECT_TRUE(read == ExampleFrame());
}

TEST(FormatTest, InventoryIsReadBack) {
  for (const size_t logs : {size_t{0}, size_t{1}, size_t{200}, kInventoryMaxLogs}) {
    Inventory inventory = ExampleInventory();
    inventory.logs.resize(logs);
    for (size_t i = 0; i < logs; ++i) inventory.logs[i].log = i + 1;
    ASSERT_OK_AND_ASSIGN(std::string slot, EncodeInventory(inventory));
    EXPECT_EQ(slot.size() % kBlockBytes, 0u);
    slot.resize(kInventorySlotBytes, 'o');  // what an older, longer one left
    Inventory read;
    ASSERT_EQ(DecodeInventory(slot, &read), Decoded::kOk);
    EXPECT_EQ(read.sequence, inventory.sequence);
    EXPECT_EQ(read.incarnation, inventory.incarnation);
    EXPECT_EQ(read.store_id, inventory.store_id);
    EXPECT_TRUE(read.logs == inventory.logs);
  }
  Inventory large;
  large.logs.resize(kInventoryMaxLogs + 1);
  EXPECT_THAT(EncodeInventory(large), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(FormatTest, EveryFlippedBitIsNoticed) {
  std::string block(kHeaderBytes, '\0');
  EncodeLogHeader(ExampleHeader(), block.data());
  std::string frame(kFrameHeaderBytes, '\0');
  EncodeFrameHeader(ExampleFrame(), frame.data());
  std::string slot = EncodeInventory(ExampleInventory()).value();
  LogHeader header;
  FrameHeader frame_header;
  Inventory inventory;
  for (size_t bit = 0; bit < 8 * kBlockBytes; ++bit) {
    const auto flipped = [bit](std::string bytes) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      return bytes;
    };
    ASSERT_EQ(DecodeLogHeader(flipped(block), &header), Decoded::kDamaged) << bit;
    ASSERT_EQ(DecodeInventory(flipped(slot), &inventory), Decoded::kDamaged) << bit;
    if (bit >= 8 * kFrameHeaderBytes) continue;
    ASSERT_EQ(DecodeFrameHeader(flipped(frame), &frame_header), Decoded::kDamaged) << bit;
  }
}

TEST(FormatTest, NewerVersionIsNotTakenForDamage) {
  std::string block(kHeaderBytes, '\0');
  EncodeLogHeader(ExampleHeader(), block.data());
  block[8] = 2;
  const uint32_t crc = ExtendCrc32c(Crc32c(std::string_view(block).substr(0, 12)),
                                    std::string_view(block).substr(16));
  for (int i = 0; i < 4; ++i) block[12 + i] = static_cast<char>(crc >> (8 * i));
  LogHeader header;
  EXPECT_EQ(DecodeLogHeader(block, &header), Decoded::kNewer);

  auto files = FaultFileSystem::Create();
  ASSERT_OK(WriteZeros(files.get(), "/000012.log", 65536));
  ASSERT_OK_AND_ASSIGN(auto file, OpenForWriting(files.get(), "/000012.log"));
  ASSERT_TRUE(file->Write(0, block, rocksdb::IOOptions(), nullptr).ok());
  EXPECT_THAT(DumpLog(files.get(), "/000012.log").status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("newer")));
}

TEST(FormatTest, StoreIdIsThirtyTwoHexadecimalDigits) {
  EXPECT_EQ(StoreIdToString(TestId()), "00112233445566778899aabbccddeeff");
  for (const char* bad :
       {"", "00", "00112233445566778899aabbccddeefg", "00112233445566778899AABBCCDDEEFF",
        "00112233445566778899aabbccddeeff0"}) {
    EXPECT_THAT(ParseStoreId(bad), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(FormatTest, LogsAreToldByTheirNames) {
  EXPECT_EQ(LogNumberOfName("000012.log"), 12u);
  EXPECT_EQ(LogNumberOfName("1234567.log"), 1234567u);
  for (const char* other : {".log", "12.sst", "12.log.trash", "x12.log", "LOG", "MOORING-LOGS",
                            "99999999999999999999999.log", "-1.log"}) {
    EXPECT_EQ(LogNumberOfName(other), 0u) << other;
  }
  EXPECT_EQ(LogName(12), "000012.log");
}

// The scan and the dump of one file, damaged in each place.
class LogScanTest : public ::testing::Test {
 protected:
  static constexpr int kFrames = 40;

  LogScanTest() {
    std::string file(65536, '\0');
    LogHeader header = ExampleHeader();
    EncodeLogHeader(header, file.data());
    uint64_t logical = 0;
    uint64_t physical = kHeaderBytes;
    for (int i = 0; i < kFrames; ++i) {
      const std::string payload(static_cast<size_t>(i * 37), static_cast<char>('a' + i % 26));
      FrameHeader frame = ExampleFrame();
      frame.logical_offset = logical;
      frame.physical_offset = physical;
      frame.payload_bytes = static_cast<uint32_t>(payload.size());
      frame.payload_crc = Crc32c(payload);
      frame.durable = {12, header.generation, i == 0 ? 0 : starts_.back()};
      EncodeFrameHeader(frame, file.data() + physical);
      file.replace(physical + kFrameHeaderBytes, payload.size(), payload);
      starts_.push_back(logical);
      offsets_.push_back(physical);
      logical += payload.size();
      physical += FrameBytes(kFrameHeaderBytes, payload.size());
      data_ += payload;
    }
    end_ = physical;
    EXPECT_LE(end_, file.size());
    EXPECT_EQ(files_->disk().Open("/000012.log", {true, true}, &handle_), 0);
    EXPECT_EQ(handle_->Write(0, file), 0);
  }

  absl::StatusOr<LogScan> Scan(const ScanOptions& given = {}) {
    ScanOptions options = given;
    options.store_id = TestId();
    return ScanLog(files_.get(), "/000012.log", 12, options);
  }

  std::shared_ptr<FaultFileSystem> files_ = FaultFileSystem::Create();
  mooring::testing::FaultDisk::FilePtr handle_;
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t> starts_;
  std::string data_;
  uint64_t end_ = 0;
};

TEST_F(LogScanTest, WholeFileIsReadBack) {
  ASSERT_OK_AND_ASSIGN(const LogScan scan, Scan());
  EXPECT_TRUE(scan.header_valid && scan.header == ExampleHeader());
  EXPECT_EQ(scan.data, data_);
  EXPECT_EQ(scan.physical_end, end_);
  EXPECT_EQ(scan.frames_past_end, 0u);
  EXPECT_EQ(scan.claim.offset, starts_[kFrames - 2]);
}

// W2, W3. Whatever byte is damaged, the prefix ends before it, and what follows is still seen.
TEST_F(LogScanTest, PrefixEndsBeforeAnyDamagedByte) {
  for (uint64_t at = kHeaderBytes; at < end_; at += 61) {
    int frame = kFrames - 1;
    while (offsets_[static_cast<size_t>(frame)] > at) --frame;
    const size_t f = static_cast<size_t>(frame);
    const uint64_t payload = (f + 1 < starts_.size() ? starts_[f + 1] : data_.size()) - starts_[f];
    if (at >= offsets_[f] + kFrameHeaderBytes + payload) continue;  // padding
    ASSERT_EQ(files_->disk().FlipBits("/000012.log", at, 1), 0);
    ASSERT_OK_AND_ASSIGN(const LogScan scan, Scan());
    EXPECT_EQ(scan.length, starts_[f]) << at;
    EXPECT_EQ(scan.data, data_.substr(0, starts_[f])) << at;
    EXPECT_EQ(scan.physical_end, offsets_[f]) << at;
    const bool header_hit = at < offsets_[f] + kFrameHeaderBytes;
    EXPECT_EQ(scan.frames_past_end, static_cast<uint64_t>(kFrames - frame - header_hit)) << at;
    ASSERT_EQ(files_->disk().FlipBits("/000012.log", at, 1), 0);
  }
}

TEST_F(LogScanTest, FramesOfAnOlderGenerationAreNoEvidence) {
  LogHeader header = ExampleHeader();
  header.generation = 1;
  std::string block(kHeaderBytes, '\0');
  EncodeLogHeader(header, block.data());
  ASSERT_EQ(handle_->Write(0, block), 0);
  ASSERT_OK_AND_ASSIGN(const LogScan scan, Scan());
  EXPECT_TRUE(scan.header_valid);
  EXPECT_EQ(scan.length, 0u);
  EXPECT_FALSE(scan.has_frames());
}

TEST_F(LogScanTest, HeaderOfAnotherNumberIsAnEmptyLog) {
  ASSERT_EQ(files_->disk().Rename("/000012.log", "/000013.log"), 0);
  ScanOptions options;
  options.store_id = TestId();
  ASSERT_OK_AND_ASSIGN(const LogScan scan, ScanLog(files_.get(), "/000013.log", 13, options));
  EXPECT_FALSE(scan.header_valid);
  EXPECT_EQ(scan.length, 0u);
}

TEST_F(LogScanTest, CompleteLogIsNotReadBeyondItsEnd) {
  ScanOptions options;
  options.complete_at = data_.size();
  options.limit = data_.size();
  ASSERT_OK_AND_ASSIGN(const LogScan scan, Scan(options));
  EXPECT_EQ(scan.data, data_);
  options.limit = starts_[10];
  ASSERT_OK_AND_ASSIGN(const LogScan part, Scan(options));
  EXPECT_EQ(part.length, starts_[10]);
}

TEST_F(LogScanTest, DumpListsFramesClaimsAndTheVerdict) {
  ASSERT_OK_AND_ASSIGN(const LogDump whole, DumpLog(files_.get(), "/000012.log"));
  EXPECT_EQ(whole.frames.size(), static_cast<size_t>(kFrames));
  EXPECT_THAT(whole.ToString(), HasSubstr("log 12 of store 00112233445566778899aabbccddeeff"));
  EXPECT_THAT(whole.ToString(), HasSubstr("follows log 9 (generation 99aabbccddeeff00) to byte "));
  EXPECT_THAT(whole.Verdict(), HasSubstr("whole: 28860 log bytes"));

  ASSERT_EQ(files_->disk().ZeroRange("/000012.log", offsets_[20], 100), 0);
  ASSERT_OK_AND_ASSIGN(const LogDump damaged, DumpLog(files_.get(), "/000012.log"));
  EXPECT_THAT(damaged.Verdict(), HasSubstr("DATA_LOSS"));
  EXPECT_THAT(damaged.ToString(), HasSubstr("past the damage"));

  ASSERT_EQ(files_->disk().CutFile("/000012.log", offsets_[20]), 0);
  ASSERT_OK_AND_ASSIGN(const LogDump cut, DumpLog(files_.get(), "/000012.log"));
  EXPECT_THAT(cut.Verdict(), HasSubstr("truncated"));

  ASSERT_EQ(files_->disk().Rename("/000012.log", "/copy"), 0);
  ASSERT_OK_AND_ASSIGN(const LogDump copy, DumpLog(files_.get(), "/copy"));
  EXPECT_EQ(copy.scan.log, 12u);
  EXPECT_THAT(DumpLog(files_.get(), "/none"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace mooring::wal
