#include "src/archive/shipper.h"

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/archive/journal.h"
#include "src/archive/restore_plan.h"
#include "src/archive/unarchived.h"
#include "tests/archive/entries.h"
#include "tests/archive/shipper_world.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::HasSubstr;
using Request = MemoryStore::Request;

Deadline Soon() { return Deadline(absl::Seconds(60)); }

// Waits until `condition` holds, at most a minute.
bool Eventually(const std::function<bool()>& condition) {
  const Deadline deadline(absl::Seconds(60));
  while (!condition() && !deadline.Passed()) absl::SleepFor(absl::Milliseconds(2));
  return condition();
}

class ShipperTest : public ::testing::Test {
 protected:
  ShipperTest() {
    options_.ship_interval = absl::Hours(1);
    options_.fence_check_interval = absl::Hours(1);
    options_.max_unfenced = absl::InfiniteDuration();
    options_.max_lag = absl::InfiniteDuration();
    options_.staging_directory = directory_.path();
    options_.fenced = [this](const absl::Status&) { ++fenced_; };
  }

  // One's own side of a journal after a claim of it.
  std::unique_ptr<JournalProtocol> Own(int incarnation, MemoryStore& store,
                                       JournalProtocol::Found found = {}) {
    auto protocol = std::make_unique<JournalProtocol>(Id(0xa), Id(incarnation));
    EXPECT_OK(protocol->FindHead());
    EXPECT_OK(Drive(*protocol, store));
    EXPECT_OK(
        protocol->Claim(Claim(protocol->next_slot(), incarnation), Id(0x700 + incarnation), 0));
    EXPECT_OK(Drive(*protocol, store));
    EXPECT_OK(protocol->BeginOwning(std::move(found)));
    return protocol;
  }
  std::unique_ptr<Shipper> Start(int incarnation = 1) {
    return std::make_unique<Shipper>(store_, Own(incarnation, *store_), &source_,
                                     MakeHistory({{incarnation, 1}}), std::vector<ArchivedFile>(),
                                     options_);
  }
  // Commits, and waits until it is archived.
  absl::Status CommitAndWait(Shipper& shipper) {
    const uint64_t sequence = source_.Commit();
    shipper.OnDurable();
    return shipper.WaitArchived({1, sequence}, Soon());
  }
  absl::Status AwaitFirstCheckpoint(Shipper& shipper) {
    return shipper.WaitArchived({1, 0}, Soon());
  }
  // What a restore would give back.
  uint64_t Restorable() {
    const auto journal = ReadJournal(*store_, 1);
    EXPECT_OK(journal);
    const auto plan = PlanRestore(*journal);
    EXPECT_OK(plan);
    return plan.ok() ? plan->state.last_sequence : 0;
  }
  std::vector<std::string> Kinds() {
    const auto journal = ReadJournal(*store_, 1);
    EXPECT_OK(journal);
    std::vector<std::string> kinds;
    for (const JournalItem& item : *journal) kinds.emplace_back(KindOf(*item.entry));
    return kinds;
  }

  mooring::testing::TempDirectory directory_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  FakeSource source_;
  ShipperOptions options_;
  std::atomic<int> fenced_{0};
};

// S1
TEST_F(ShipperTest, TheFirstCheckpointStandsBeforeAnyLog) {
  source_.Commit();
  source_.Commit();
  auto shipper = Start();
  EXPECT_OK(shipper->WaitArchived({1, 2}, Soon()));
  EXPECT_OK(CommitAndWait(*shipper));
  EXPECT_EQ(Kinds(), (std::vector<std::string>{"CLAIM", "CHECKPOINT", "LOG"}));
  EXPECT_EQ(Restorable(), 3u);
  EXPECT_OK(shipper->Close(Soon()));
  EXPECT_EQ(Kinds().back(), "CLOSE");
  EXPECT_EQ(shipper->status().state, ArchiveStatus::State::kClosed);
}

TEST_F(ShipperTest, NothingIsAcknowledgedBeforeTheFirstCheckpointStands) {
  store_->SetHook([](const Request& request) {
    return request.kind == "file" ? absl::UnavailableError("away") : absl::OkStatus();
  });
  source_.Commit();
  auto shipper = Start();
  EXPECT_THAT(shipper->WaitArchived({1, 1}, Deadline(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(shipper->status().state, ArchiveStatus::State::kFirstCheckpoint);
  store_->SetHook(nullptr);
  EXPECT_OK(shipper->WaitArchived({1, 1}, Soon()));
  EXPECT_OK(shipper->Close(Soon()));
}

// S1, where the archive holds a state that a log could follow.
TEST_F(ShipperTest, TheNextOpeningMakesACheckpointFirst) {
  auto first = Start(1);
  for (int i = 0; i < 3; ++i) ASSERT_OK(CommitAndWait(*first));
  ASSERT_OK(first->Close(Soon()));
  ASSERT_OK_AND_ASSIGN(const auto journal, ReadJournal(*store_, 1));
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal));
  const auto& files = plan.checkpoint->As<CheckpointEntry>()->files;
  auto protocol = Own(2, *store_, {plan.state, plan.log_slots, plan.min_log, files});
  std::atomic<bool> hold{true};
  store_->SetHook([&](const Request& request) {
    if (request.kind == "file") Eventually([&] { return !hold; });
    return absl::OkStatus();
  });
  source_.Commit();
  Shipper second(store_, std::move(protocol), &source_, MakeHistory({{1, 1}, {2, 4}}), files,
                 options_);
  EXPECT_OK(second.WaitArchived({1, 3}, Soon()));
  EXPECT_THAT(second.WaitArchived({2, 4}, Deadline(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(Kinds().back(), "CLAIM");
  hold = false;
  EXPECT_OK(second.WaitArchived({2, 4}, Soon()));
  EXPECT_EQ(Kinds().back(), "CHECKPOINT");
  EXPECT_EQ(Restorable(), 4u);
  EXPECT_OK(second.Close(Soon()));
}

TEST_F(ShipperTest, EachAcknowledgedCommitCanBeRestored) {
  auto shipper = Start();
  for (uint64_t i = 1; i <= 20; ++i) {
    ASSERT_OK(CommitAndWait(*shipper));
    ASSERT_GE(Restorable(), i);
    EXPECT_EQ(shipper->status().archived, (Version{1, i}));
  }
  EXPECT_EQ(source_.released(), 20u);
  EXPECT_EQ(shipper->status().lag_bytes, 0);
  EXPECT_OK(shipper->Close(Soon()));
}

// S2
TEST_F(ShipperTest, AllWhoWaitShareAnEntry) {
  auto shipper = Start();
  ASSERT_OK(AwaitFirstCheckpoint(*shipper));
  // The first entry is held until all others wait.
  std::atomic<bool> hold{true};
  std::atomic<bool> held{false};
  store_->SetHook([&](const Request& request) {
    if (request.kind == "create" && !request.answered && hold) {
      held = true;
      Eventually([&] { return !hold; });
    }
    return absl::OkStatus();
  });
  const int before = store_->Count("create");
  std::vector<std::thread> writers;
  std::atomic<int> archived{0};
  const auto write = [&] { archived += CommitAndWait(*shipper).ok() ? 1 : 0; };
  writers.emplace_back(write);
  EXPECT_TRUE(Eventually([&] { return held.load(); }));
  for (int i = 1; i < 64; ++i) writers.emplace_back(write);
  EXPECT_TRUE(Eventually([&] { return source_.DurableSequence() == 64; }));
  hold = false;
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(archived, 64);
  EXPECT_EQ(store_->Count("create") - before, 2);
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(ShipperTest, WithoutAWaiterItShipsAfterTheInterval) {
  options_.ship_interval = absl::Milliseconds(20);
  auto shipper = Start();
  ASSERT_OK(AwaitFirstCheckpoint(*shipper));
  source_.Commit();
  shipper->OnDurable();
  EXPECT_TRUE(Eventually([&] { return shipper->status().archived == (Version{1, 1}); }));
  EXPECT_EQ(Restorable(), 1u);
  EXPECT_OK(shipper->Close(Soon()));
}

// S3
TEST_F(ShipperTest, LogsShipWhileACheckpointIsUploaded) {
  options_.checkpoint_log_bytes = 10;
  auto shipper = Start();
  ASSERT_OK(CommitAndWait(*shipper));
  std::atomic<bool> hold{true};
  std::atomic<bool> held{false};
  store_->SetHook([&](const Request& request) {
    if (request.kind == "file" && !request.answered) {
      held = true;
      Eventually([&] { return !hold; });
    }
    return absl::OkStatus();
  });
  ASSERT_OK(CommitAndWait(*shipper));
  EXPECT_TRUE(Eventually([&] { return held.load(); }));
  for (int i = 0; i < 3; ++i) ASSERT_OK(CommitAndWait(*shipper));
  const uint64_t before = shipper->status().last_checkpoint;
  hold = false;
  EXPECT_TRUE(Eventually([&] { return shipper->status().last_checkpoint > before; }));
  EXPECT_EQ(Restorable(), source_.DurableSequence());
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(ShipperTest, ATableChangeNeedsACheckpointBeforeLaterCommits) {
  auto shipper = Start();
  ASSERT_OK(CommitAndWait(*shipper));
  source_.MakeTable();
  ASSERT_OK(CommitAndWait(*shipper));
  ASSERT_OK_AND_ASSIGN(const auto journal, ReadJournal(*store_, 1));
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(journal));
  EXPECT_GE(plan.checkpoint->slot, 3u);
  EXPECT_EQ(plan.state.last_sequence, 2u);
  EXPECT_GE(source_.captures(), 2);
  EXPECT_OK(shipper->Close(Soon()));
}

// S4
TEST_F(ShipperTest, AnIdleOwnerOnlyLooks) {
  options_.fence_check_interval = absl::Milliseconds(10);
  auto shipper = Start();
  ASSERT_OK(AwaitFirstCheckpoint(*shipper));
  EXPECT_TRUE(Eventually([&] { return store_->Count("put", "latest") == 1; }));
  const int creates = store_->Count("create");
  const int lists = store_->Count("list");
  EXPECT_TRUE(Eventually([&] { return store_->Count("list") >= lists + 5; }));
  EXPECT_EQ(store_->Count("create"), creates);
  EXPECT_EQ(store_->Count("put"), 1);
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(ShipperTest, AnIdleOwnerNoticesThatAnotherTookOver) {
  options_.fence_check_interval = absl::Milliseconds(10);
  auto shipper = Start();
  ASSERT_OK(AwaitFirstCheckpoint(*shipper));
  Own(2, *store_);
  EXPECT_TRUE(Eventually([&] { return fenced_ == 1; }));
  EXPECT_TRUE(IsFenced(shipper->Admit(Soon())));
  EXPECT_TRUE(IsFenced(shipper->Close(Soon())));
  EXPECT_EQ(shipper->status().state, ArchiveStatus::State::kFenced);
}

TEST_F(ShipperTest, NothingIsAcknowledgedAfterALaterClaim) {
  auto shipper = Start();
  ASSERT_OK(CommitAndWait(*shipper));
  Own(2, *store_);
  EXPECT_TRUE(IsFenced(CommitAndWait(*shipper)));
  EXPECT_TRUE(IsFenced(CommitAndWait(*shipper)));
  EXPECT_EQ(fenced_, 1);
  EXPECT_EQ(Restorable(), 1u);
  EXPECT_TRUE(IsFenced(shipper->Close(Soon())));
}

// S5
TEST_F(ShipperTest, AnOutageOnlyDelays) {
  auto shipper = Start();
  ASSERT_OK(CommitAndWait(*shipper));
  std::atomic<int> failures{0};
  store_->SetHook([&](const Request&) {
    ++failures;
    return absl::PermissionDeniedError("credentials expired");
  });
  std::thread writer([&] { EXPECT_OK(CommitAndWait(*shipper)); });
  EXPECT_TRUE(Eventually([&] { return failures >= 3 && !shipper->status().last_error.ok(); }));
  store_->SetHook(nullptr);
  writer.join();
  EXPECT_OK(shipper->status().last_error);
  EXPECT_EQ(Restorable(), 2u);
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(ShipperTest, LostRepliesLoseAndDoubleNothing) {
  std::atomic<int> requests{0};
  store_->SetHook([&](const Request& request) {
    const bool lost = request.answered && request.kind == "create" && ++requests % 2 == 0;
    return lost ? absl::UnavailableError("no reply") : absl::OkStatus();
  });
  auto shipper = Start();
  for (int i = 0; i < 6; ++i) ASSERT_OK(CommitAndWait(*shipper));
  EXPECT_EQ(Restorable(), 6u);
  EXPECT_OK(shipper->Close(Soon()));
  EXPECT_EQ(fenced_, 0);
}

TEST_F(ShipperTest, CloseShipsTheRest) {
  auto shipper = Start();
  for (int i = 0; i < 5; ++i) source_.Commit();
  source_.MakeTable();
  for (int i = 0; i < 5; ++i) source_.Commit();
  EXPECT_OK(shipper->Close(Soon()));
  EXPECT_EQ(Restorable(), 10u);
  EXPECT_EQ(Kinds().back(), "CLOSE");
  EXPECT_FALSE(store_->cancelled());
}

TEST_F(ShipperTest, CloseSaysWhatIsLeftAtItsDeadline) {
  auto shipper = Start();
  ASSERT_OK(AwaitFirstCheckpoint(*shipper));
  store_->SetHook([](const Request&) { return absl::UnavailableError("away"); });
  source_.Commit();
  EXPECT_THAT(
      shipper->Close(Deadline(absl::Milliseconds(50))),
      StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("1 operations and 10 bytes")));
  EXPECT_EQ(shipper->status().lag_bytes, 10);
  EXPECT_GT(shipper->status().lag, absl::ZeroDuration());
}

TEST_F(ShipperTest, WaitersEndWhenItCloses) {
  auto shipper = Start();
  ASSERT_OK(AwaitFirstCheckpoint(*shipper));
  std::thread waiter([&] {
    EXPECT_THAT(shipper->WaitArchived({1, 100}, Soon()),
                StatusIs(absl::StatusCode::kFailedPrecondition));
  });
  EXPECT_OK(shipper->Close(Soon()));
  waiter.join();
}

TEST_F(ShipperTest, AVersionIsJudgedByItsLineage) {
  auto protocol = Own(2, *store_);
  for (int i = 0; i < 4; ++i) source_.Commit();
  Shipper shipper(store_, std::move(protocol), &source_, MakeHistory({{1, 1}, {2, 3}}), {},
                  options_);
  EXPECT_OK(shipper.WaitArchived({2, 4}, Soon()));
  EXPECT_OK(shipper.WaitArchived({1, 2}, Soon()));
  EXPECT_THAT(shipper.WaitArchived({1, 3}, Soon()), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(shipper.WaitArchived({3, 3}, Soon()), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(shipper.Close(Soon()));
}

TEST_F(ShipperTest, AnOwnerThatCouldNotLookIsRefused) {
  options_.max_unfenced = absl::Milliseconds(200);
  options_.fence_check_interval = absl::Milliseconds(10);
  auto shipper = Start();
  EXPECT_TRUE(Eventually([&] { return shipper->Admit(Soon()).ok(); }));
  store_->SetHook([](const Request&) { return absl::UnavailableError("away"); });
  EXPECT_TRUE(Eventually([&] { return absl::IsUnavailable(shipper->Admit(Soon())); }));
  store_->SetHook(nullptr);
  EXPECT_TRUE(Eventually([&] { return shipper->Admit(Soon()).ok(); }));
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(ShipperTest, WritesAreHeldBackWhileTheLagIsTooLong) {
  options_.max_lag = absl::Milliseconds(20);
  options_.ship_interval = absl::Milliseconds(10);
  auto shipper = Start();
  ASSERT_OK(AwaitFirstCheckpoint(*shipper));
  store_->SetHook([](const Request&) { return absl::UnavailableError("away"); });
  source_.Commit();
  shipper->OnDurable();
  EXPECT_TRUE(Eventually([&] { return absl::IsUnavailable(shipper->Admit(Soon())); }));
  store_->SetHook(nullptr);
  EXPECT_TRUE(Eventually([&] { return shipper->Admit(Soon()).ok(); }));
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(ShipperTest, TheLagGrowsWhileALookForAnotherOwnerHangs) {
  options_.fence_check_interval = absl::Milliseconds(10);
  auto shipper = Start();
  ASSERT_OK(AwaitFirstCheckpoint(*shipper));
  std::atomic<bool> hold{true};
  std::atomic<bool> held{false};
  store_->SetHook([&](const Request& request) {
    held = held || request.kind == "list";
    if (request.kind == "list") Eventually([&] { return !hold; });
    return absl::OkStatus();
  });
  EXPECT_TRUE(Eventually([&] { return held.load(); }));
  source_.Commit();
  shipper->OnDurable();
  const auto lag = [&] { return shipper->status().lag; };
  EXPECT_TRUE(Eventually([&] { return lag() > absl::Milliseconds(50); }));
  hold = false;
  EXPECT_OK(shipper->WaitArchived({1, 1}, Soon()));
  EXPECT_EQ(lag(), absl::ZeroDuration());
  EXPECT_OK(shipper->Close(Soon()));
}

TEST(ArchiveStatusTest, AVersionTravelsInAStatus) {
  const absl::Status status = WithVersion(absl::DeadlineExceededError("late"), {3, 1024});
  EXPECT_EQ(UnarchivedVersion(status), (Version{3, 1024}));
  EXPECT_EQ(UnarchivedVersion(absl::DeadlineExceededError("late")), std::nullopt);
  EXPECT_OK(WithVersion(absl::OkStatus(), {3, 1024}));
  EXPECT_TRUE(mooring::IsFenced(FencedError(3, "a CLAIM")));
  EXPECT_FALSE(mooring::IsFenced(status));
}

TEST(ArchiveStatusTest, ItIsSaidInWords) {
  ArchiveStatus status;
  EXPECT_EQ(ToString(status), "no archive");
  status.state = ArchiveStatus::State::kShipping;
  status.archived = Version{3, 9};
  status.lag = absl::Milliseconds(3);
  status.lag_bytes = 40;
  EXPECT_EQ(ToString(status), "shipping, archived up to 3.9, 3ms and 40 bytes behind");
  status.objects = 12;
  status.bytes = 3456;
  EXPECT_EQ(ToString(status),
            "shipping, archived up to 3.9, 3ms and 40 bytes behind, 12 objects of 3456 bytes");
  status.oldest = absl::FromUnixSeconds(86400);
  status.last_collection = absl::FromUnixSeconds(2 * 86400);
  EXPECT_EQ(ToString(status),
            "shipping, archived up to 3.9, 3ms and 40 bytes behind, 12 objects of 3456 bytes, "
            "back to 1970-01-02T00:00:00+00:00, collected at 1970-01-03T00:00:00+00:00");
}

}  // namespace
}  // namespace mooring::archive
