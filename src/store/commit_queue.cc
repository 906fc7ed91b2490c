#include "src/store/commit_queue.h"

#include <sched.h>

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/futex.h"
#include "src/base/steady_clock.h"
#include "src/base/steady_wait.h"

namespace mooring::internal {
namespace {

// What a commit thread waits for company. Longer costs latency, shorter loses members: sixteen
// writers on two cores take about this long to come back from their last commit.
constexpr absl::Duration kLinger = absl::Microseconds(40);

// A kProcess commit is answered within microseconds, less than a sleep and a wake-up cost: its
// caller looks so many times before it sleeps. It does not yield: on a busy machine that gives away
// whole time slices.
constexpr int kLooks = 100;

// So many groups of kProcess commits a caller leads before it hands over: giving the lead away
// costs a wake-up, more than a group does, and each group that it leads costs its own caller that
// time.
constexpr int kGroupsLed = 32;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// What a commit's caller knows, or that it sleeps and must be woken.
constexpr uint32_t kWaiting = 0;
constexpr uint32_t kLead = 1;
constexpr uint32_t kAnswered = 2;
constexpr uint32_t kSleeping = 3;

constexpr uint32_t kIdle = 0;
constexpr uint32_t kRun = 1;
constexpr uint32_t kEnd = 2;

}  // namespace

struct CommitQueue::Node {
  std::string_view operations;
  uint32_t count = 0;
  bool sync = true;
  const std::function<absl::Status()>* work = nullptr;  // Instead of operations: runs alone.

  // Of commits with a deadline, which their caller may leave behind.
  std::string copy;
  std::shared_ptr<Node> self;

  absl::Status status;
  uint64_t last_sequence = 0;
  std::atomic<uint32_t> state{kWaiting};

  // The node may be gone when this returns, where the news is its answer.
  void Tell(uint32_t news) {
    std::atomic<uint32_t>* const word = &state;
    if (word->exchange(news, std::memory_order_acq_rel) == kSleeping) FutexWake(word);
  }
  // kLead or kAnswered; kSleeping where the deadline passed before.
  uint32_t AwaitNews(const Deadline& deadline);
};

uint32_t CommitQueue::Node::AwaitNews(const Deadline& deadline) {
  for (int i = 0; !sync && i < kLooks && state.load(std::memory_order_relaxed) == kWaiting; ++i) {
    Pause();
  }
  uint32_t seen = kWaiting;
  if (!state.compare_exchange_strong(seen, kSleeping, std::memory_order_acq_rel)) return seen;
  while ((seen = state.load(std::memory_order_acquire)) == kSleeping && !deadline.Passed()) {
    FutexWait(&state, kSleeping, deadline.Left());
  }
  return seen;
}

CommitQueue::CommitQueue(engine::Engine* engine, uint64_t epoch,
                         std::function<void(const absl::Status&)> failed, int64_t least_time_us,
                         size_t max_copied_bytes)
    : engine_(engine),
      epoch_(epoch),
      report_failure_(std::move(failed)),
      max_copied_bytes_(max_copied_bytes),
      last_time_us_(least_time_us),
      thread_([this] { RunCommitThread(); }) {}

CommitQueue::~CommitQueue() {
  thread_word_.store(kEnd, std::memory_order_release);
  FutexWake(&thread_word_);
  thread_.join();
}

absl::StatusOr<Version> CommitQueue::Add(std::string_view operations, uint32_t count,
                                         const CommitOptions& options) {
  if (options.timeout != absl::InfiniteDuration()) return AddWithin(operations, count, options);
  Node node;
  node.operations = operations;
  node.count = count;
  node.sync = options.durability != Durability::kProcess;
  Submit(&node);
  if (!node.status.ok()) return node.status;
  return Version{epoch_, node.last_sequence};
}

absl::StatusOr<Version> CommitQueue::AddWithin(std::string_view operations, uint32_t count,
                                               const CommitOptions& options) {
  const Deadline deadline(options.timeout);
  const auto node = std::make_shared<Node>();
  node->copy = std::string(operations);
  node->operations = node->copy;
  node->count = count;
  node->sync = options.durability != Durability::kProcess;
  const absl::Status late = absl::DeadlineExceededError(
      absl::StrCat("no answer within ", absl::FormatDuration(options.timeout),
                   "; unknown whether the commit happens"));
  {
    absl::MutexLock lock(&mutex_);
    const auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return copied_bytes_ < max_copied_bytes_;
    };
    if (!AwaitSteadily(&mutex_, absl::Condition(&has_room), deadline)) return late;
    if (absl::Status refusal = Refusal(); !refusal.ok()) return refusal;
    copied_bytes_ += node->copy.size();
    node->self = node;
    Enqueue(node.get());
    if (!std::exchange(busy_, true)) WakeCommitThread();
  }
  if (node->AwaitNews(deadline) != kAnswered) return late;
  if (!node->status.ok()) return node->status;
  return Version{epoch_, node->last_sequence};
}

absl::Status CommitQueue::RunExclusively(const std::function<absl::Status()>& work) {
  Node node;
  node.work = &work;
  Submit(&node);
  return node.status;
}

void CommitQueue::Fail(const absl::Status& reason) {
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) return;
    failure_ = reason;
  }
  report_failure_(reason);
}

void CommitQueue::Refuse() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

void CommitQueue::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !busy_ && waiting_.empty();
  };
  mutex_.Await(absl::Condition(&idle));
}

absl::Status CommitQueue::Refusal() const {
  if (stopped_) return absl::FailedPreconditionError("the store is closed");
  if (failure_.ok()) return absl::OkStatus();
  absl::Status refusal = absl::FailedPreconditionError(
      absl::StrCat("the store is read-only until it is reopened, because: ", failure_.ToString()));
  // Such as that another owner took over.
  failure_.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    refusal.SetPayload(type, payload);
  });
  return refusal;
}

// Returns when `node` is answered.
void CommitQueue::Submit(Node* node) {
  bool leads;
  {
    absl::MutexLock lock(&mutex_);
    node->status = Refusal();
    if (!node->status.ok()) return;
    leads = !std::exchange(busy_, true);
    if (!leads) Enqueue(node);
  }
  if (leads) {
    Write(&node, &node + 1);
  } else {
    if (node->AwaitNews(Deadline(absl::InfiniteDuration())) == kAnswered) return;
    Group group;
    TakeGroup(&group);
    Write(group.data(), group.data() + group.size());
  }
  LeadOn();
}

// Leads on while nobody who waits wants a sync, and then gives the lead to whoever is next.
void CommitQueue::LeadOn() {
  Group group;
  for (int i = 0; i < kGroupsLed; ++i) {
    {
      absl::MutexLock lock(&mutex_);
      if (waiting_.empty()) {
        busy_ = false;
        return;
      }
      if (waiting_synced_ > 0 || waiting_.front()->self != nullptr) break;
    }
    TakeGroup(&group);
    Write(group.data(), group.data() + group.size());
  }
  HandOver();
}

void CommitQueue::Enqueue(Node* node) {
  waiting_.push_back(node);
  waiting_count_.store(waiting_.size(), std::memory_order_relaxed);
  if (node->sync) ++waiting_synced_;
}

void CommitQueue::WakeCommitThread() {
  thread_word_.store(kRun, std::memory_order_release);
  FutexWake(&thread_word_);
}

void CommitQueue::HandOver() {
  absl::MutexLock lock(&mutex_);
  if (waiting_.empty()) {
    busy_ = false;
    return;
  }
  Node* const next = waiting_.front();
  if (waiting_synced_ > 0 || next->self != nullptr) {
    WakeCommitThread();
    return;
  }
  next->Tell(kLead);
}

void CommitQueue::RunCommitThread() {
  for (;;) {
    uint32_t word;
    while ((word = thread_word_.exchange(kIdle, std::memory_order_acq_rel)) == kIdle) {
      FutexWait(&thread_word_, kIdle);
    }
    if (word == kEnd) return;
    Group group;
    for (size_t members = 1; TakeGroup(&group); members = group.size(), Linger(members)) {
      Write(group.data(), group.data() + group.size());
    }
  }
}

void CommitQueue::Linger(size_t members) {
  if (members <= 1) return;
  const absl::Duration end = SteadyNow() + kLinger;
  while (waiting_count_.load(std::memory_order_relaxed) < members && SteadyNow() < end) {
    sched_yield();
  }
}

// Takes the next group, at least one member. False, and the lead is given up, where nobody waits.
bool CommitQueue::TakeGroup(Group* group) {
  group->clear();
  absl::MutexLock lock(&mutex_);
  if (waiting_.empty()) {
    busy_ = false;
    return false;
  }
  size_t taken = 0;
  size_t bytes = 0;
  for (; taken < waiting_.size(); ++taken) {
    Node* const node = waiting_[taken];
    bytes += node->operations.size();
    const bool alone = node->work != nullptr || bytes > kMaxGroupBytes;
    if (alone && taken > 0) break;
    group->push_back(node);
    if (node->sync) --waiting_synced_;
    copied_bytes_ -= node->copy.size();
    if (alone) {
      ++taken;
      break;
    }
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(taken));
  waiting_count_.store(waiting_.size(), std::memory_order_relaxed);
  return true;
}

void CommitQueue::Write(Node* const* begin, Node* const* end) {
  if ((*begin)->work != nullptr) {
    RunWork(*begin);
    return;
  }
  Node* const* const synced = std::find_if(begin, end, [](const Node* node) { return node->sync; });
  if (synced != begin) WritePart(begin, synced, /*sync=*/false);
  if (synced != end) WritePart(synced, end, /*sync=*/true);
}

// Work that waited behind a failed write is refused as a commit is: it would write, too.
void CommitQueue::RunWork(Node* node) {
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) node->status = Refusal();
  }
  if (node->status.ok()) node->status = (*node->work)();
  Answer(node);
}

void CommitQueue::WritePart(Node* const* begin, Node* const* end, bool sync) {
  const absl::Status error = WriteToEngine(begin, end, sync);
  if (!error.ok()) Fail(error);
  std::for_each(begin, end, Answer);
}

// One engine write of the members; each has its status and sequence afterwards. Returns the failure
// that ends writing, where there is one.
absl::Status CommitQueue::WriteToEngine(Node* const* begin, Node* const* end, bool sync) {
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) {
      const absl::Status refusal = Refusal();
      std::for_each(begin, end, [&](Node* node) { node->status = refusal; });
      return absl::OkStatus();
    }
  }
  last_time_us_ = std::max(last_time_us_, absl::GetCurrentTimeNanos() / 1000);
  bool any = false;
  engine_->BeginGroup();
  for (Node* const* node = begin; node != end; ++node) {
    (*node)->status = engine_->AddToGroup({(*node)->operations, (*node)->count, last_time_us_});
    any |= (*node)->status.ok();
  }
  if (!any) return absl::OkStatus();
  const absl::StatusOr<uint64_t> first = engine_->WriteGroup(sync);
  absl::Status error;
  if (!first.ok()) {
    error = absl::DataLossError(
        absl::StrCat("a commit failed, and it is unknown whether it happened; reopen the store: ",
                     first.status().message()));
  }
  uint64_t next = first.ok() ? *first : 0;
  for (Node* const* node = begin; node != end; ++node) {
    if (!(*node)->status.ok()) continue;
    (*node)->status = error;
    next += (*node)->count;
    (*node)->last_sequence = next - 1;
  }
  return error;
}

// The node may be gone when this returns.
void CommitQueue::Answer(Node* node) {
  const std::shared_ptr<Node> self = std::move(node->self);
  node->Tell(kAnswered);
}

}  // namespace mooring::internal
