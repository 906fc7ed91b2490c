#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/crc32c.h"
#include "src/snapshot/format.h"
#include "src/snapshot/importer.h"
#include "src/snapshot/reader.h"
#include "src/snapshot/writer.h"
#include "tests/snapshot/memory_stream.h"
#include "tests/testing/status_matchers.h"

namespace mooring::snapshot {
namespace {

using ::mooring::testing::StatusIs;
using ::mooring::testing::StringSink;
using ::mooring::testing::StringSource;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Content {
  Part part;
  std::string bytes;
};

std::string Noise(size_t bytes) {
  std::mt19937_64 random(7);
  std::string noise(bytes, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  return noise;
}

Head SmallHead() {
  Head head;
  head.engine = std::string(kEngine);
  head.store_id = "00112233445566778899aabbccddeeff";
  head.epoch = 3;
  head.sequence = 17;
  head.commit_time_us = 1'700'000'000'000'000;
  head.export_time_us = 1'700'000'001'000'000;
  head.bytes = 600;
  head.tables = {"carts", "orders"};
  head.past = {{"ffeeddccbbaa99887766554433221100", 1, 1}};
  return head;
}

std::vector<Content> SmallContents() {
  return {{{PartKind::kTableFile, "000012.sst"}, Noise(300)},
          {{PartKind::kTableFile, "000013.sst"}, std::string(300, 'x')},
          {{PartKind::kManifest, "MANIFEST-000005"}, "what the engine knows"},
          {{PartKind::kCurrent, "CURRENT"}, "MANIFEST-000005\n"}};
}

std::string Make(const Head& head, const std::vector<Content>& contents, bool compress = true) {
  StringSink sink;
  Writer writer(&sink, compress);
  EXPECT_OK(writer.Begin(head));
  for (const Content& content : contents) {
    Part part = content.part;
    part.bytes = content.bytes.size();
    EXPECT_OK(writer.BeginPart(part));
    for (size_t at = 0; at < content.bytes.size(); at += kChunkBytes) {
      const std::string piece = content.bytes.substr(at, kChunkBytes);
      std::copy(piece.begin(), piece.end(), writer.buffer());
      EXPECT_OK(writer.Add(piece.size()));
    }
    EXPECT_OK(writer.EndPart());
  }
  EXPECT_OK(writer.Finish());
  EXPECT_EQ(writer.written(), sink.bytes.size());
  return sink.bytes;
}

absl::Status ReadAll(std::string_view bytes, std::vector<Content>* contents,
                     size_t piece = std::string::npos) {
  StringSource source(bytes, piece);
  Reader reader(&source, "s");
  MOORING_RETURN_IF_ERROR(reader.ReadHead().status());
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::optional<Part> part, reader.NextPart());
    if (!part) return absl::OkStatus();
    contents->push_back({*part, ""});
    while (true) {
      MOORING_ASSIGN_OR_RETURN(const std::string_view data, reader.ReadData());
      if (data.empty()) break;
      contents->back().bytes.append(data);
    }
  }
}

absl::StatusOr<SnapshotInfo> VerifyBytes(std::string_view bytes) {
  StringSource source(bytes);
  Reader reader(&source, "s");
  MOORING_ASSIGN_OR_RETURN(const Head head, reader.ReadHead());
  return Verify(reader, head, nullptr);
}

// Makes the checks right again after `bytes` was changed, from record `first` on.
void Reseal(std::string* bytes) {
  uint32_t check = Crc32c(std::string_view(*bytes).substr(0, kPreambleBytes));
  for (size_t at = kPreambleBytes; at < bytes->size();) {
    RecordHeader header = DecodeRecordHeader(std::string_view(*bytes).substr(at));
    check = ExtendCrc32c(check, std::string_view(*bytes).substr(at, 12));
    check = ExtendCrc32c(check,
                         std::string_view(*bytes).substr(at + kRecordHeaderBytes, header.length));
    header.check = check;
    EncodeRecordHeader(header, bytes->data() + at);
    at += kRecordHeaderBytes + header.length;
  }
}

TEST(SnapshotFormatTest, WhatIsWrittenIsReadInPiecesOfAnySize) {
  const std::string bytes = Make(SmallHead(), SmallContents());
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}, std::string::npos}) {
    std::vector<Content> contents;
    ASSERT_OK(ReadAll(bytes, &contents, piece));
    ASSERT_EQ(contents.size(), 4);
    for (size_t i = 0; i < contents.size(); ++i) {
      EXPECT_EQ(contents[i].part.name, SmallContents()[i].part.name);
      EXPECT_EQ(contents[i].bytes, SmallContents()[i].bytes);
    }
  }
  ASSERT_OK_AND_ASSIGN(const SnapshotInfo info, VerifyBytes(bytes));
  EXPECT_EQ(info.store_id, SmallHead().store_id);
  EXPECT_EQ(info.version, (Version{3, 17}));
  EXPECT_EQ(info.tables, SmallHead().tables);
  EXPECT_EQ(info.parts, 4);
  EXPECT_EQ(info.stored_bytes, static_cast<int64_t>(bytes.size()));
}

// N4.
TEST(SnapshotFormatTest, OnlyPartsThatBecomeSmallerAreCompressed) {
  const size_t size = 3 * kChunkBytes + 5;
  std::vector<Content> contents = SmallContents();
  contents[0].bytes = Noise(size);
  const std::string noise = Make(SmallHead(), contents);
  EXPECT_GT(noise.size(), size);
  EXPECT_LT(noise.size(), size + 2000);
  contents[0].bytes = std::string(size, 'x');
  const std::string compressed = Make(SmallHead(), contents);
  EXPECT_LT(compressed.size(), size / 100);
  const std::string as_it_is = Make(SmallHead(), contents, /*compress=*/false);
  EXPECT_GT(as_it_is.size(), size);
  for (const std::string& bytes : {noise, compressed, as_it_is}) EXPECT_OK(VerifyBytes(bytes));
  std::vector<Content> read;
  ASSERT_OK(ReadAll(compressed, &read));
  EXPECT_EQ(read[0].bytes, contents[0].bytes);
}

// N1, N3: and the message names the offset, and within a part the part.
TEST(SnapshotFormatTest, EveryFlippedBitIsFound) {
  const std::string good = Make(SmallHead(), SmallContents());
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const absl::Status status = VerifyBytes(bytes).status();
    if (bit < 8 * kMagic.size()) {
      ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no snapshot")));
    } else {
      ASSERT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("at offset "))) << bit;
    }
  }
  std::string bytes = good;
  bytes[bytes.find("what the engine")] ^= 1;
  EXPECT_THAT(VerifyBytes(bytes),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("in part MANIFEST-000005 after 0")));
}

// N2.
TEST(SnapshotFormatTest, EveryTruncationAndWhateverFollowsTheEndIsFound) {
  const std::string good = Make(SmallHead(), SmallContents());
  for (size_t size = 1; size < good.size(); ++size) {
    ASSERT_THAT(VerifyBytes(good.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr(absl::StrCat("ends early, after ", size, " bytes"))));
  }
  EXPECT_THAT(VerifyBytes(good + "x"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("something follows its end")));
}

TEST(SnapshotFormatTest, RecordsThatAreLeftOutDoubledOrMovedAreFound) {
  const std::string good = Make(SmallHead(), SmallContents());
  std::vector<std::pair<size_t, size_t>> records;  // Where each begins, and its size.
  for (size_t at = kPreambleBytes; at < good.size(); at += records.back().second) {
    const RecordHeader header = DecodeRecordHeader(std::string_view(good).substr(at));
    records.emplace_back(at, kRecordHeaderBytes + header.length);
  }
  ASSERT_EQ(records.size(), 14);
  for (size_t i = 0; i < records.size(); ++i) {
    const auto& [at, size] = records[i];
    EXPECT_THAT(VerifyBytes(std::string(good).erase(at, size)),
                StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(VerifyBytes(std::string(good).insert(at, good.substr(at, size))),
                StatusIs(absl::StatusCode::kDataLoss));
    if (i + 1 == records.size()) break;
    std::string swapped =
        good.substr(0, at) + good.substr(records[i + 1].first, records[i + 1].second);
    swapped += good.substr(at, size) + good.substr(swapped.size() + size);
    EXPECT_THAT(VerifyBytes(swapped), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(SnapshotFormatTest, ANewerFormatAndAForeignFileAreToldByName) {
  std::string newer = Make(SmallHead(), SmallContents());
  newer[8] = 9;
  const uint32_t crc = Crc32c(std::string_view(newer).substr(0, 12));
  for (int i = 0; i < 4; ++i)
    newer[static_cast<size_t>(12 + i)] = static_cast<char>(crc >> (8 * i));
  EXPECT_THAT(VerifyBytes(newer), StatusIs(absl::StatusCode::kFailedPrecondition,
                                           AllOf(HasSubstr("format 9"), HasSubstr("format 1"))));
  for (const char* foreign : {"x", "SQLite format 3", "\x28\xb5\x2f\xfd and so on and on and on"}) {
    EXPECT_THAT(VerifyBytes(foreign),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("s is no snapshot")));
  }
  Head other = SmallHead();
  other.engine = "btree";
  EXPECT_THAT(VerifyBytes(Make(other, SmallContents())),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("'btree'")));
}

// N5, N7.
TEST(SnapshotFormatTest, NamesThatAreNoEngineFilesAndUnknownKindsAreRefused) {
  for (const char* name : {"../000012.sst", "/etc/passwd", "000012.sst/..", "12.sst", "CURRENT",
                           "00001a.sst", "", ".sst", "000012.log"}) {
    std::vector<Content> contents = SmallContents();
    contents[0].part.name = name;
    EXPECT_THAT(VerifyBytes(Make(SmallHead(), contents)), StatusIs(absl::StatusCode::kDataLoss))
        << name;
  }
  std::vector<Content> contents = SmallContents();
  contents[1].part.name = contents[0].part.name;
  EXPECT_THAT(VerifyBytes(Make(SmallHead(), contents)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("comes twice")));
  contents = SmallContents();
  contents[1].part.kind = PartKind::kRows;
  EXPECT_THAT(VerifyBytes(Make(SmallHead(), contents)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("kind 16")));
}

TEST(SnapshotFormatTest, ASnapshotWithoutAWholeStoreInItIsRefused) {
  std::vector<Content> contents = SmallContents();
  contents.pop_back();
  EXPECT_THAT(VerifyBytes(Make(SmallHead(), contents)), StatusIs(absl::StatusCode::kDataLoss));
  contents = SmallContents();
  contents[3].bytes = "MANIFEST-000006\n";
  EXPECT_THAT(VerifyBytes(Make(SmallHead(), contents)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("MANIFEST-000006")));
  contents = SmallContents();
  contents.insert(contents.begin(), {{PartKind::kManifest, "MANIFEST-000004"}, "older"});
  EXPECT_THAT(VerifyBytes(Make(SmallHead(), contents)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("two MANIFESTs")));
}

// N7: what a later version adds within format 1 does no harm.
TEST(SnapshotFormatTest, FieldsAtTheEndOfAPayloadThatAreNotKnownArePassedOver) {
  std::string bytes = Make(SmallHead(), SmallContents());
  RecordHeader header = DecodeRecordHeader(std::string_view(bytes).substr(kPreambleBytes));
  const size_t end = kPreambleBytes + kRecordHeaderBytes + header.length;
  bytes.insert(end, "more");
  header.length += 4;
  EncodeRecordHeader(header, bytes.data() + kPreambleBytes);
  Reseal(&bytes);
  // The index has offsets, which have moved.
  EXPECT_THAT(VerifyBytes(bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("parts")));
  StringSource source(bytes);
  Reader reader(&source, "s");
  ASSERT_OK_AND_ASSIGN(const Head head, reader.ReadHead());
  EXPECT_EQ(head.tables, SmallHead().tables);
}

TEST(SnapshotFormatTest, AFailingSourceAndSinkAreWhatTheyAnswer) {
  const std::string good = Make(SmallHead(), SmallContents());
  StringSource source(good);
  source.fail_at = 300;
  Reader reader(&source, "s");
  ASSERT_OK_AND_ASSIGN(const Head head, reader.ReadHead());
  EXPECT_THAT(Verify(reader, head, nullptr),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("at offset 300")));
  StringSink sink;
  sink.room = 100;
  Writer writer(&sink, true);
  EXPECT_THAT(writer.Begin(SmallHead()), StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace mooring::snapshot
