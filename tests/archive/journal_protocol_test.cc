#include "src/archive/journal_protocol.h"

#include <map>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/archive/entries.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::HasSubstr;
using Phase = JournalProtocol::Phase;
using Request = JournalRequest::Kind;
using Reply = JournalReply::Kind;

// A journal that answers at once, and an owner of it.
class JournalProtocolTest : public ::testing::Test {
 protected:
  JournalReply AnswerTo(const JournalRequest& request) {
    JournalReply reply;
    switch (request.kind) {
      case Request::kNone:
        break;
      case Request::kReadHint:
        reply.kind = Reply::kHint;
        reply.slot = hint_;
        break;
      case Request::kList:
        reply.kind = Reply::kSlots;
        for (auto it = journal_.upper_bound(request.slot); it != journal_.end(); ++it) {
          reply.slots.push_back(it->first);
        }
        break;
      case Request::kGet:
        reply.kind = journal_.count(request.slot) != 0 ? Reply::kFound : Reply::kAbsent;
        if (reply.kind == Reply::kFound) reply.bytes = journal_[request.slot];
        break;
      case Request::kCreate:
        reply.kind =
            journal_.emplace(request.slot, request.bytes).second ? Reply::kCreated : Reply::kExists;
        break;
    }
    return reply;
  }
  void Run(JournalProtocol& protocol) {
    while (protocol.request().kind != Request::kNone) {
      ++requests_;
      protocol.OnReply(AnswerTo(protocol.request()));
    }
  }

  JournalProtocol Found(int incarnation) {
    JournalProtocol protocol(Id(0xa), Id(incarnation));
    EXPECT_OK(protocol.FindHead());
    Run(protocol);
    return protocol;
  }
  JournalProtocol Owner(int incarnation, std::optional<State> restorable = State()) {
    JournalProtocol protocol = Found(incarnation);
    EXPECT_OK(protocol.Claim(Claim(protocol.next_slot(), incarnation), NextNonce(), 0));
    Run(protocol);
    JournalProtocol::Found found;
    found.restorable = std::move(restorable);
    EXPECT_OK(protocol.BeginOwning(found));
    protocol.SetSynced(100);
    return protocol;
  }
  std::string NextNonce() { return Id(0x5000 + ++nonces_); }
  absl::Status Append(JournalProtocol& protocol, JournalProtocol::Body body) {
    return protocol.Append(std::move(body), NextNonce(), 0);
  }

  std::map<uint64_t, std::string> journal_;
  uint64_t hint_ = 0;
  int requests_ = 0;
  int nonces_ = 0;
};

// A1.
TEST_F(JournalProtocolTest, FindsTheHeadWhateverTheHintSays) {
  Owner(1);
  Owner(2);
  journal_.erase(1);
  for (const uint64_t hint : {0, 1, 2, 3, 1000}) {
    hint_ = hint;
    EXPECT_EQ(Found(3).head(), 2u) << hint;
  }
  journal_.clear();
  EXPECT_EQ(Found(3).head(), 0u);
}

TEST_F(JournalProtocolTest, WatchingSeesALivingOwner) {
  JournalProtocol owner = Owner(1);
  JournalProtocol watcher = Found(2);
  ASSERT_OK(watcher.Watch());
  Run(watcher);
  EXPECT_EQ(watcher.head(), 1u);
  ASSERT_OK(Append(owner, Log({MakeSegment(1, 1, 4)})));
  Run(owner);
  ASSERT_OK(watcher.Watch());
  Run(watcher);
  EXPECT_EQ(watcher.phase(), Phase::kHeadKnown);
  EXPECT_EQ(watcher.head(), 2u);
}

// A3.
TEST_F(JournalProtocolTest, OfTwoClaimsOneWins) {
  JournalProtocol a = Found(1), b = Found(2);
  ASSERT_OK(a.Claim(Claim(1, 1), NextNonce(), 0));
  ASSERT_OK(b.Claim(Claim(1, 1), NextNonce(), 0));
  Run(a);
  Run(b);
  EXPECT_EQ(a.phase(), Phase::kClaimed);
  EXPECT_EQ(b.phase(), Phase::kClaimLost);
  ASSERT_OK(b.FindHead());
  Run(b);
  EXPECT_EQ(b.next_slot(), 2u);
}

// A3. Its view is old, and the slot was collected meanwhile.
TEST_F(JournalProtocolTest, AClaimInAHoleIsVoid) {
  JournalProtocol owner = Owner(1);
  JournalProtocol late = Found(2);
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(Append(owner, Log({MakeSegment(1, 1 + i, 1 + i)})));
    Run(owner);
  }
  journal_.erase(2);
  ASSERT_OK(late.Claim(Claim(2, 2), NextNonce(), 0));
  Run(late);
  EXPECT_EQ(late.phase(), Phase::kClaimLost);
}

// A3, A4.
TEST_F(JournalProtocolTest, AnyEntryOfAnotherFences) {
  JournalProtocol owner = Owner(1), idle = owner;
  Owner(2);
  ASSERT_OK(Append(owner, Log({MakeSegment(1, 1, 4)})));
  Run(owner);
  EXPECT_EQ(owner.phase(), Phase::kFenced);
  EXPECT_TRUE(IsFenced(owner.status()));
  EXPECT_THAT(owner.status(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("pod-0")));
  EXPECT_TRUE(IsFenced(Append(owner, CloseEntry())));
  ASSERT_OK(idle.CheckFence());
  Run(idle);
  EXPECT_EQ(idle.phase(), Phase::kFenced);
}

TEST_F(JournalProtocolTest, TheFenceCheckOfTheOnlyOwnerLetsItGoOn) {
  JournalProtocol owner = Owner(1);
  ASSERT_OK(owner.CheckFence());
  Run(owner);
  EXPECT_EQ(owner.phase(), Phase::kOwning);
}

// A5.
TEST_F(JournalProtocolTest, ALostReplyIsResolvedByReadingTheSlot) {
  JournalProtocol owner = Owner(1);
  ASSERT_OK(Append(owner, Log({MakeSegment(1, 1, 4)})));
  AnswerTo(owner.request());
  owner.OnReply({});
  EXPECT_EQ(owner.request().kind, Request::kGet);
  Run(owner);
  EXPECT_EQ(owner.phase(), Phase::kOwning);
  EXPECT_EQ(owner.restorable()->last_sequence, 4u);
}

TEST_F(JournalProtocolTest, WhatIsSentAgainIsTheSameAndIsVerified) {
  JournalProtocol owner = Owner(1);
  ASSERT_OK(Append(owner, Log({MakeSegment(1, 1, 4)})));
  const std::string first(owner.request().bytes);
  owner.OnReply({});
  owner.OnReply(AnswerTo(owner.request()));
  ASSERT_EQ(owner.request().kind, Request::kCreate);
  EXPECT_EQ(owner.request().bytes, first);
  EXPECT_THAT(owner.ReplaceResend(Log({MakeSegment(1, 1, 9)})),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  owner.OnReply(AnswerTo(owner.request()));
  EXPECT_EQ(owner.request().kind, Request::kList);
  Run(owner);
  EXPECT_EQ(owner.phase(), Phase::kOwning);
}

// A5. The first attempt landed, a new owner collected it, and the second one lands in the hole.
TEST_F(JournalProtocolTest, AResendIntoAHoleFences) {
  JournalProtocol owner = Owner(1);
  ASSERT_OK(Append(owner, Log({MakeSegment(1, 1, 4)})));
  AnswerTo(owner.request());
  Owner(2);
  journal_.erase(2);
  owner.OnReply({});
  Run(owner);
  EXPECT_EQ(owner.phase(), Phase::kFenced);
}

// A6.
TEST_F(JournalProtocolTest, ALogEntryFollowsWhatCanBeRestored) {
  JournalProtocol owner = Owner(1);
  EXPECT_THAT(Append(owner, Log({MakeSegment(1, 3, 4)})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("restored up to 0")));
  EXPECT_THAT(Append(owner, Log({MakeSegment(1, 1, 101)})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("synced up to 100")));
  JournalProtocol fresh = Owner(2, std::nullopt);
  EXPECT_THAT(Append(fresh, Log({MakeSegment(1, 1, 4)})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no checkpoint")));
  EXPECT_EQ(fresh.request().kind, Request::kNone);
}

// A2.
TEST_F(JournalProtocolTest, ACheckpointNamesDurableFilesOnly) {
  JournalProtocol owner = Owner(1, std::nullopt);
  CheckpointEntry checkpoint = Checkpoint(2, 4, MakeHistory({{1, 1}}));
  EXPECT_THAT(Append(owner, checkpoint),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("upload it first")));
  ArchivedFile other = checkpoint.files[0];
  ++other.crc32c;
  owner.FileIsDurable(other);
  EXPECT_THAT(Append(owner, checkpoint), StatusIs(absl::StatusCode::kFailedPrecondition));
  owner.FileIsDurable(checkpoint.files[0]);
  ASSERT_OK(Append(owner, checkpoint));
  Run(owner);
  EXPECT_EQ(owner.restorable()->last_sequence, 4u);
}

// A7.
TEST_F(JournalProtocolTest, ACheckpointIsReplayedFromTheFirstLogItNeeds) {
  JournalProtocol owner = Owner(1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(Append(owner, Log({MakeSegment(1, 1 + i, 1 + i)})));
    Run(owner);
  }
  EXPECT_EQ(owner.ReplayFrom(0), 2u);
  EXPECT_EQ(owner.ReplayFrom(1), 3u);
  EXPECT_EQ(owner.ReplayFrom(3), 5u);
  CheckpointEntry checkpoint = Checkpoint(4, 1, MakeHistory({{1, 1}}));
  owner.FileIsDurable(checkpoint.files[0]);
  EXPECT_THAT(Append(owner, checkpoint),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("from slot 3 on")));
  checkpoint.replay_from = 3;
  EXPECT_OK(Append(owner, checkpoint));
}

TEST_F(JournalProtocolTest, ACheckpointOfAnotherLineageIsRefused) {
  JournalProtocol owner = Owner(1, State{MakeHistory({{7, 1}}), 4});
  CheckpointEntry checkpoint = Checkpoint(2, 4, MakeHistory({{8, 1}}));
  owner.FileIsDurable(checkpoint.files[0]);
  EXPECT_THAT(Append(owner, checkpoint),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another lineage")));
}

TEST_F(JournalProtocolTest, ADamagedEntryInOnesSlotIsAnErrorAndNoFence) {
  JournalProtocol owner = Owner(1);
  journal_[2] = "garbage";
  ASSERT_OK(Append(owner, CloseEntry()));
  Run(owner);
  EXPECT_EQ(owner.phase(), Phase::kFailed);
  EXPECT_THAT(owner.status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(SlotKey(2))));
  EXPECT_FALSE(IsFenced(owner.status()));
}

// A8. The newest checkpoint, in slot 5, replays from slot 4 on.
class CollectingProtocolTest : public JournalProtocolTest {
 protected:
  void SetUp() override {
    owner_.emplace(Owner(1));
    for (const char* name : {"old", "new"}) owner_->FileIsDurable({name, name, 1, 1});
    Do(WithFile("old", Checkpoint(2, 0, {})));
    Do(Log({MakeSegment(1, 1, 4)}));
    Do(Log({MakeSegment(1, 5, 6)}));
    Do(WithFile("new", Checkpoint(4, 4, MakeHistory({{1, 1}}), 11)));
  }
  static CheckpointEntry WithFile(const std::string& name, CheckpointEntry checkpoint) {
    checkpoint.files = {{name, name, 1, 1}};
    return checkpoint;
  }
  void Do(JournalProtocol::Body body) {
    ASSERT_OK(Append(*owner_, std::move(body)));
    Run(*owner_);
  }
  std::optional<JournalProtocol> owner_;  // 1 CLAIM, 2 CHECKPOINT, 3 and 4 LOG, 5 CHECKPOINT.
};

TEST_F(CollectingProtocolTest, ALogThatTheNewestCheckpointNeedsIsNotCollectedUnlessMerged) {
  EXPECT_THAT(Append(*owner_, CollectEntry{{{2, 4}}, {}, {}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("00000000000000000004")));
  EXPECT_OK(Append(*owner_, CollectEntry{{{2, 4}}, {}, {{{3, 4}, "3-4-x", 1}}}));
  Run(*owner_);
  EXPECT_EQ(owner_->ReplayFrom(4), 4u);  // What is merged is still needed.
}

TEST_F(CollectingProtocolTest, AFileOfTheNewestCheckpointIsNotCollected) {
  EXPECT_THAT(Append(*owner_, CollectEntry{{}, {"old", "new"}, {}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("files/new")));
}

// A2. Whoever still has the name would take a file for durable that is about to be deleted.
TEST_F(CollectingProtocolTest, AFileThatWasCollectedIsDurableNoMore) {
  Do(CollectEntry{{{2, 3}}, {"old"}, {}});
  EXPECT_THAT(Append(*owner_, WithFile("old", Checkpoint(4, 6, MakeHistory({{1, 1}}), 12))),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("files/old")));
  EXPECT_OK(Append(*owner_, WithFile("new", Checkpoint(4, 4, MakeHistory({{1, 1}}), 11))));
}

// A11. Between going back and the first checkpoint.
TEST_F(CollectingProtocolTest, NothingIsCollectedBeforeTheLineageHasACheckpoint) {
  JournalProtocol next = Owner(2, std::nullopt);
  EXPECT_THAT(Append(next, CollectEntry{{{2, 2}}, {}, {}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("A11")));
}

TEST_F(CollectingProtocolTest, ATakeoverKnowsTheFilesOfTheCheckpointItServes) {
  JournalProtocol next = Found(2);
  ASSERT_OK(next.Claim(Claim(next.next_slot(), 2), NextNonce(), 0));
  Run(next);
  JournalProtocol::Found found;
  found.restorable = State{MakeHistory({{1, 1}}), 6};
  found.checkpoint_files = {"new"};
  ASSERT_OK(next.BeginOwning(found));
  EXPECT_THAT(Append(next, CollectEntry{{}, {"new"}, {}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("files/new")));
}

}  // namespace
}  // namespace mooring::archive
