#include "src/archive/remote.h"

#include <atomic>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/archive/journal.h"
#include "tests/archive/entries.h"
#include "tests/archive/faulty_store.h"
#include "tests/servers/archive_place.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::HasSubstr;

class RemoteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MOORING_NEED_PLACE(place_);
    store_ = std::make_shared<FaultyStore>(place_.Open());
  }
  std::shared_ptr<Remote> Connect() {
    absl::StatusOr<std::shared_ptr<Remote>> remote = Remote::Connect(store_, {});
    EXPECT_OK(remote);
    return *remote;
  }
  template <typename Body>
  void PutEntry(uint64_t slot, int writer, Body body) {
    ASSERT_OK_AND_ASSIGN(const std::string bytes,
                         EncodeEntry(MakeEntry(slot, writer, std::move(body))));
    ASSERT_OK(store_->Put(SlotKey(slot), bytes, {}));
  }
  // A claim, a checkpoint at 0, logs up to 20 in slots 3 to 6, a checkpoint at 20, a log.
  void PutJournal() {
    PutEntry(1, 1, Claim(1, 1));
    PutEntry(2, 1, Checkpoint(2, 0, History()));
    for (uint64_t i = 0; i < 4; ++i) {
      PutEntry(3 + i, 1, Log({MakeSegment(1, 5 * i + 1, 5 * i + 5)}));
    }
    PutEntry(7, 1, Checkpoint(7, 20, MakeHistory({{1, 1}}), 12));
    Segment segment = MakeSegment(1, 21, 24, 21);
    segment.log = 12;
    PutEntry(8, 1, Log({segment}));
  }
  std::vector<uint64_t> Recent() {
    const absl::StatusOr<std::vector<JournalItem>> items = Connect()->ReadRecent();
    EXPECT_OK(items);
    std::vector<uint64_t> slots;
    for (const JournalItem& item : *items) slots.push_back(item.slot);
    return slots;
  }

  mooring::testing::ArchivePlace place_;
  std::shared_ptr<FaultyStore> store_;
};

TEST_F(RemoteTest, TheFirstStoreToComeGetsTheArchiveAndAnotherIsRefused) {
  const std::shared_ptr<Remote> first = Connect();
  const std::shared_ptr<Remote> racing = Connect();
  EXPECT_FALSE(first->identity());
  ASSERT_OK(first->Establish(Id(0x57)));
  EXPECT_EQ(first->identity()->store_id, Id(0x57));
  EXPECT_THAT(racing->Establish(Id(0x58)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(Id(0x57))));
  const std::shared_ptr<Remote> again = Connect();
  ASSERT_TRUE(again->identity());
  EXPECT_EQ(again->identity()->archive_id, first->identity()->archive_id);
  EXPECT_OK(again->Establish(Id(0x57)));
  EXPECT_THAT(again->Establish(Id(0x58)), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(RemoteTest, AnIdentityWhoseAnswerWasLostIsOnesOwn) {
  const std::shared_ptr<Remote> remote = Connect();
  store_->set_before([&](std::string_view call, std::string_view key) {
    if (call == "Create" && key == kIdentityKey) store_->LoseAnswersOfCreates(1);
    return absl::OkStatus();
  });
  ASSERT_OK(remote->Establish(Id(0x57)));
  store_->set_before(nullptr);
  EXPECT_EQ(remote->identity()->archive_id, Connect()->identity()->archive_id);
}

TEST_F(RemoteTest, AStoreThatIsAwayIsTriedUntilItIsBackOrTheTimeIsOver) {
  std::atomic<int> failures{3};
  store_->set_before([&](std::string_view, std::string_view) {
    return failures-- > 0 ? absl::UnavailableError("away") : absl::OkStatus();
  });
  int retries = 0;
  Remote::ConnectOptions options;
  options.retrying = [&](const absl::Status&) { ++retries; };
  EXPECT_OK(Remote::Connect(store_, options));
  EXPECT_EQ(retries, 3);

  failures = 1 << 30;
  options.timeout = absl::Milliseconds(300);
  EXPECT_THAT(Remote::Connect(store_, options),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("within 300ms")));
  options.timeout = absl::InfiniteDuration();
  retries = 0;
  options.cancelled = [&] { return retries > 1; };
  EXPECT_THAT(Remote::Connect(store_, options), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(RemoteTest, AJournalWithoutAnIdentityIsRefused) {
  PutJournal();
  EXPECT_THAT(Remote::Connect(store_, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no object MOORING")));
}

TEST_F(RemoteTest, AnUrlOfNoKindIsRefused) {
  EXPECT_THAT(Remote::Connect("gopher://x", {}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RemoteTest, TheHintSavesWhatComesBeforeItsCheckpoint) {
  ASSERT_OK(Connect()->Establish(Id(0x57)));
  PutJournal();
  EXPECT_EQ(Recent().size(), 8u);  // No hint.
  ASSERT_OK(WriteHint(*store_, 7));
  EXPECT_THAT(Recent(), ::testing::ElementsAre(7, 8));
  ASSERT_OK_AND_ASSIGN(const auto items, Connect()->ReadRecent());
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(items));
  EXPECT_EQ(plan.state.last_sequence, 24u);
}

TEST_F(RemoteTest, AHintThatLeadsNowhereCostsRequestsOnly) {
  ASSERT_OK(Connect()->Establish(Id(0x57)));
  PutJournal();
  for (const uint64_t slot : {uint64_t{1}, uint64_t{8}, uint64_t{9}, ~uint64_t{0}}) {
    ASSERT_OK(WriteHint(*store_, slot));
    EXPECT_EQ(Recent().size(), 8u) << slot;
  }
  ASSERT_OK(store_->Put(kHintKey, "nonsense", {}));
  EXPECT_EQ(Recent().size(), 8u);
  // The checkpoint that the hint names cannot be used: an older one may.
  ASSERT_OK(WriteHint(*store_, 7));
  ASSERT_OK(store_->Put(SlotKey(7), "garbage", {}));
  EXPECT_EQ(Recent().size(), 8u);
}

}  // namespace
}  // namespace mooring::archive
