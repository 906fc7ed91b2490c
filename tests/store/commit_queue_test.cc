#include "src/store/commit_queue.h"

#include <sched.h>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/base/steady_clock.h"
#include "tests/store/fake_engine.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/status_matchers.h"

namespace mooring::internal {
namespace {

using ::mooring::testing::FakeEngine;
using ::mooring::testing::HangGuard;
using ::mooring::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kEpoch = 7;
const CommitOptions kSynced;
const CommitOptions kUnsynced{Durability::kProcess, absl::InfiniteDuration()};

using Answer = std::future<absl::StatusOr<Version>>;

// Waits until `condition` holds; false after a long time.
template <typename Condition>
bool Eventually(Condition condition) {
  const absl::Duration end = SteadyNow() + absl::Minutes(2);
  while (!condition()) {
    if (SteadyNow() > end) return false;
    sched_yield();
  }
  return true;
}

class CommitQueueTest : public ::testing::Test {
 protected:
  CommitQueueTest()
      : queue_(std::make_unique<CommitQueue>(&engine_, kEpoch, [this](const absl::Status& reason) {
          failure_ = reason;
          ++failures_;
        })) {}
  ~CommitQueueTest() override {
    engine_.Release();
    queue_->Stop();
  }

  // Commits on a thread of its own, and returns when the commit stands in the queue behind
  // `waiting` others.
  Answer CommitBehind(size_t waiting, std::string bytes, CommitOptions options = kSynced,
                      uint32_t count = 1) {
    Answer answer =
        std::async(std::launch::async, [=] { return queue_->Add(bytes, count, options); });
    EXPECT_TRUE(Eventually([&] { return queue_->Waiting() == waiting + 1; }));
    return answer;
  }
  std::future<absl::Status> WorkBehind(size_t waiting, std::function<absl::Status()> work) {
    auto answer =
        std::async(std::launch::async, [this, work] { return queue_->RunExclusively(work); });
    EXPECT_TRUE(Eventually([&] { return queue_->Waiting() == waiting + 1; }));
    return answer;
  }
  // Commits "first", which the engine holds until it is released: what is committed meanwhile
  // waits.
  Answer HoldFirst(CommitOptions options = kSynced) {
    const size_t before = engine_.groups().size();
    engine_.HoldAfter(before);
    Answer first = std::async(std::launch::async, [=] { return queue_->Add("first", 1, options); });
    EXPECT_TRUE(engine_.AwaitGroups(before + 1));
    return first;
  }

  HangGuard guard_;
  FakeEngine engine_;
  std::atomic<int> failures_{0};
  absl::Status failure_;  // To be read once `failures_` is not zero.
  std::unique_ptr<CommitQueue> queue_;
};

TEST_F(CommitQueueTest, ACommitIsOneGroupAndGetsItsVersion) {
  ASSERT_OK_AND_ASSIGN(const Version version, queue_->Add("a", 3, kSynced));
  EXPECT_EQ(version, (Version{kEpoch, 3}));
  ASSERT_OK_AND_ASSIGN(const Version next, queue_->Add("b", 2, kUnsynced));
  EXPECT_EQ(next, (Version{kEpoch, 5}));
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("a!", "b"));
}

// Q1.
TEST_F(CommitQueueTest, CommitsThatWaitShareOneGroupAndOneSync) {
  Answer first = HoldFirst();
  Answer a = CommitBehind(0, "a", kSynced, 2);
  Answer b = CommitBehind(1, "b", kSynced, 3);
  Answer c = CommitBehind(2, "c", kSynced, 1);
  engine_.Release();
  EXPECT_EQ(*first.get(), (Version{kEpoch, 1}));
  EXPECT_EQ(*a.get(), (Version{kEpoch, 3}));
  EXPECT_EQ(*b.get(), (Version{kEpoch, 6}));
  EXPECT_EQ(*c.get(), (Version{kEpoch, 7}));
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("first!", "a+b+c!"));
}

// Q1.
TEST_F(CommitQueueTest, AGroupHoldsAtMostItsBound) {
  const size_t half = CommitQueue::kMaxGroupBytes / 2;
  Answer first = HoldFirst();
  std::vector<Answer> answers;
  const std::vector<size_t> sizes = {half,     half, half,         1, 3 * half, 1,
                                     2 * half, 1,    2 * half + 1, 1};
  for (const size_t size : sizes) {
    answers.push_back(CommitBehind(answers.size(), std::string(size, 'x')));
  }
  engine_.Release();
  for (Answer& answer : answers) EXPECT_OK(answer.get());
  std::vector<size_t> seen;
  for (const FakeEngine::Group& group : engine_.groups()) {
    size_t bytes = 0;
    for (const std::string& commit : group.commits) {
      bytes += commit.size();
      seen.push_back(commit.size());
    }
    EXPECT_TRUE(bytes <= CommitQueue::kMaxGroupBytes || group.commits.size() == 1) << bytes;
  }
  seen.erase(seen.begin());
  EXPECT_EQ(seen, sizes) << "commits were reordered";
  EXPECT_EQ(engine_.groups()[1].commits.size(), 2U) << "two halves fill a group";
}

// Q2.
TEST_F(CommitQueueTest, CommitTimesNeverGoBack) {
  for (int i = 0; i < 100; ++i) ASSERT_OK(queue_->Add("a", 1, kUnsynced));
  int64_t last = 0;
  for (const FakeEngine::Group& group : engine_.groups()) {
    for (const int64_t time : group.times_us) {
      EXPECT_GE(time, last);
      last = time;
    }
  }
  EXPECT_GT(last, 0);
}

// Q3.
TEST_F(CommitQueueTest, ExclusiveWorkTakesItsTurnBetweenGroups) {
  Answer first = HoldFirst();
  std::vector<std::string> groups_at_work;
  Answer before = CommitBehind(0, "before");
  std::future<absl::Status> work = WorkBehind(1, [&] {
    groups_at_work = engine_.GroupNames();
    EXPECT_TRUE(engine_.groups().back().written) << "a group was under way";
    return absl::AlreadyExistsError("the work's own answer");
  });
  Answer after = CommitBehind(2, "after");
  engine_.Release();
  EXPECT_THAT(work.get(), StatusIs(absl::StatusCode::kAlreadyExists, "the work's own answer"));
  EXPECT_OK(before.get());
  EXPECT_OK(after.get());
  EXPECT_THAT(groups_at_work, ElementsAre("first!", "before!"));
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("first!", "before!", "after!"));
}

TEST_F(CommitQueueTest, ExclusiveWorkOfAnIdleQueueRunsAtOnce) {
  bool ran = false;
  EXPECT_OK(queue_->RunExclusively([&] {
    ran = true;
    return absl::OkStatus();
  }));
  EXPECT_TRUE(ran);
  EXPECT_OK(queue_->Add("a", 1, kSynced));
}

// Q4.
TEST_F(CommitQueueTest, UnsyncedCommitsThatWaitShareAGroupWithoutASync) {
  Answer first = HoldFirst(kUnsynced);
  Answer a = CommitBehind(0, "a", kUnsynced);
  Answer b = CommitBehind(1, "b", kUnsynced);
  engine_.Release();
  EXPECT_OK(first.get());
  EXPECT_OK(a.get());
  EXPECT_OK(b.get());
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("first", "a+b"));
}

// Q5. What the caller's memory holds after its time is up is no concern of the commit's.
TEST_F(CommitQueueTest, ALateCommitIsLeftBehindAndStillHappens) {
  Answer first = HoldFirst();
  {
    std::string bytes = "late";
    EXPECT_THAT(queue_->Add(bytes, 1, {Durability::kVolume, absl::Milliseconds(1)}),
                StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("unknown")));
    bytes.assign("gone");
  }
  Answer second = CommitBehind(1, "second");
  engine_.Release();
  EXPECT_OK(first.get());
  EXPECT_EQ(*second.get(), (Version{kEpoch, 3}));
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("first!", "late+second!"));
}

// Q5. Not even the first commit of an idle queue waits longer than it may.
TEST_F(CommitQueueTest, ADeadlineHoldsAlsoWhileTheEngineIsStuck) {
  engine_.HoldAfter(0);
  EXPECT_THAT(queue_->Add("a", 1, {Durability::kVolume, absl::Milliseconds(1)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(queue_->Add("b", 1, {Durability::kProcess, absl::ZeroDuration()}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  engine_.Release();
  queue_->Stop();
  EXPECT_EQ(engine_.LastSequence(), 2U);
}

// Q5.
TEST_F(CommitQueueTest, ACommitWithinItsDeadlineAnswersItsVersion) {
  const CommitOptions within{Durability::kVolume, absl::Hours(1)};
  ASSERT_OK_AND_ASSIGN(const Version version, queue_->Add("a", 4, within));
  EXPECT_EQ(version, (Version{kEpoch, 4}));
  Answer first = HoldFirst();
  Answer b = CommitBehind(0, "b", {Durability::kProcess, absl::Hours(1)});
  engine_.Release();
  EXPECT_OK(first.get());
  EXPECT_EQ(*b.get(), (Version{kEpoch, 6}));
}

// Q6.
TEST_F(CommitQueueTest, UnsyncedCommitsAtTheHeadDoNotWaitForTheSyncOfTheRest) {
  Answer first = HoldFirst();
  Answer p1 = CommitBehind(0, "p1", kUnsynced);
  Answer p2 = CommitBehind(1, "p2", kUnsynced);
  Answer v = CommitBehind(2, "v", kSynced);
  Answer p3 = CommitBehind(3, "p3", kUnsynced);
  engine_.HoldAfter(2);
  EXPECT_OK(first.get());
  EXPECT_OK(p1.get());
  EXPECT_OK(p2.get());
  ASSERT_TRUE(engine_.AwaitGroups(3));
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("first!", "p1+p2", "v+p3!"));
  EXPECT_EQ(v.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  engine_.Release();
  EXPECT_EQ(*v.get(), (Version{kEpoch, 4}));
  EXPECT_EQ(*p3.get(), (Version{kEpoch, 5}));
}

TEST_F(CommitQueueTest, AfterAFailureNothingReachesTheEngine) {
  engine_.FailFrom(2, absl::UnavailableError("the disk said EIO"));
  Answer first = HoldFirst();
  Answer a = CommitBehind(0, "a");
  Answer b = CommitBehind(1, "b");
  bool worked = false;
  std::future<absl::Status> work = WorkBehind(2, [&] {
    worked = true;
    return absl::OkStatus();
  });
  Answer c = CommitBehind(3, "c");
  Answer d = CommitBehind(4, "d", {Durability::kProcess, absl::Hours(1)});
  engine_.Release();
  EXPECT_OK(first.get());
  EXPECT_THAT(a.get(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the disk said EIO")));
  EXPECT_THAT(b.get(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("unknown")));
  EXPECT_THAT(work.get(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE(worked) << "exclusive work ran after a failed write";
  EXPECT_THAT(c.get(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("reopened")));
  EXPECT_THAT(d.get(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("EIO")));
  EXPECT_THAT(queue_->Add("e", 1, kSynced), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(queue_->Add("f", 1, kUnsynced), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("first!", "a+b!"));
  EXPECT_EQ(failures_, 1);
  EXPECT_THAT(failure_, StatusIs(absl::StatusCode::kDataLoss));
}

// Q6. What stands behind a failed write was not written: it is refused, not unknown.
TEST_F(CommitQueueTest, AFailedHeadOfAGroupKeepsTheRestFromTheEngine) {
  engine_.FailFrom(2, absl::UnavailableError("no"));
  Answer first = HoldFirst();
  Answer p = CommitBehind(0, "p", kUnsynced);
  Answer v = CommitBehind(1, "v", kSynced);
  engine_.Release();
  EXPECT_OK(first.get());
  EXPECT_THAT(p.get(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(v.get(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("first!", "p"));
}

TEST_F(CommitQueueTest, AFailureFoundElsewhereEndsWriting) {
  queue_->Fail(absl::DataLossError("background work failed"));
  EXPECT_THAT(queue_->Add("a", 1, kSynced),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("background work failed")));
  EXPECT_THAT(engine_.groups(), IsEmpty());
}

TEST_F(CommitQueueTest, ACommitWhoseTableIsGoneHarmsNoOtherOfItsGroup) {
  engine_.Refuse("orphan");
  Answer first = HoldFirst();
  Answer orphan = CommitBehind(0, "orphan", kSynced, 5);
  Answer a = CommitBehind(1, "a", kSynced, 2);
  engine_.Release();
  EXPECT_OK(first.get());
  EXPECT_THAT(orphan.get(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(*a.get(), (Version{kEpoch, 3})) << "a refused commit takes no sequence";
  EXPECT_THAT(queue_->Add("orphan", 1, kSynced), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(engine_.GroupNames(), ElementsAre("first!", "a!"));
}

TEST_F(CommitQueueTest, StopWaitsForWhatIsQueuedAndRefusesTheRest) {
  Answer first = HoldFirst();
  Answer queued = CommitBehind(0, "queued");
  std::future<void> stop = std::async(std::launch::async, [this] { queue_->Stop(); });
  // Stop() refuses before it waits, so a refusal shows that it is under way.
  absl::StatusOr<Version> refused = Version();
  ASSERT_TRUE(Eventually([&] {
    refused = queue_->Add("x", 1, {Durability::kVolume, absl::ZeroDuration()});
    return refused.status().code() == absl::StatusCode::kFailedPrecondition;
  }));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed")));
  EXPECT_EQ(stop.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  EXPECT_THAT(queue_->RunExclusively([] { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  engine_.Release();
  stop.get();
  EXPECT_OK(first.get());
  EXPECT_OK(queued.get());
  EXPECT_THAT(queue_->Add("late", 1, kSynced), StatusIs(absl::StatusCode::kFailedPrecondition));
}

// Every operation has one version, whoever leads and however the groups come about.
TEST_F(CommitQueueTest, VersionsOfManyWritersHaveNoGap) {
  constexpr int kWriters = 8;
  constexpr int kCommits = 300;
  std::vector<std::map<uint64_t, uint32_t>> answers(kWriters);  // Last sequence and count.
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      uint64_t last = 0;
      for (int i = 0; i < kCommits; ++i) {
        CommitOptions options;
        if ((w + i) % 3 == 0) options.durability = Durability::kProcess;
        if ((w + i) % 5 == 0) options.timeout = absl::Hours(1);
        const uint32_t count = 1 + static_cast<uint32_t>(w + i) % 4;
        const absl::StatusOr<Version> version = queue_->Add("x", count, options);
        ASSERT_OK(version);
        EXPECT_GT(version->sequence, last);
        last = version->sequence;
        answers[static_cast<size_t>(w)][last] = count;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  std::map<uint64_t, uint32_t> all;
  for (const auto& answer : answers) all.insert(answer.begin(), answer.end());
  ASSERT_EQ(all.size(), size_t{kWriters} * kCommits) << "two commits got one version";
  uint64_t end = 0;
  for (const auto& [last, count] : all) {
    EXPECT_EQ(last - count, end);
    end = last;
  }
  EXPECT_EQ(end, engine_.LastSequence());
}

// Commits, exclusive work and short deadlines together neither lose nor repeat anything.
TEST_F(CommitQueueTest, EveryAnsweredCommitReachedTheEngineOnce) {
  constexpr int kWriters = 8;
  std::vector<std::thread> writers;
  std::atomic<int> exclusive{0};
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 200; ++i) {
        if (i % 17 == w) {
          EXPECT_OK(queue_->RunExclusively([&] {
            EXPECT_EQ(exclusive.fetch_add(1), 0) << "two at once";
            exclusive.fetch_sub(1);
            return absl::OkStatus();
          }));
        }
        CommitOptions options = i % 2 == 0 ? kSynced : kUnsynced;
        if (i % 3 == 0) options.timeout = absl::Microseconds(20);
        const auto version = queue_->Add(absl::StrCat(w, ".", i), 1, options);
        EXPECT_TRUE(version.ok() || absl::IsDeadlineExceeded(version.status()));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  queue_->Stop();
  std::map<std::string, int> seen;
  for (const FakeEngine::Group& group : engine_.groups()) {
    for (const std::string& commit : group.commits) ++seen[commit];
  }
  EXPECT_EQ(seen.size(), size_t{kWriters} * 200);
  for (const auto& [commit, times] : seen) EXPECT_EQ(times, 1) << commit;
}

}  // namespace
}  // namespace mooring::internal
