#include "src/archive/entry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/archive/frame.h"
#include "tests/archive/entries.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::string_view kName = "journal/00000000000000000009";

std::vector<Entry> OneOfEachKind() {
  ClaimEntry claim = Claim(9, 4, 12);
  claim.history = MakeHistory({{1, 1}, {2, 5}});
  claim.continues_from = 7;
  claim.continues_slot = 6;
  CollectEntry collect;
  collect.slots = {{2, 3}, {5, 5}};
  collect.files = {"1-000012-s-100"};
  collect.merged = {{{3, 5}, "3-5-s", 1000}, {{6, 8}, "6-8-s", 70}};
  LogEntry merged = Log({MakeSegment(1, 1, 4)});
  merged.last_slot = 12;
  return {MakeEntry(9, 3, claim),
          MakeEntry(9, 3, Log({MakeSegment(1, 1, 4), MakeSegment(2, 5, 90, 5)})),
          MakeEntry(9, 3, Checkpoint(4, 7, MakeHistory({{1, 1}, {2, 5}}), 12)),
          MakeEntry(9, 3, collect),
          MakeEntry(9, 3, merged),
          MakeEntry(9, 3, CloseEntry())};
}

TEST(EntryTest, EveryKindComesBackAsItWas) {
  for (const Entry& entry : OneOfEachKind()) {
    SCOPED_TRACE(std::string(KindOf(entry)));
    ASSERT_OK_AND_ASSIGN(const std::string object, EncodeEntry(entry));
    ASSERT_OK_AND_ASSIGN(const Entry read, DecodeEntry(kName, 9, object));
    EXPECT_EQ(KindOf(read), KindOf(entry));
    EXPECT_EQ(read.nonce, entry.nonce);
    EXPECT_EQ(read.writer, entry.writer);
    ASSERT_OK_AND_ASSIGN(const std::string again, EncodeEntry(read));
    EXPECT_EQ(again, object);
  }
}

TEST(EntryTest, CompressesLogs) {
  const Entry entry = OneOfEachKind()[1];
  ASSERT_OK_AND_ASSIGN(const std::string object, EncodeEntry(entry));
  EXPECT_LT(object.size(), entry.As<LogEntry>()->bytes.size());
  ASSERT_OK_AND_ASSIGN(const Entry read, DecodeEntry(kName, 9, object));
  EXPECT_EQ(read.As<LogEntry>()->bytes, entry.As<LogEntry>()->bytes);
}

TEST(EntryTest, EveryDamagedByteIsNoticed) {
  for (const Entry& entry : OneOfEachKind()) {
    ASSERT_OK_AND_ASSIGN(const std::string object, EncodeEntry(entry));
    for (size_t i = 0; i < object.size(); ++i) {
      std::string damaged = object;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
      ASSERT_THAT(DecodeEntry(kName, 9, damaged),
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr(std::string(kName))))
          << i;
      ASSERT_THAT(DecodeEntry(kName, 9, object.substr(0, i)),
                  StatusIs(absl::StatusCode::kDataLoss));
    }
    EXPECT_THAT(DecodeEntry(kName, 9, object + "x"), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(EntryTest, ANewerFormatIsRefusedByNameAndIsNoDamage) {
  // A frame of format 2, with the checksum where every format has it.
  ASSERT_OK_AND_ASSIGN(const std::string now, EncodeEntry(OneOfEachKind()[4]));
  ASSERT_OK_AND_ASSIGN(const Frame frame, DecodeFrame(kName, kEntryMagic, now));
  std::string newer = EncodeFrame(kEntryMagic, frame.header, frame.payload, 2);
  EXPECT_THAT(DecodeEntry(kName, 9, newer),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(std::string(kName)), HasSubstr("format 2"),
                             HasSubstr("up to format 1"))));
}

TEST(EntryTest, AnEntryInAnotherSlotIsNotBelieved) {
  ASSERT_OK_AND_ASSIGN(const std::string object, EncodeEntry(OneOfEachKind()[0]));
  EXPECT_THAT(DecodeEntry(SlotKey(10), 10, object),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("written for slot 9")));
}

TEST(EntryTest, WhatWouldBeRefusedIsNotWritten) {
  const auto refused = [](Entry entry, std::string_view why) {
    EXPECT_THAT(EncodeEntry(entry),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::string(why))));
  };
  Entry entry = OneOfEachKind()[4];
  entry.nonce = "7";
  refused(entry, "nonce");
  refused(MakeEntry(10, 3, Claim(9, 4)), "ends at slot 8");
  refused(MakeEntry(9, 3, Claim(9, 0)), "epoch 0");

  LogEntry log = Log({MakeSegment(1, 1, 4), MakeSegment(2, 6, 9, 6)});
  refused(MakeEntry(9, 3, log), "begins at sequence 6, not after 4");
  log = Log({MakeSegment(1, 1, 4), MakeSegment(2, 5, 9, 1)});
  refused(MakeEntry(9, 3, log), "does not follow log 11");
  log = Log({MakeSegment(1, 1, 4)});
  log.bytes.pop_back();
  refused(MakeEntry(9, 3, log), "with 39 bytes");
  log.segments[0].end = ~uint64_t{0};
  refused(MakeEntry(9, 3, log), "with 39 bytes");

  CheckpointEntry checkpoint = Checkpoint(10, 7, MakeHistory({{1, 1}}));
  refused(MakeEntry(9, 3, checkpoint), "from slot 10");
  checkpoint = Checkpoint(4, 4, MakeHistory({{1, 1}, {2, 5}}));
  refused(MakeEntry(9, 3, checkpoint), "does not end at sequence 4");
  checkpoint = Checkpoint(4, 4, MakeHistory({{1, 1}}));
  checkpoint.manifest.clear();
  refused(MakeEntry(9, 3, checkpoint), "missing");
  checkpoint.files.push_back({"../x", "MANIFEST-000005", 1, 1});
  refused(MakeEntry(9, 3, checkpoint), "cannot be the name of a file");

  CollectEntry collect;
  collect.slots = {{2, 5}, {5, 6}};
  refused(MakeEntry(9, 3, collect), "not ascending");
  collect.slots.clear();
  collect.merged = {{{2, 9}, "a", 1}};
  refused(MakeEntry(9, 3, collect), "not ascending");
  log = Log({MakeSegment(1, 1, 4)});
  log.last_slot = 8;
  refused(MakeEntry(9, 3, log), "merged log of slots 9 to 8");
}

TEST(EntryTest, TheIdentityComesBackAndIsChecked) {
  ASSERT_OK_AND_ASSIGN(const std::string object, EncodeIdentity({Id(1), Id(2)}));
  ASSERT_OK_AND_ASSIGN(const ArchiveIdentity read, DecodeIdentity("MOORING", object));
  EXPECT_EQ(read.archive_id, Id(1));
  EXPECT_EQ(read.store_id, Id(2));
  EXPECT_THAT(DecodeIdentity("MOORING", object.substr(1)), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodeEntry("MOORING", 1, object), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(EncodeIdentity({"x", Id(2)}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(EntryTest, TheExampleOfTheFormatPageIsTrue) {
  Entry entry;
  entry.nonce = "00112233445566778899aabbccddeeff";
  entry.archive_id = "0123456789abcdef0123456789abcdef";
  entry.slot = 17;
  entry.writer = "fedcba9876543210fedcba9876543210";
  entry.time_us = 1700000000000000;
  entry.body = CloseEntry();
  ASSERT_OK_AND_ASSIGN(const std::string object, EncodeEntry(entry));
  ASSERT_EQ(object.size(), 148u);
  EXPECT_EQ(object.substr(12, 8), std::string("\xcf\xed\x20\x74\x74\0\0\0", 8));
  EXPECT_EQ(object.substr(136),
            std::string("\x80\x80\xf9\xc0\xc1\xc4\x82\x03\xa2\x01\0", 11).insert(0, "\x28", 1));
}

TEST(EntryTest, SlotsSortAsTheirKeysDo) {
  EXPECT_EQ(SlotKey(17), "journal/00000000000000000017");
  ASSERT_OK_AND_ASSIGN(const uint64_t slot, ParseSlotKey(SlotKey(~uint64_t{0})));
  EXPECT_EQ(slot, ~uint64_t{0});
  for (std::string_view key : {"journal/17", "journal/0000000000000000001x",
                               "journal/00000000000000000000", "files/00000000000000000017"}) {
    EXPECT_THAT(ParseSlotKey(key), StatusIs(absl::StatusCode::kInvalidArgument)) << key;
  }
}

}  // namespace
}  // namespace mooring::archive
