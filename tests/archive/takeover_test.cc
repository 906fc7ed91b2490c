#include "src/archive/takeover.h"

#include <atomic>
#include <functional>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/status_macros.h"
#include "src/archive/journal.h"
#include "src/archive/pin.h"
#include "src/base/random_id.h"
#include "tests/archive/entries.h"
#include "tests/archive/faulty_store.h"
#include "tests/servers/archive_place.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::HasSubstr;

class TakeoverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MOORING_NEED_PLACE(place_);
    MakeArchive("archive");
  }

  void MakeArchive(const std::string& name) {
    store_ = std::make_shared<FaultyStore>(place_.Open(name));
    const ArchiveIdentity identity{Id(0xa), Id(0x57)};
    ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodeIdentity(identity));
    ASSERT_OK(store_->Create(kIdentityKey, bytes, {}));
    ASSERT_OK_AND_ASSIGN(remote_, Remote::Connect(store_, {}));
  }
  static TakeoverOptions Options(int incarnation) {
    TakeoverOptions options;
    options.incarnation = Id(incarnation);
    options.epoch = incarnation;
    options.owner = "pod-" + std::to_string(incarnation);
    options.takeover_wait = absl::Milliseconds(5);
    options.acquire_timeout = absl::ZeroDuration();
    return options;
  }
  static VolumeView Good(State state) {
    VolumeView volume;
    volume.kind = VolumeView::Kind::kGood;
    volume.store_id = Id(0x57);
    volume.state = std::move(state);
    return volume;
  }
  absl::StatusOr<Takeover> Open(const VolumeView& volume, const TakeoverOptions& options) {
    return TakeOver(*remote_, volume, options);
  }
  void Append(JournalProtocol& protocol, JournalProtocol::Body body) {
    protocol.SetSynced(1000);
    ASSERT_OK(protocol.Append(std::move(body), RandomId(), 0));
    ASSERT_OK(Drive(protocol, *store_));
    ASSERT_EQ(protocol.phase(), JournalProtocol::Phase::kOwning);
  }
  // Incarnation 1 owns an archive with sequences 1 to 8, and lives.
  Takeover MakeState() {
    absl::StatusOr<Takeover> owner = Open(VolumeView(), Options(1));
    EXPECT_OK(owner);
    CheckpointEntry checkpoint = Checkpoint(2, 0, History(), 11);
    checkpoint.files.clear();
    Append(*owner->protocol, checkpoint);
    Append(*owner->protocol, Log({MakeSegment(1, 1, 8)}));
    return *std::move(owner);
  }

  mooring::testing::HangGuard guard_;
  mooring::testing::ArchivePlace place_;
  std::shared_ptr<FaultyStore> store_;
  std::shared_ptr<Remote> remote_;
};

TEST_F(TakeoverTest, ANewStoreClaimsAnEmptyArchiveAtOnce) {
  TakeoverOptions options = Options(1);
  options.takeover_wait = absl::Hours(1);
  ASSERT_OK_AND_ASSIGN(const Takeover owner, Open(VolumeView(), options));
  EXPECT_EQ(owner.action, OpeningAction::kCreate);
  EXPECT_FALSE(owner.plan);
  EXPECT_EQ(owner.protocol->restorable(), nullptr);
  EXPECT_EQ(owner.protocol->next_slot(), 2u);
}

TEST_F(TakeoverTest, AfterACloseNobodyIsWatched) {
  Takeover first = MakeState();
  Append(*first.protocol, CloseEntry());
  TakeoverOptions options = Options(2);
  options.takeover_wait = absl::Hours(1);
  ASSERT_OK_AND_ASSIGN(const Takeover second, Open(Good({MakeHistory({{1, 1}}), 8}), options));
  EXPECT_EQ(second.action, OpeningAction::kKeep);
  ASSERT_TRUE(second.plan);
  EXPECT_EQ(second.plan->state.last_sequence, 8u);
  ASSERT_NE(second.protocol->restorable(), nullptr);
  EXPECT_EQ(second.protocol->ReplayFrom(0), 3u);
}

TEST_F(TakeoverTest, WhatWentOnIsAppendedToWhatWasThere) {
  MakeState();
  ASSERT_OK_AND_ASSIGN(Takeover owner, Open(Good({MakeHistory({{1, 1}}), 9}), Options(2)));
  Append(*owner.protocol, Log({MakeSegment(1, 9, 9)}));
  Append(*owner.protocol, Log({MakeSegment(2, 10, 12, 10)}));
  ASSERT_OK_AND_ASSIGN(const auto items, remote_->ReadRecent());
  ASSERT_OK_AND_ASSIGN(const RestorePlan plan, PlanRestore(items));
  EXPECT_EQ(plan.state.last_sequence, 12u);
}

// Writes in the pauses of the watch, so that nothing depends on how fast anything is.
TEST_F(TakeoverTest, ALivingOwnerIsNamedAndNotFenced) {
  Takeover living = MakeState();
  uint64_t sequence = 8;
  TakeoverOptions options = Options(2);
  options.acquire_timeout = absl::Milliseconds(50);
  options.waiting = [&] {
    ++sequence;
    Append(*living.protocol, Log({MakeSegment(1, sequence, sequence)}));
  };
  EXPECT_THAT(Open(VolumeView(), options),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("pod-1")));
  ASSERT_OK(living.protocol->CheckFence());
  ASSERT_OK(Drive(*living.protocol, *store_));
  EXPECT_EQ(living.protocol->phase(), JournalProtocol::Phase::kOwning);
}

TEST_F(TakeoverTest, AnOwnerThatClosesWhileItIsWatchedIsFollowedAtOnce) {
  Takeover living = MakeState();
  TakeoverOptions options = Options(2);
  options.acquire_timeout = absl::Hours(1);
  int looks = 0;
  options.waiting = [&] {
    if (++looks == 1) {
      Append(*living.protocol, Log({MakeSegment(1, 9, 20)}));
    } else if (looks == 2) {
      Append(*living.protocol, CloseEntry());
    }
  };
  ASSERT_OK_AND_ASSIGN(const Takeover next, Open(VolumeView(), options));
  EXPECT_EQ(looks, 2);
  EXPECT_EQ(next.action, OpeningAction::kRestore);
  ASSERT_TRUE(next.plan.has_value());
  EXPECT_EQ(next.plan->state.last_sequence, 20u);
}

// Who ships nothing leaves its epoch in the claim only, and nobody may give its versions again.
TEST_F(TakeoverTest, EachOwnersEpochIsAboveAllBefore) {
  Takeover owner = MakeState();
  uint64_t before = 1;
  for (int incarnation = 2; incarnation < 6; ++incarnation) {
    TakeoverOptions options = Options(incarnation);
    options.epoch = 1;  // Of a volume that was never raised.
    ASSERT_OK_AND_ASSIGN(owner, Open(Good({MakeHistory({{1, 1}}), 8}), options));
    EXPECT_GE(owner.max_epoch, before);
    before = owner.max_epoch + 2;  // As the volume raises it.
    if (incarnation % 2 == 0) continue;
    CheckpointEntry checkpoint =
        Checkpoint(owner.protocol->ReplayFrom(8), 8, MakeHistory({{1, 1}}), 12);
    checkpoint.files.clear();
    Append(*owner.protocol, std::move(checkpoint));
    ASSERT_OK(WriteHint(*store_, owner.protocol->head()));
  }
}

TEST_F(TakeoverTest, ARefusalFencesNobody) {
  Takeover owner = MakeState();
  VolumeView another = Good({});
  another.store_id = Id(0x99);
  EXPECT_THAT(Open(another, Options(2)), StatusIs(absl::StatusCode::kFailedPrecondition));
  TakeoverOptions no_room = Options(3);
  no_room.prepare = [](const RestorePlan&) { return absl::ResourceExhaustedError("no room"); };
  EXPECT_THAT(Open(VolumeView(), no_room), StatusIs(absl::StatusCode::kResourceExhausted));
  ASSERT_OK(owner.protocol->CheckFence());
  ASSERT_OK(Drive(*owner.protocol, *store_));
  EXPECT_EQ(owner.protocol->phase(), JournalProtocol::Phase::kOwning);
}

TEST_F(TakeoverTest, WhatAnOwnerWritesDuringThePreparationIsNotLeftBehind) {
  Takeover living = MakeState();
  TakeoverOptions options = Options(2);
  options.acquire_timeout = absl::Hours(1);
  std::vector<uint64_t> prepared;
  options.prepare = [&](const RestorePlan& plan) {
    prepared.push_back(plan.state.last_sequence);
    if (prepared.size() == 1) Append(*living.protocol, Log({MakeSegment(1, 9, 20)}));
    return absl::OkStatus();
  };
  ASSERT_OK_AND_ASSIGN(const Takeover next, Open(VolumeView(), options));
  ASSERT_TRUE(next.plan.has_value());
  EXPECT_EQ(next.plan->state.last_sequence, 20u);
  EXPECT_THAT(prepared, ::testing::ElementsAre(8, 20));
}

// One that is stopped behind its claim, in slot 4: `overtake` runs when it goes on.
class OvertakenTest : public TakeoverTest {
 protected:
  absl::StatusOr<Takeover> OpenOvertaken(const std::function<void()>& overtake) {
    MakeState();
    bool claimed = false;
    store_->set_before(
        [this, overtake, claimed](std::string_view call, std::string_view key) mutable {
          if (call == "Create" && key == SlotKey(4)) claimed = true;
          if (key == kHintKey && std::exchange(claimed, false)) overtake();
          return absl::OkStatus();
        });
    return Open(VolumeView(), Options(2));
  }
  // Claims slot 5, and makes a checkpoint in slot 6.
  void HeirMakesACheckpoint() {
    ASSERT_OK_AND_ASSIGN(Takeover heir, Open(VolumeView(), Options(3)));
    CheckpointEntry checkpoint = Checkpoint(6, 8, MakeHistory({{1, 1}}), 12);
    checkpoint.files.clear();
    Append(*heir.protocol, checkpoint);
    ASSERT_EQ(heir.protocol->head(), 6u);
    ASSERT_OK(WriteHint(*store_, 6));
  }
};

// What is recent begins at the heir's checkpoint, which says nothing of what stood before the
// claim: that was taken for a new store.
TEST_F(OvertakenTest, FindsTheStateBeforeItsClaim) {
  ASSERT_OK_AND_ASSIGN(const Takeover overtaken, OpenOvertaken([&] { HeirMakesACheckpoint(); }));
  EXPECT_EQ(overtaken.action, OpeningAction::kRestore);
  ASSERT_TRUE(overtaken.plan.has_value());
  EXPECT_EQ(overtaken.plan->state.last_sequence, 8u);
  EXPECT_OK(store_->Get(SlotKey(6), {}));
}

TEST_F(OvertakenTest, IsRefusedWhereThatWasCollected) {
  const auto overtaken = OpenOvertaken([&] {
    HeirMakesACheckpoint();
    for (const uint64_t slot : {1, 2, 3}) ASSERT_OK(store_->Delete(SlotKey(slot), {}));
  });
  EXPECT_THAT(overtaken, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Open again")));
}

// P1. Until the claim stands the old owner may collect.
TEST_F(TakeoverTest, WhatIsFetchedIsPinnedUntilTheTakeoverIsOver) {
  MakeState();
  TakeoverOptions options = Options(2);
  std::vector<Pin> pins;
  options.prepare = [&](const RestorePlan&) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(pins, ReadPins(*store_, absl::ToUnixMicros(absl::Now())));
    return absl::OkStatus();
  };
  ASSERT_OK(Open(VolumeView(), options));
  ASSERT_EQ(pins.size(), 1u);
  EXPECT_EQ(pins[0].who, "pod-2");
  ASSERT_OK_AND_ASSIGN(pins, ReadPins(*store_, absl::ToUnixMicros(absl::Now())));
  EXPECT_TRUE(pins.empty());
}

// Or its archive would grow for as long as somebody waits.
TEST_F(TakeoverTest, WhoeverWaitsForALivingOwnerHoldsNothingBack) {
  Takeover living = MakeState();
  TakeoverOptions options = Options(2);
  options.acquire_timeout = absl::Hours(1);
  uint64_t sequence = 8;
  const auto pins = [&] {
    const auto found = ReadPins(*store_, absl::ToUnixMicros(absl::Now()));
    EXPECT_OK(found);
    return found.ok() ? found->size() : 99;
  };
  const auto write = [&] {
    ++sequence;
    Append(*living.protocol, Log({MakeSegment(1, sequence, sequence)}));
  };
  int prepared = 0, watched = 0;
  options.prepare = [&](const RestorePlan&) {
    EXPECT_EQ(pins(), 1u);
    if (++prepared == 1) write();  // It seemed to be quiet, and was not.
    return absl::OkStatus();
  };
  options.waiting = [&] {
    if (prepared == 0) return;
    ++watched;
    EXPECT_TRUE(watched == 1 || pins() == 0);
    if (watched <= 3) write();
  };
  ASSERT_OK_AND_ASSIGN(const Takeover next, Open(VolumeView(), options));
  EXPECT_EQ(next.plan->state.last_sequence, sequence);
  EXPECT_EQ(prepared, 2);
  EXPECT_GT(watched, 3);
}

TEST_F(TakeoverTest, ClaimsWithoutAStateAreNoNewStore) {
  ASSERT_OK(Open(VolumeView(), Options(1)));
  EXPECT_THAT(Open(VolumeView(), Options(2)), StatusIs(absl::StatusCode::kDataLoss));
  TakeoverOptions options = Options(3);
  options.opening.create_without_state = true;
  ASSERT_OK_AND_ASSIGN(const Takeover owner, Open(VolumeView(), options));
  EXPECT_EQ(owner.action, OpeningAction::kCreate);
}

TEST_F(TakeoverTest, AClaimWhoseAnswerWasLostIsFound) {
  store_->LoseAnswersOfCreates(1);
  ASSERT_OK_AND_ASSIGN(const Takeover owner, Open(VolumeView(), Options(1)));
  EXPECT_EQ(owner.protocol->next_slot(), 2u);
}

TEST_F(TakeoverTest, ShortOutagesAreWaitedOut) {
  MakeState();
  std::atomic<int> calls{0};
  store_->set_before([&](std::string_view, std::string_view) {
    const int call = calls++;
    return call < 2 || (call > 4 && call < 9) ? absl::UnavailableError("busy") : absl::OkStatus();
  });
  ASSERT_OK_AND_ASSIGN(const Takeover owner, Open(Good({MakeHistory({{1, 1}}), 8}), Options(2)));
  EXPECT_EQ(owner.action, OpeningAction::kKeep);
}

TEST_F(TakeoverTest, OfThoseWhoOpenAtOnceOneOwnsAndTheOthersAreToldInTime) {
  for (int round = 0; round < 50; ++round) {
    MakeArchive("archive" + std::to_string(round));
    if (round % 2 == 0) MakeState();
    const int openers = 2 + round % 4;
    // All claim only after all have looked, so that no one comes late and takes over again.
    std::atomic<int> claiming{0};
    store_->set_before([&](std::string_view call, std::string_view) {
      if (call == "Create") {
        ++claiming;
        while (claiming < openers) std::this_thread::yield();
      }
      return absl::OkStatus();
    });
    std::vector<absl::StatusOr<Takeover>> results(openers);
    std::vector<std::thread> threads;
    for (int i = 0; i < openers; ++i) {
      threads.emplace_back([&, i] { results[i] = Open(VolumeView(), Options(10 + i)); });
    }
    for (std::thread& thread : threads) thread.join();
    int owners = 0;
    for (const absl::StatusOr<Takeover>& result : results) {
      if (result.ok()) {
        ++owners;
      } else {
        EXPECT_THAT(result, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("pod-1")));
      }
    }
    EXPECT_EQ(owners, 1) << "round " << round;
  }
}

}  // namespace
}  // namespace mooring::archive
