#include "src/archive/journal.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/archive/entries.h"
#include "tests/archive/faulty_store.h"
#include "tests/servers/archive_place.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using Phase = JournalProtocol::Phase;

// The protocol over a real store.
class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MOORING_NEED_PLACE(place_);
    store_ = place_.Open();
    ASSERT_NE(store_, nullptr);
  }
  JournalProtocol Owner(int incarnation) {
    JournalProtocol protocol(Id(0xa), Id(incarnation));
    EXPECT_OK(protocol.FindHead());
    EXPECT_OK(Drive(protocol, *store_));
    EXPECT_OK(protocol.Claim(Claim(protocol.next_slot(), incarnation), Nonce(), 0));
    EXPECT_OK(Drive(protocol, *store_));
    EXPECT_OK(protocol.BeginOwning({State(), {}, 0, {}}));
    protocol.SetSynced(100);
    return protocol;
  }
  void PutMerged(const std::string& name, uint64_t slot, LogEntry log, uint64_t last_slot) {
    log.last_slot = last_slot;
    ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodeEntry(MakeEntry(slot, 1, std::move(log))));
    ASSERT_OK(store_->Put(MergedKey(name), bytes));
  }
  void Append(JournalProtocol& protocol, JournalProtocol::Body body) {
    ASSERT_OK(protocol.Append(std::move(body), Nonce(), 0));
    ASSERT_OK(Drive(protocol, *store_));
  }
  std::string Nonce() { return Id(0x5000 + ++nonces_); }

  mooring::testing::ArchivePlace place_;
  std::unique_ptr<objectstore::ObjectStore> store_;
  int nonces_ = 0;
};

TEST_F(JournalTest, AnOwnerWritesWhatAReaderFinds) {
  JournalProtocol owner = Owner(1);
  Append(owner, Log({MakeSegment(1, 1, 4)}));
  ASSERT_OK(WriteHint(*store_, 2));
  ASSERT_OK_AND_ASSIGN(const std::vector<JournalItem> items, ReadJournal(*store_, 1));
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(KindOf(*items[1].entry), "LOG");
  JournalProtocol next = Owner(2);
  EXPECT_EQ(next.head(), 3u);
}

// What a COLLECT names as merged is read in its place, whether the slots are deleted yet or not.
TEST_F(JournalTest, MergedLogsStandForTheirSlots) {
  JournalProtocol owner = Owner(1);
  Append(owner, Log({MakeSegment(1, 1, 4)}));
  Append(owner, Log({MakeSegment(1, 5, 6)}));
  LogEntry joined = Log({MakeSegment(1, 1, 6)});
  joined.last_slot = 3;
  ASSERT_OK_AND_ASSIGN(const std::string object, EncodeEntry(MakeEntry(2, 1, joined)));
  ASSERT_OK(store_->Put(MergedKey("2-3-x"), object));
  CollectEntry collect;
  collect.slots = {{2, 3}};
  collect.merged = {{{2, 3}, "2-3-x", object.size()}};
  Append(owner, collect);
  for (const bool deleted : {false, true}) {
    if (deleted) {
      ASSERT_OK(store_->Delete(SlotKey(2)));
      ASSERT_OK(store_->Delete(SlotKey(3)));
    }
    for (const uint64_t first : {1, 3}) {
      ASSERT_OK_AND_ASSIGN(const std::vector<JournalItem> items, ReadJournal(*store_, first));
      size_t logs = 0;
      for (const JournalItem& item : items) logs += item.last_slot == 3 ? 1 : 0;
      EXPECT_EQ(logs, 1u) << deleted << first;
    }
  }
  ASSERT_OK(store_->Delete(MergedKey("2-3-x")));
  ASSERT_OK_AND_ASSIGN(const std::vector<JournalItem> items, ReadJournal(*store_, 1));
  ASSERT_EQ(items.size(), 3u);
  EXPECT_THAT(items[1].status,
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("merged/2-3-x")));
}

TEST_F(JournalTest, TheOlderOwnerIsFenced) {
  JournalProtocol older = Owner(1);
  Owner(2);
  Append(older, Log({MakeSegment(1, 1, 4)}));
  EXPECT_EQ(older.phase(), Phase::kFenced);
}

TEST_F(JournalTest, ADamagedEntryComesWithItsStatus) {
  Owner(1);
  ASSERT_OK(store_->Put(SlotKey(2), "garbage"));
  ASSERT_OK_AND_ASSIGN(const std::vector<JournalItem> items, ReadJournal(*store_, 2));
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].entry, nullptr);
  EXPECT_THAT(items[0].status, StatusIs(absl::StatusCode::kDataLoss));
}

// The reader's first LIST shows the older COLLECT; when it reads, the newer one stands, and what
// that names is deleted.
TEST_F(JournalTest, AReaderThatMeetsACollectionReadsAgain) {
  JournalProtocol owner = Owner(1);
  Append(owner, Log({MakeSegment(1, 1, 4)}));
  Append(owner, Log({MakeSegment(1, 5, 6)}));
  PutMerged("2-3-x", 2, Log({MakeSegment(1, 1, 6)}), 3);
  Append(owner, CollectEntry{{{2, 3}}, {}, {{{2, 3}, "2-3-x", 1}}});
  Append(owner, Log({MakeSegment(1, 7, 9)}));
  PutMerged("2-5-y", 2, Log({MakeSegment(1, 1, 9)}), 5);
  auto faulty = std::make_unique<FaultyStore>(std::move(store_));
  FaultyStore& faults = *faulty;
  store_ = std::move(faulty);
  bool collected = false;  // By whichever thread reads slot 1.
  faults.set_before([&](std::string_view call, std::string_view key) {
    if (call != "Get" || key != SlotKey(1) || collected) return absl::OkStatus();
    collected = true;
    Append(owner, CollectEntry{{{2, 5}}, {}, {{{2, 5}, "2-5-y", 1}}});
    for (uint64_t slot = 2; slot <= 5; ++slot) EXPECT_OK(store_->Delete(SlotKey(slot)));
    EXPECT_OK(store_->Delete(MergedKey("2-3-x")));
    return absl::OkStatus();
  });
  ASSERT_OK_AND_ASSIGN(const std::vector<JournalItem> items, ReadJournal(*store_, 1));
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[1].last_slot, 5u);
  EXPECT_EQ(items[2].slot, 6u);
}

TEST_F(JournalTest, AnErrorThatStaysIsHandedOnAndTheOperationStaysUnderWay) {
  JournalProtocol owner = Owner(1);
  ASSERT_OK(owner.Append(CloseEntry(), Nonce(), 0));
  store_->Cancel();
  EXPECT_THAT(Drive(owner, *store_), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(owner.phase(), Phase::kAppending);
}

}  // namespace
}  // namespace mooring::archive
