#include "src/archive/collector.h"

#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/status_macros.h"
#include "src/archive/journal.h"
#include "src/archive/restore_plan.h"
#include "src/archive/shipper.h"
#include "tests/archive/entries.h"
#include "tests/archive/shipper_world.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::archive {
namespace {

using ::testing::HasSubstr;
using Request = MemoryStore::Request;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kHour = 3600 * kSecond;

bool Eventually(const std::function<bool()>& condition) {
  const Deadline deadline(absl::Seconds(60));
  while (!condition() && !deadline.Passed()) absl::SleepFor(absl::Milliseconds(2));
  return condition();
}

// An owner with a clock of its own, which collects every few milliseconds.
class CollectorTest : public ::testing::Test {
 protected:
  CollectorTest() {
    options_.ship_interval = absl::Hours(1);
    options_.fence_check_interval = absl::Hours(1);
    options_.max_unfenced = absl::InfiniteDuration();
    options_.max_lag = absl::InfiniteDuration();
    options_.staging_directory = directory_.path();
    options_.collection.period = absl::Milliseconds(5);
    options_.collection.now_us = [this] { return now_us_.load(); };
    options_.collection.retention = {absl::Hours(24), 2};
  }

  std::unique_ptr<Shipper> Start(int incarnation = 1) {
    auto protocol = std::make_unique<JournalProtocol>(Id(0xa), Id(incarnation));
    EXPECT_OK(protocol->FindHead());
    EXPECT_OK(Drive(*protocol, *store_));
    EXPECT_OK(
        protocol->Claim(Claim(protocol->next_slot(), incarnation), Id(0x700 + incarnation), 0));
    EXPECT_OK(Drive(*protocol, *store_));
    JournalProtocol::Found found;
    const auto journal = ReadJournal(*store_, 1);
    EXPECT_OK(journal);
    if (const auto plan = PlanRestore(*journal); plan.ok()) {
      found.restorable = plan->state;
      found.logs = plan->log_slots;
      found.min_log = plan->min_log;
      found.files = plan->checkpoint->As<CheckpointEntry>()->files;
    }
    const std::vector<ArchivedFile> files = found.files;
    EXPECT_OK(protocol->BeginOwning(std::move(found)));
    History history;
    for (int i = 1; i <= incarnation; ++i) {
      EXPECT_OK(history.Append({Id(i), static_cast<uint64_t>(i), i == 1 ? 1 : begins_[i]}));
    }
    auto shipper =
        std::make_unique<Shipper>(store_, std::move(protocol), &source_, history, files, options_);
    EXPECT_OK(shipper->WaitArchived({static_cast<uint64_t>(incarnation), 0}, Soon()));
    return shipper;
  }
  static Deadline Soon() { return Deadline(absl::Seconds(60)); }

  // So many entries, `apart` on the clock.
  void Ship(Shipper& shipper, int count, int64_t apart, uint64_t epoch = 1) {
    for (int i = 0; i < count; ++i) {
      now_us_ += apart;
      const uint64_t sequence = source_.Commit();
      shipper.OnDurable();
      ASSERT_OK(shipper.WaitArchived({epoch, sequence}, Soon()));
    }
  }
  void Checkpoint(Shipper& shipper) {
    const uint64_t before = shipper.status().last_checkpoint;
    source_.MakeTable();
    shipper.OnDurable();
    Ship(shipper, 1, 0);
    ASSERT_TRUE(Eventually([&] { return shipper.status().last_checkpoint > before; }));
  }
  // Until nothing is sent any more.
  bool Settles() {
    int requests = -1;
    int same = 0;
    return Eventually([&] {
      const int now = static_cast<int>(store_->traffic().requests);
      same = now == requests ? same + 1 : 0;
      requests = now;
      absl::SleepFor(absl::Milliseconds(5));
      return same > 10;
    });
  }
  absl::StatusOr<RestorePlan> Plan(RestoreTarget target = {}) {
    MOORING_ASSIGN_OR_RETURN(const auto journal, ReadJournal(*store_, 1));
    return PlanRestore(journal, target);
  }
  uint64_t Restorable() {
    const auto plan = Plan();
    EXPECT_OK(plan);
    return plan.ok() ? plan->state.last_sequence : 0;
  }

  mooring::testing::TempDirectory directory_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  FakeSource source_;
  ShipperOptions options_;
  std::atomic<int64_t> now_us_{472'222 * kHour};
  std::map<int, uint64_t> begins_;
};

TEST_F(CollectorTest, SmallLogsAreMergedAsTheyAge) {
  auto shipper = Start();
  Ship(*shipper, 300, kSecond);
  now_us_ += kHour / 4;
  ASSERT_TRUE(Eventually([&] { return store_->Held("journal/") < 10; }));
  ASSERT_TRUE(Settles());
  EXPECT_LE(store_->Held("merged/"), 2u);
  EXPECT_EQ(Restorable(), 300u);
  for (uint64_t sequence : {1, 57, 150, 299}) {
    RestoreTarget target;
    target.last_sequence = sequence;
    const auto plan = Plan(target);
    ASSERT_OK(plan);
    EXPECT_EQ(plan->state.last_sequence, sequence);
  }
  Ship(*shipper, 300, kSecond);
  now_us_ += 3 * kHour;
  ASSERT_TRUE(
      Eventually([&] { return store_->Held("merged/") == 1 && store_->Held("journal/") < 10; }));
  EXPECT_EQ(Restorable(), 600u);
  EXPECT_OK(shipper->status().last_error);
  EXPECT_TRUE(Eventually(
      [&] { return shipper->status().last_collection == absl::FromUnixMicros(now_us_); }));
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(CollectorTest, AnArchiveThatDoesNotChangeCostsNothing) {
  auto shipper = Start();
  Ship(*shipper, 20, kSecond);
  now_us_ += 3 * kHour;
  ASSERT_TRUE(Eventually([&] { return store_->Held("merged/") == 1; }));
  ASSERT_TRUE(Settles());
  const int64_t requests = store_->traffic().requests;
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(store_->traffic().requests, requests);
}

// A4, A8.
TEST_F(CollectorTest, WhatOnlyAnOlderStateNeedsGoesButClaims) {
  auto shipper = Start();
  for (int day = 0; day < 5; ++day) {
    Ship(*shipper, 3, kHour);
    source_.Compact();
    Checkpoint(*shipper);
    now_us_ += 24 * kHour;
  }
  ASSERT_TRUE(Eventually([&] { return store_->Held("files/") == 2; }));
  ASSERT_TRUE(Settles());
  EXPECT_LE(store_->Held("journal/"), 8u);
  EXPECT_OK(store_->Get(SlotKey(1), {}));
  EXPECT_EQ(Restorable(), 20u);
  EXPECT_OK(shipper->status().last_error);
  EXPECT_OK(shipper->Close(Soon()));
}

// P1, P2.
TEST_F(CollectorTest, WhatIsPinnedGoesOnceThePinIsGone) {
  auto shipper = Start();
  Ship(*shipper, 20, kSecond);
  PinOptions options;
  options.now_us = options_.collection.now_us;
  options.expiry = absl::Hours(1000);
  auto pin = PinHolder::Take(store_.get(), "a test", options);
  ASSERT_OK(pin);
  const auto journal = store_->List("journal/", "", 1000, {});
  ASSERT_OK(journal);
  now_us_ += 3 * kHour;
  ASSERT_TRUE(Eventually([&] { return store_->Count("list", "pins/") > 3; }));
  for (const auto& object : *journal) EXPECT_OK(store_->Get(object.key, {})) << object.key;
  pin->reset();
  EXPECT_TRUE(Eventually([&] { return store_->Held("journal/") < 10; }));
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(CollectorTest, ControlWithoutPinsTheyAreGone) {
  options_.collection.pins_are_kept = false;
  auto shipper = Start();
  Ship(*shipper, 20, kSecond);
  const auto pin = PinHolder::Take(store_.get(), "a test");
  now_us_ += 3 * kHour;
  EXPECT_TRUE(Eventually([&] { return store_->Held("journal/") < 10; }));
}

TEST_F(CollectorTest, OrphansGoOnceTheyAreNamed) {
  options_.collection.scrub_period = absl::Milliseconds(50);
  ASSERT_OK(store_->Put("files/1-000099-of-a-killed-owner-7", "orphan!", {}));
  auto shipper = Start();
  EXPECT_TRUE(Eventually([&] {
    return absl::IsNotFound(store_->Get("files/1-000099-of-a-killed-owner-7", {}).status());
  }));
  const auto journal = ReadJournal(*store_, 1);
  ASSERT_OK(journal);
  ASSERT_NE(journal->back().entry->As<CollectEntry>(), nullptr);
  EXPECT_EQ(store_->Held("files/"), 1u);
}

// A bucket rule took it.
TEST_F(CollectorTest, AFileThatIsMissingIsUploadedAgainUnderItsName) {
  options_.collection.scrub_period = absl::Milliseconds(50);
  auto shipper = Start();
  Ship(*shipper, 3, kSecond);
  const auto files = store_->List("files/", "", 10, {});
  ASSERT_OK(files);
  ASSERT_EQ(files->size(), 1u);
  ASSERT_OK(store_->Delete(files->at(0).key, {}));
  EXPECT_TRUE(Eventually([&] { return store_->Get(files->at(0).key, {}).ok(); }));
  EXPECT_TRUE(Eventually([&] { return shipper->status().last_error.ok(); }));
  EXPECT_OK(shipper->Close(Soon()));
}

TEST_F(CollectorTest, WhatIsMissingForGoodIsToldByNameAndTheChainBeginsAnew) {
  options_.collection.scrub_period = absl::Milliseconds(50);
  auto shipper = Start();
  Ship(*shipper, 6, kSecond);
  ASSERT_TRUE(Eventually([&] { return shipper->status().objects > 6; }));
  ASSERT_OK(store_->Delete(SlotKey(5), {}));
  EXPECT_TRUE(Eventually([&] { return !shipper->status().last_error.ok(); }));
  EXPECT_THAT(shipper->status().last_error.ToString(), HasSubstr(SlotKey(5)));
  EXPECT_TRUE(Eventually([&] { return shipper->status().last_checkpoint > 5; }));
  EXPECT_EQ(Restorable(), 6u);
}

// G3. What the old owner listed before it was overtaken is all that it may delete.
TEST_F(CollectorTest, AnOwnerThatWasOvertakenDeletesNothingOfTheNewOne) {
  auto old = Start();
  Ship(*old, 20, kSecond);
  ASSERT_TRUE(Settles());  // What it merges is all of that, and once.
  std::atomic<bool> stalled{false};
  std::atomic<bool> go_on{false};
  store_->SetHook([&](const Request& request) {
    if (request.kind != "list" || request.key != "merged/" || stalled.exchange(true)) {
      return absl::OkStatus();
    }
    while (!go_on) absl::SleepFor(absl::Milliseconds(1));
    return absl::OkStatus();
  });
  now_us_ += 3 * kHour;
  ASSERT_TRUE(Eventually([&] { return stalled.load(); }));
  begins_[2] = 21;
  auto owner = Start(2);
  Ship(*owner, 20, kSecond, 2);
  ASSERT_TRUE(Settles());
  now_us_ += 3 * kHour;
  ASSERT_TRUE(Eventually([&] { return Settles() && store_->Held("merged/") == 2; }));
  const int deleted = store_->Count("delete");
  go_on = true;
  EXPECT_TRUE(Eventually([&] { return old->status().state == ArchiveStatus::State::kFenced; }));
  EXPECT_EQ(store_->Held("merged/"), 2u);
  EXPECT_EQ(Restorable(), 40u);
  EXPECT_GE(store_->Count("delete"), deleted);
  EXPECT_OK(owner->Close(Soon()));
}

// Each request of a collection is the last one of its owner.
TEST_F(CollectorTest, KilledAtAnyStepNothingIsLostAndTheNextOneGoesOn) {
  bool finished = false;
  for (int step = 1; !finished && step < 200; ++step) {
    store_ = std::make_shared<MemoryStore>();
    source_.Reset();
    begins_.clear();
    auto shipper = Start();
    Ship(*shipper, 6, kSecond);
    Checkpoint(*shipper);
    std::atomic<int> left{step};
    store_->SetHook([&](const Request& request) {
      if (request.answered) return absl::OkStatus();
      return left-- > 0 ? absl::OkStatus() : absl::UnavailableError("killed");
    });
    now_us_ += 50 * kHour;
    Eventually([&] { return left <= 0 || store_->Held("journal/") < 7; });
    absl::SleepFor(absl::Milliseconds(5));
    finished = left > 0;
    shipper.reset();
    store_->Revive();
    store_->SetHook(nullptr);
    ASSERT_EQ(Restorable(), 7u) << "killed after " << step << " requests";
    begins_[2] = 8;
    auto next = Start(2);
    Ship(*next, 1, kSecond, 2);
    ASSERT_TRUE(Eventually([&] {
      return store_->Held("journal/") < 12 && store_->Held("merged/") <= 1;
    })) << "killed after "
        << step << " requests: " << store_->Held("journal/") << ", " << store_->Held("merged/");
    ASSERT_OK(next->Close(Soon()));
    store_->Revive();  // Collection may have been cut off.
    ASSERT_EQ(Restorable(), 8u) << "killed after " << step << " requests";
  }
  EXPECT_TRUE(finished);
}

// Not one request for each thousand slots that there were.
TEST_F(CollectorTest, TheHeadIsFoundWithFewRequests) {
  auto shipper = Start();
  Ship(*shipper, 1'000, kSecond);
  Checkpoint(*shipper);
  now_us_ += 3 * kHour;
  Ship(*shipper, 1, kSecond);
  ASSERT_TRUE(Eventually([&] { return store_->Held("journal/") < 20; }));
  ASSERT_TRUE(Settles());
  const int64_t before = store_->traffic().requests;
  JournalProtocol reader(Id(0xa), Id(9));
  ASSERT_OK(reader.FindHead());
  ASSERT_OK(Drive(reader, *store_));
  EXPECT_GE(reader.head(), 1'001u);
  EXPECT_LE(store_->traffic().requests - before, 10);
}

// An owner whose COLLECTs are refused for a while.
class RefusingOwner final : public CollectionOwner {
 public:
  RefusingOwner(MemoryStore* store, uint64_t head) : store_(store), head_(head) {}

  bool Over() override { return false; }
  uint64_t Head() override { return head_; }
  uint64_t LastCheckpoint() override { return 2; }
  absl::StatusOr<uint64_t> Append(CollectEntry entry, uint64_t) override {
    if (refuses) return absl::AbortedError("a checkpoint is under way");
    Entry appended;
    appended.slot = ++head_;
    appended.nonce = Id(0x900);
    appended.archive_id = Id(0xa);
    appended.writer = Id(1);
    names.clear();
    for (const MergedLog& log : entry.merged) names.insert(MergedKey(log.name));
    appended.body = std::move(entry);
    MOORING_ASSIGN_OR_RETURN(const std::string bytes, EncodeEntry(appended));
    MOORING_RETURN_IF_ERROR(store_->Create(SlotKey(head_), bytes, {}));
    return head_;
  }
  absl::Status Prove() override { return absl::OkStatus(); }
  void Mend(const std::vector<ArchivedFile>&) override {}

  bool refuses = true;
  std::set<std::string> names;  // Of the merged logs in force.

 private:
  MemoryStore* const store_;
  uint64_t head_;
};

// G2.
TEST_F(CollectorTest, AMergedLogIsWrittenOnceHoweverOftenItsCollectIsRefused) {
  options_.collection.period = absl::InfiniteDuration();
  uint64_t head = 0;
  {
    auto shipper = Start();
    Ship(*shipper, 300, kSecond);
    head = shipper->status().head;
  }
  store_->Revive();
  RefusingOwner owner(store_.get(), head);
  options_.collection.scrub_period = absl::Hours(24);
  Collector collector(store_.get(), Id(0xa), Id(1), &owner, options_.collection);
  now_us_ += kHour / 4;
  const auto refused = [&] {
    const absl::Status status = collector.Round();
    EXPECT_TRUE(absl::IsAborted(status)) << status;
  };
  refused();
  const size_t merged = store_->Held("merged/");
  ASSERT_GT(merged, 0u);
  const int written = store_->Count("put", "merged/");
  for (int round = 0; round < 3; ++round) refused();
  EXPECT_EQ(store_->Count("put", "merged/"), written);
  // By the hour now: what was made before is of no use.
  now_us_ += 3 * kHour;
  refused();
  owner.refuses = false;
  ASSERT_OK(collector.Round());
  EXPECT_EQ(store_->Held("merged/"), owner.names.size());
  for (const std::string& name : owner.names) EXPECT_OK(store_->Get(name, {})) << name;
  EXPECT_LT(store_->Held("journal/"), 10u);
  EXPECT_EQ(Restorable(), 300u);
  EXPECT_EQ(collector.figures().objects,
            static_cast<int64_t>(store_->Held("journal/") + store_->Held("merged/") +
                                 store_->Held("files/")));
}

TEST_F(CollectorTest, WhatIsNotKnownYetIsNoTime) {
  std::atomic<bool> checkpoint{false};  // From then on only the collector lists.
  store_->SetHook([&](const Request& request) {
    if (request.key == SlotKey(2)) checkpoint = true;
    const bool fails = checkpoint && request.kind == "list";
    return fails ? absl::UnavailableError("not now") : absl::OkStatus();
  });
  auto shipper = Start();
  ASSERT_TRUE(Eventually([&] { return !shipper->status().last_error.ok(); }));
  EXPECT_EQ(shipper->status().oldest, absl::InfinitePast());
  EXPECT_EQ(shipper->status().last_collection, absl::InfinitePast());
  store_->SetHook(nullptr);
  EXPECT_TRUE(Eventually([&] { return shipper->status().oldest > absl::InfinitePast(); }));
}

}  // namespace
}  // namespace mooring::archive
